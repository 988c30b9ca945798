//! `SourceState`: the checks a source file must pass, and how a change of it is noticed.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use cache_core::{Error, ErrorKind, Result, Retry};

use crate::blocking;

/// What the file system says of a source. Two equal states mean that nobody touched the file in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SourceState {
    pub(crate) dev: u64,
    pub(crate) inode: u64,
    pub(crate) len: u64,
    pub(crate) modified_ns: i128,
    pub(crate) changed_ns: i128,
}

impl SourceState {
    /// The state of the regular, non-empty file at `path`. Never opens it, so a FIFO cannot block.
    ///
    /// # Errors
    /// `Invalid` for everything that is no such file, with the path and what to do.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let meta = std::fs::metadata(path).map_err(|error| io_failure(path, &error))?;
        Self::of_metadata(path, &meta)
    }

    /// [`of`](Self::of) without blocking the caller's thread.
    pub(crate) async fn look(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        blocking::run(move || Self::of(&path)).await
    }

    pub(crate) fn of_metadata(path: &Path, meta: &Metadata) -> Result<Self> {
        let kind = meta.file_type();
        let what = if kind.is_dir() {
            "is a directory: give the video files in it"
        } else if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
            "is a pipe, socket or device: give a regular file"
        } else if meta.len() == 0 {
            "is empty (0 bytes): was it copied or downloaded completely?"
        } else {
            return Ok(Self {
                dev: meta.dev(),
                inode: meta.ino(),
                len: meta.len(),
                modified_ns: nanos(meta.mtime(), meta.mtime_nsec()),
                changed_ns: nanos(meta.ctime(), meta.ctime_nsec()),
            });
        };
        Err(refuse(path, what))
    }

    /// Fails unless the file at `path` is still in this state. `during` says what would have gone wrong.
    pub(crate) async fn confirm(self, path: &Path, during: &str) -> Result<()> {
        if Self::look(path).await.is_ok_and(|state| state == self) { Ok(()) } else { Err(changed(path, during)) }
    }
}

/// The path as one line of printable text in quotes, whatever bytes it holds.
pub(crate) fn shown(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

/// An input that cannot be worked on.
pub(crate) fn refuse(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("{} {what}", shown(path)))
}

/// The source was written to during work on it.
pub(crate) fn changed(path: &Path, during: &str) -> Error {
    let message = format!("{} changed while it was {during}: try again when it is complete", shown(path));
    Error::new(ErrorKind::Invalid, message).with_retry(Retry::Later)
}

/// A failure to look at or read the source.
pub(crate) fn io_failure(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => refuse(path, "does not exist: check the path"),
        io::ErrorKind::PermissionDenied => refuse(path, "cannot be read: permission denied"),
        io::ErrorKind::NotADirectory => refuse(path, "does not exist: a part of its path is not a directory"),
        _ => refuse(path, &format!("cannot be read: {error}")),
    }
}

fn nanos(seconds: i64, nanos: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_path_is_shown_on_one_line() {
        let shown = shown(Path::new(OsStr::from_bytes(b"a\nb\x1b[2J\xFF.mp4")));
        assert_eq!(shown, "\"a\\nb\\u{1b}[2J\u{FFFD}.mp4\"");
    }
}
