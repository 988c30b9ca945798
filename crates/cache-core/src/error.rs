//! The one error type of every crate: what happened, to what, and what the caller can do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Key;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong: mend it. Nothing was changed.
    Invalid,
    /// The backend cannot be reached or refuses to work now.
    Unavailable,
    /// The backend was not asked, because it has just failed too often.
    BreakerOpen,
    /// The operation took longer than it may; whether it took effect is unknown.
    Timeout,
    /// Stored bytes did not verify. The entry is, or counts as, absent.
    Corrupt,
    /// The body exceeds what this backend holds. Nothing was changed; another tier may take it.
    TooLarge,
    /// The loader failed: the error is the producer's, not the cache's.
    Load,
    /// The backend was closed by its owner.
    Closed,
    /// A bug or a broken invariant; please report it.
    Internal,
}

impl ErrorKind {
    /// The kind in lower-case words, as shown in messages and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::BreakerOpen => "breaker open",
            Self::Timeout => "timeout",
            Self::Corrupt => "corrupt",
            Self::TooLarge => "too large",
            Self::Load => "load",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

/// Whether the same call may succeed when it is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same call fails the same way.
    Never,
    /// The cause may pass by itself: try again after a pause.
    Later,
}

/// A failure, cheap to clone because all waiters of a load share one.
///
/// A miss is not an error: reads answer `Ok(None)`. No type of another library appears in it, only as an
/// opaque [`source`](StdError::source).
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: Cow<'static, str>,
    operation: Option<&'static str>,
    backend: Option<Arc<str>>,
    key: Option<Key>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` says what happened and what to do about it.
    ///
    /// `Unavailable`, `BreakerOpen` and `Timeout` start as [`Retry::Later`], all others as [`Retry::Never`].
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let retry = match kind {
            ErrorKind::Unavailable | ErrorKind::BreakerOpen | ErrorKind::Timeout => Retry::Later,
            _ => Retry::Never,
        };
        Self(Arc::new(Inner {
            kind,
            retry,
            message: message.into(),
            operation: None,
            backend: None,
            key: None,
            source: None,
        }))
    }

    /// Sets whether a retry makes sense.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        Arc::make_mut(&mut self.0).retry = retry;
        self
    }

    /// Names the operation that failed, e.g. `"put"`.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        Arc::make_mut(&mut self.0).operation = Some(operation);
        self
    }

    /// Names the backend that failed.
    #[must_use]
    pub fn with_backend(mut self, backend: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.0).backend = Some(backend.into());
        self
    }

    /// Names the key that was worked on.
    #[must_use]
    pub fn with_key(mut self, key: &Key) -> Self {
        Arc::make_mut(&mut self.0).key = Some(key.clone());
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::from(source.into()));
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What happened, without operation, backend, key and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The backend that failed.
    pub fn backend(&self) -> Option<&str> {
        self.0.backend.as_deref()
    }

    /// The key that was worked on.
    pub fn key(&self) -> Option<&Key> {
        self.0.key.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(backend) = &inner.backend {
            write!(f, "{backend}: ")?;
        }
        if let Some(operation) = inner.operation {
            write!(f, "{operation}")?;
            if let Some(key) = &inner.key {
                write!(f, " {key}")?;
            }
            f.write_str(": ")?;
        } else if let Some(key) = &inner.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("retry", &inner.retry)
            .field("message", &inner.message)
            .field("operation", &inner.operation)
            .field("backend", &inner.backend)
            .field("key", &inner.key)
            .field("source", &inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_where_what_and_why() {
        let key = Key::parse("video:1").unwrap();
        let error = Error::new(ErrorKind::Unavailable, "the disk is full: free space or lower the capacity")
            .with_backend("file")
            .with_operation("put")
            .with_key(&key);
        assert_eq!(error.to_string(), "file: put video:1: the disk is full: free space or lower the capacity");
        assert_eq!(error.retry(), Retry::Later);
    }

    #[test]
    fn annotating_a_clone_leaves_the_original_alone() {
        let error = Error::new(ErrorKind::Load, "boom");
        let annotated = error.clone().with_operation("load");
        assert_eq!(error.operation(), None);
        assert_eq!(annotated.operation(), Some("load"));
    }
}
