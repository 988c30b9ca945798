//! `Servers`: what servers say of remote sources while these are worked on.

#[cfg(feature = "endpoint")]
mod http;

use std::fmt::Debug;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, Result, Retry};

#[cfg(feature = "endpoint")]
pub use http::HttpServers;

use crate::Remote;

/// What servers say of remote sources. They are asked whenever something of one is about to be kept: what was made of a
/// source that has changed meanwhile is discarded.
#[async_trait]
pub trait Servers: Debug + Send + Sync + 'static {
    /// What the server says of `url`: its `ETag`, length and time of modification as its headers have them. Cancelling it
    /// is safe at any time.
    ///
    /// # Errors
    /// When the server does not answer, or not for this source; what was made of it is then discarded.
    async fn ask(&self, url: &str) -> Result<Remote>;
}

/// Fails unless `servers` say that `remote` is what it was. `during` says what would have gone wrong.
pub(crate) async fn confirm(servers: Option<&dyn Servers>, remote: &Remote, during: &str) -> Result<()> {
    let Some(servers) = servers else {
        let message = format!(
            "nobody can ask the server of {remote} whether it has changed: set ArtifactOptions::servers, or download it first"
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    };
    let told = servers.ask(&remote.url).await.map_err(|error| {
        let message = format!("{remote} may have changed while it was {during}: {}: try again", error.message());
        Error::new(error.kind(), message).with_retry(Retry::Later).with_source(error)
    })?;
    match remote.is_still(&told) {
        Some(true) => Ok(()),
        Some(false) => {
            let message =
                format!("{remote} changed while it was {during}: name it with what its server says of it now");
            Err(Error::new(ErrorKind::Invalid, message))
        }
        None => {
            let message = format!(
                "{remote} may have changed while it was {during}: its server says neither what it said before nor \
                 anything else: download it first"
            );
            Err(Error::new(ErrorKind::Invalid, message))
        }
    }
}
