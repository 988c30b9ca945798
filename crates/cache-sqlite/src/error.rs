//! What goes wrong with the database, as errors of the contract.

use std::error::Error as _;
use std::io;
use std::path::Path;

use cache_core::{Error, ErrorKind};
use rusqlite::{ErrorCode, ffi};
use rustix::fs::{Access, access};

/// The outcome of work on the database.
pub(crate) type Outcome<T> = Result<T, Fault>;

/// Why work on the database failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The file does not hold what was written to it: a new one has to take its place.
    Damaged(String),
    /// Another file stands at the path than the one that is open, or none is open.
    Moved,
    /// The file may be whole.
    Failed(Error),
}

impl Fault {
    /// As the error of a caller, for whom nothing can be mended.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Damaged(what) => Error::new(ErrorKind::Corrupt, format!("the database is damaged: {what}")),
            Self::Moved => Error::new(ErrorKind::Unavailable, "another file took the place of the database: try again"),
            Self::Failed(error) => error,
        }
    }

    /// The same, with a second look at a database that refuses to be written: when the file at `path` may be written, it
    /// is the file's own header that says so.
    pub(crate) fn judged(self, path: &Path) -> Self {
        let Self::Failed(error) = &self else { return self };
        let source = error.source().and_then(|source| source.downcast_ref::<rusqlite::Error>());
        let code = source.and_then(rusqlite::Error::sqlite_error).map(|code| code.extended_code);
        if code == Some(ffi::SQLITE_READONLY) && access(path, Access::WRITE_OK).is_ok() {
            return Self::Damaged("its header forbids what the file system allows: to write it".to_owned());
        }
        self
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().copied();
        let Some(code) = code else {
            // A column of another type, a row that is missing, a statement that does not compile: not this schema.
            return Self::Damaged(error.to_string());
        };
        match code.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
                Self::Damaged(error.to_string())
            }
            // "No such table": the generic code of SQLite.
            ErrorCode::Unknown => Self::Damaged(error.to_string()),
            ErrorCode::SystemIoFailure if code.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Failed(from_sqlite(error, code.code)),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn from_sqlite(error: rusqlite::Error, code: ErrorCode) -> Error {
    let message = match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            "another process has the database locked for longer than the busy timeout: nothing was changed".to_owned()
        }
        ErrorCode::DiskFull => "the disk is full: free space or lower the capacity".to_owned(),
        ErrorCode::ReadOnly => "the database may not be written: make it writable for this user".to_owned(),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
            format!("the database or a file beside it cannot be opened: {error}")
        }
        ErrorCode::SystemIoFailure => format!("input or output failed on the database: {error}"),
        ErrorCode::OutOfMemory => "there is no memory for the database".to_owned(),
        _ => {
            return Error::new(ErrorKind::Internal, format!("SQLite refused: {error}")).with_source(error);
        }
    };
    Error::new(ErrorKind::Unavailable, message).with_source(error)
}

/// What `error` on `path` means to the caller.
pub(crate) fn from_io(error: io::Error, path: &Path) -> Error {
    let path = path.display();
    let message = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk is full at {path}: free space or lower the capacity")
        }
        io::ErrorKind::PermissionDenied => {
            format!("no permission for {path}: make it writable for this user, or choose another path")
        }
        io::ErrorKind::ReadOnlyFilesystem => format!("{path} is on a read-only file system: choose another path"),
        io::ErrorKind::NotFound => format!("{path} is not there: make its directory first"),
        _ => format!("input or output failed at {path}: {error}"),
    };
    Error::new(ErrorKind::Unavailable, message).with_source(error)
}
