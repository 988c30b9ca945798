//! `BlobError`: why a blob cannot be read on.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Key, Retry};

/// A result whose error is [`BlobError`].
pub type Result<T, E = BlobError> = std::result::Result<T, E>;

/// Why a blob cannot be read on; cheap to clone, since all readers of a blob share one.
///
/// A cache that fails is not among the reasons: what it does not give is fetched from the source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BlobError {
    /// The source has another version than the one that is being read. What was kept of the old one is dropped:
    /// open the blob again and start from its beginning.
    Changed {
        /// What told the versions apart.
        seen: Arc<str>,
    },
    /// The range begins behind the end of the blob.
    PastEnd {
        /// Where the range begins.
        start: u64,
        /// Length of the blob in bytes.
        len: u64,
    },
    /// The source failed, or the call was wrong.
    Failed(Error),
}

impl BlobError {
    /// The source has another version; `seen` says what told so.
    pub fn changed(seen: impl Into<Arc<str>>) -> Self {
        Self::Changed { seen: seen.into() }
    }

    /// The source failed in a way that may pass: the same fetch is tried again a few times.
    pub fn passing(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed(Error::new(ErrorKind::Load, message).with_retry(Retry::Later))
    }

    /// The source failed for good.
    pub fn lasting(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed(Error::new(ErrorKind::Load, message))
    }

    /// Whether the same call may succeed when it is made again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Failed(error) => error.retry(),
            Self::Changed { .. } => Retry::Later,
            Self::PastEnd { .. } => Retry::Never,
        }
    }

    /// The nearest kind of the other crates' errors.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(error) => error.kind(),
            Self::Changed { .. } => ErrorKind::Load,
            Self::PastEnd { .. } => ErrorKind::Invalid,
        }
    }

    pub(crate) fn caused(self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(error.with_source(cause)),
            other => other,
        }
    }

    pub(crate) fn at(self, key: &Key) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(error.with_key(key).with_operation("read")),
            other => other,
        }
    }
}

impl std::fmt::Display for BlobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed { seen } => write!(f, "the origin changed while it was read ({seen}): open the blob again"),
            Self::PastEnd { start, len } => write!(f, "the range begins at {start}, behind the end at {len}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BlobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<Error> for BlobError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<BlobError> for io::Error {
    fn from(error: BlobError) -> Self {
        let kind = match error.kind() {
            ErrorKind::Timeout => io::ErrorKind::TimedOut,
            ErrorKind::Invalid => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
