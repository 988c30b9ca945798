//! `Fs`: the file operations that the backend uses, as a seam for fault injection.

mod real;

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealFs;

/// How [`Fs::open`] treats a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenMode {
    /// It must be there.
    Existing,
    /// It is made, or emptied.
    Create,
    /// It is made; [`io::ErrorKind::AlreadyExists`] when anything is there.
    CreateNew,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The name, without the directory.
    pub name: OsString,
    /// Whether it is a regular file; links, directories, pipes and the like are not.
    pub is_file: bool,
}

impl Listed {
    /// A name.
    pub fn new(name: impl Into<OsString>, is_file: bool) -> Self {
        Self { name: name.into(), is_file }
    }
}

/// The file operations of the backend. All of them block.
///
/// Volumes and the index reach the disk through this trait alone, so that tests can fail, tear or record the N-th
/// operation. An implementation follows no symbolic link in the last component and never waits on a pipe.
pub trait Fs: Debug + Send + Sync + 'static {
    /// Opens a regular file for reading and writing.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>>;

    /// The names in a directory, in no promised order. Of a link to one, [`io::ErrorKind::NotADirectory`].
    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>>;

    /// Makes a directory, and those above it, for the owner alone. One that is there already is left as it is.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when something else is there, a link to a directory included.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Moves a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file, or a directory with all that is in it. Of a symbolic link, the link alone.
    fn delete(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory survive the loss of power.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes of the file system of `dir` that this user may still take. Without an answer of its own, any number.
    fn available(&self, dir: &Path) -> io::Result<u64> {
        let _ = dir;
        Ok(u64::MAX)
    }
}

/// An open file of an [`Fs`]. Positions and lengths are in bytes; all operations block.
#[expect(clippy::len_without_is_empty, reason = "nobody asks a file whether it is empty")]
pub trait FsFile: Debug + Send + Sync + 'static {
    /// The length.
    fn len(&self) -> io::Result<u64>;

    /// What the file takes on disk; less than the length when it has holes.
    fn allocated(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// The `len` bytes from `offset` on, if the kernel holds them in memory: does not block.
    ///
    /// Nothing also when it fails, or where that cannot be known; [`read_at`](Self::read_at) then tells.
    fn read_ready(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let _ = (offset, len);
        None
    }

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes contents and length survive the loss of power.
    fn sync(&self) -> io::Result<()>;

    /// Gives the space of a range back; it then reads as zeros, and the length stays.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] when the file system has no holes.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;
}
