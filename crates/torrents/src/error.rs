//! `TorrentError`: why a torrent gives no bytes.

use std::borrow::Cow;
use std::fmt;

use cache_core::{Error, ErrorKind, Retry};

/// A result whose error is [`TorrentError`].
pub(crate) type Result<T, E = TorrentError> = std::result::Result<T, E>;

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The link or the torrent is none that is understood: only those of version 1 of the protocol are.
    Unsupported,
    /// The torrent has no such file.
    NotFound,
    /// What strangers said is wrong, or could only be meant to harm.
    Malformed,
    /// It exceeds a limit.
    TooLarge,
    /// All places for torrents are taken, or the disk is.
    Busy,
    /// There is nobody who could be asked.
    Unreachable,
    /// It failed while it was at work.
    Failed,
}

/// Why a torrent gives no bytes. The message says what happened and what to do, and shows neither trackers nor peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentError {
    why: Why,
    message: Cow<'static, str>,
}

impl TorrentError {
    pub(crate) fn new(why: Why, message: impl Into<Cow<'static, str>>) -> Self {
        Self { why, message: message.into() }
    }

    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Why::Malformed, message)
    }

    /// What kind of reason it is.
    pub fn why(&self) -> Why {
        self.why
    }
}

impl fmt::Display for TorrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TorrentError {}

/// Of the kind `Load`, tried again later where the reason may pass, with the reason as its source.
impl From<TorrentError> for Error {
    fn from(error: TorrentError) -> Self {
        let retry = match error.why {
            Why::Busy | Why::Unreachable | Why::Failed => Retry::Later,
            Why::Unsupported | Why::NotFound | Why::Malformed | Why::TooLarge => Retry::Never,
        };
        Self::new(ErrorKind::Load, error.message.clone()).with_retry(retry).with_source(error)
    }
}
