//! `Failure`: why a provider has no answer.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Retry};

/// Why a provider has no answer: the source of the [`Error`] that it returns, found again with [`Failure::of`].
///
/// ```
/// # use cache_core::{ErrorKind, Retry};
/// # use providers::{Failure, Reason};
/// # use std::time::Duration;
/// let failure = Failure::new(Reason::RateLimited, "archive.org wants fewer requests").after(Duration::from_secs(30));
/// let error = failure.into_error("archive", "links");
/// assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
/// assert_eq!(Failure::of(&error).and_then(Failure::retry_after), Some(Duration::from_secs(30)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    reason: Reason,
    message: String,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The request is none that this provider understands.
    Unsupported,
    /// There is no such page.
    NotFound,
    /// It is there, and not for this account, country or address.
    Forbidden,
    /// Too many requests were made.
    RateLimited,
    /// The other side cannot be reached or has failed.
    Unavailable,
    /// It took longer than it may.
    Timeout,
    /// The answer has another shape than it should.
    Malformed,
    /// The answer is longer than is read.
    TooLarge,
    /// What was answered had ended when it came.
    Expired,
}

impl Failure {
    /// A failure; `message` says what happened and what to do about it, without secrets.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), status: None, retry_after: None }
    }

    /// Notes the pause that the other side asked for.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Notes the status of HTTP that it was answered with.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// What kind of failure it is.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The status of HTTP that it was answered with.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The pause that the other side asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The error that a provider returns: named after it and its operation, with this as the source.
    #[must_use]
    pub fn into_error(self, provider: &str, operation: &'static str) -> Error {
        let (kind, retry) = self.reason.meaning();
        Error::new(kind, self.message.clone())
            .with_retry(retry)
            .with_backend(provider)
            .with_operation(operation)
            .with_source(self)
    }

    /// The failure behind `error`, however deep.
    pub fn of(error: &Error) -> Option<&Self> {
        behind(error).find_map(|cause| cause.downcast_ref())
    }
}

impl Reason {
    fn meaning(self) -> (ErrorKind, Retry) {
        match self {
            Self::Unsupported => (ErrorKind::Invalid, Retry::Never),
            Self::NotFound | Self::Forbidden => (ErrorKind::Load, Retry::Never),
            Self::RateLimited | Self::Unavailable => (ErrorKind::Unavailable, Retry::Later),
            Self::Timeout => (ErrorKind::Timeout, Retry::Later),
            Self::Malformed | Self::Expired => (ErrorKind::Load, Retry::Later),
            Self::TooLarge => (ErrorKind::TooLarge, Retry::Never),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.status, self.retry_after) {
            (Some(status), Some(pause)) => write!(f, " (status {status}, again after {pause:?})"),
            (Some(status), None) => write!(f, " (status {status})"),
            (None, Some(pause)) => write!(f, " (again after {pause:?})"),
            (None, None) => Ok(()),
        }
    }
}

impl StdError for Failure {}

/// `error` and its causes, the outermost first.
pub(crate) fn behind(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let outermost: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(outermost), |cause: &&(dyn StdError + 'static)| (*cause).source())
}
