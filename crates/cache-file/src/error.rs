//! What goes wrong with files and index, as errors of the contract.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::Path;

use cache_core::{Error, ErrorKind};

/// What a full disk is told as.
const FULL: [io::ErrorKind; 2] = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];

/// Another backend has the directory open: the source of the error of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryInUse {
    /// Number of its process, where that is known.
    pub process: Option<u32>,
}

impl fmt::Display for DirectoryInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some(process) => write!(f, "in use by process {process}"),
            None => f.write_str("in use by another process"),
        }
    }
}

impl std::error::Error for DirectoryInUse {}

/// The path of the directory leads to another one, or nowhere.
#[derive(Debug)]
pub(crate) struct Displaced;

impl fmt::Display for Displaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the cache directory or its lock was deleted, moved or replaced while in use: open the backend again",
        )
    }
}

impl std::error::Error for Displaced {}

/// Why an operation on the index failed.
#[derive(Debug)]
pub(crate) enum IndexError {
    /// The medium failed; the file itself may be whole.
    Io(io::Error),
    /// The file is damaged, or the library panicked over it.
    Damaged(String),
}

impl IndexError {
    /// From any error of the index library.
    pub(crate) fn from_redb(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(error) => Self::Io(error),
            // The handle refuses to work after an I/O error that somebody else has seen.
            redb::Error::PreviousIo => Self::Io(io::Error::other("the index failed before")),
            other => Self::Damaged(other.to_string()),
        }
    }

    pub(crate) fn into_error(self, path: &Path) -> Error {
        match self {
            Self::Io(error) => from_io(error, path),
            Self::Damaged(what) => {
                let path = path.display();
                Error::new(ErrorKind::Unavailable, format!("the index {path} is damaged and being rebuilt: {what}"))
            }
        }
    }
}

/// What `error` on `path` means to the caller.
pub(crate) fn from_io(error: io::Error, path: &Path) -> Error {
    let path = path.display();
    let message = match error.kind() {
        kind if FULL.contains(&kind) => {
            format!("the disk is full at {path}: free space or lower the capacity")
        }
        io::ErrorKind::PermissionDenied => {
            format!("no permission for {path}: make it writable for this user, or choose another directory")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{path} is on a read-only file system: choose another directory")
        }
        io::ErrorKind::NotADirectory => {
            format!("{path} is not a directory: choose another path")
        }
        _ => format!("input or output failed at {path}: {error}"),
    };
    Error::new(ErrorKind::Unavailable, message).with_source(error)
}

/// Whether `error` came from a full disk.
pub(crate) fn is_full(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| FULL.contains(&source.kind()))
}

/// The index failed and could not be opened again yet.
pub(crate) fn offline() -> Error {
    Error::new(ErrorKind::Unavailable, "the index failed and is not open again yet: see the log for the cause")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = from_io(io::ErrorKind::StorageFull.into(), Path::new("/cache"));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.message(), "the disk is full at /cache: free space or lower the capacity");
    }
}
