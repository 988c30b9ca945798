//! `HttpCheck`: whether a link still works, asked over HTTP.

use async_trait::async_trait;
use cache_core::Result;

use super::{Ask, Fetch, is_sendable};
use crate::{Link, LinkCheck, Verdict};

/// Whether a link still works, asked over HTTP: for its head, and where that is refused for its first byte, because many
/// a signed address is good for one method only. Its headers are sent along, but to no
/// other origin that it redirects to.
///
/// Nothing is asked about magnet links, nor of a host that wants to be left alone.
#[derive(Debug, Clone)]
pub struct HttpCheck(Fetch);

impl HttpCheck {
    /// Checks within the limits of `fetch`.
    pub fn new(fetch: &Fetch) -> Self {
        Self(fetch.clone())
    }

    async fn status(&self, ask: Ask, link: &Link) -> Result<u16> {
        let headers = link.headers.iter().filter(|(name, value)| is_sendable(name, value));
        let ask = headers.fold(ask, |ask, (name, value)| ask.secret(name, value));
        self.0.status(&ask).await.map_err(|failure| failure.into_error("http", "check"))
    }
}

#[async_trait]
impl LinkCheck for HttpCheck {
    async fn check(&self, link: &Link) -> Result<Verdict> {
        if !link.url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")) {
            return Ok(Verdict::Unknown);
        }
        let status = match self.status(Ask::head(&link.url), link).await? {
            // Of these, some are about the method.
            400 | 401 | 403 | 404 | 405 | 410 | 501 => {
                self.status(Ask::get(&link.url).header("range", "bytes=0-0"), link).await?
            }
            status => status,
        };
        Ok(Verdict::of_status(status))
    }
}
