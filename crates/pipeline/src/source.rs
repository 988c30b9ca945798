//! `Source`: what artifacts are made from.

mod servers;
mod state;

use std::fmt;
use std::path::{Path, PathBuf};

use cache_core::{Error, ErrorKind, Result};

use crate::Fingerprint;
#[cfg(feature = "endpoint")]
pub use servers::HttpServers;
pub use servers::Servers;
pub(crate) use servers::confirm;
pub(crate) use state::{SourceState, changed, io_failure, shown};

/// What artifacts are made from: a file, or something on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A regular file, identified by its content.
    File(PathBuf),
    /// Something on a server, identified by what the server says of it.
    Remote(Remote),
    /// A source that is not at hand, by its fingerprint: what was made of it is found, and nothing can be computed.
    Kept(Fingerprint),
}

/// Something on a server. Whoever names it has asked the server about it, with a `HEAD` request, say.
///
/// What identifies it is its strong `ETag`, or else its length and time of modification; in both cases with its URL. The
/// server is asked for them again while it is worked on, see [`Servers`].
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    pub(crate) url: String,
    pub(crate) etag: Option<String>,
    pub(crate) len: Option<u64>,
    pub(crate) modified: Option<String>,
}

impl Source {
    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Remote(_) | Self::Kept(_) => None,
        }
    }
}

impl Remote {
    /// The source at `url`, which must be `http` or `https`. What the URL says in its query is part of the identity:
    /// give a canonical one, without what changes from link to link.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), etag: None, len: None, modified: None }
    }

    /// Sets the `ETag`, as the header has it. A weak one (`W/"..."`) identifies nothing and is ignored.
    #[must_use]
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into()).filter(|etag| !etag.starts_with("W/") && !etag.is_empty());
        self
    }

    /// Sets the length in bytes.
    #[must_use]
    pub const fn len(mut self, bytes: u64) -> Self {
        self.len = Some(bytes);
        self
    }

    /// Sets the time of modification, as the header has it.
    #[must_use]
    pub fn modified(mut self, modified: impl Into<String>) -> Self {
        self.modified = Some(modified.into()).filter(|modified| !modified.is_empty());
        self
    }

    /// What identifies it.
    ///
    /// # Errors
    /// `Invalid` when the server has said nothing that does, or when the URL is of another scheme.
    pub(crate) fn identity(&self) -> Result<Vec<String>> {
        let Self { url, etag, len, modified } = self;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Error::new(ErrorKind::Invalid, "a remote source is an http or https URL"));
        }
        let len = len.map(|len| len.to_string());
        match (etag, len, modified) {
            (Some(etag), len, _) => Ok(vec!["etag".into(), url.clone(), etag.clone(), len.unwrap_or_default()]),
            (None, Some(len), Some(modified)) => Ok(vec!["modified".into(), url.clone(), len, modified.clone()]),
            _ => Err(Error::new(
                ErrorKind::Invalid,
                format!("{self} has neither a strong ETag nor a length and time of modification: download it first"),
            )),
        }
    }

    /// Whether `told`, which its server says of it, is what this was; `None` when it does not say what would tell.
    pub(crate) fn is_still(&self, told: &Self) -> Option<bool> {
        let len = same(self.len.as_ref(), told.len.as_ref());
        if len == Some(false) {
            return len;
        }
        match &self.etag {
            Some(etag) => same(Some(etag), told.etag.as_ref()),
            None => len.and(same(self.modified.as_ref(), told.modified.as_ref())),
        }
    }
}

fn same<T: PartialEq>(was: Option<&T>, told: Option<&T>) -> Option<bool> {
    was.zip(told).map(|(was, told)| was == told)
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Source {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<Fingerprint> for Source {
    fn from(fingerprint: Fingerprint) -> Self {
        Self::Kept(fingerprint)
    }
}

impl From<Remote> for Source {
    fn from(remote: Remote) -> Self {
        Self::Remote(remote)
    }
}

/// One line in quotes; of a URL without its query, which may be a secret.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&shown(path)),
            Self::Remote(remote) => remote.fmt(f),
            Self::Kept(fingerprint) => write!(f, "the source {fingerprint}"),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, _) = self.url.split_once(['?', '#']).unwrap_or((&self.url, ""));
        let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        f.write_str(&shown(Path::new(&format!("{scheme}://{host}/{path}"))))
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({self})")
    }
}
