//! A file system that calls a test after each of its calls, compresses, and has as much space as it is told.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_file::{Fs, FsFile, Listed, OpenMode, RealFs};

use crate::support::blocks;

/// A call that reads or changes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    /// So many bytes.
    Punch(u64),
}

type Hook = Arc<dyn Fn(Call, &Path) + Send + Sync>;

/// A [`RealFs`] with differences. Clones share the space that is left.
#[derive(Clone)]
pub(crate) struct HookedFs {
    /// Called after each call, with the path of the file.
    after: Hook,
    /// Bytes of a file in one byte of the disk.
    compression: u64,
    /// Holes that are asked for are not made, as if the process had been killed before.
    no_holes: bool,
    space: Arc<AtomicU64>,
}

#[derive(Debug)]
struct HookedFile {
    file: Arc<dyn FsFile>,
    path: PathBuf,
    fs: HookedFs,
}

impl HookedFs {
    /// One that only calls `after`.
    pub(crate) fn new(after: impl Fn(Call, &Path) + Send + Sync + 'static) -> Self {
        let space = Arc::new(AtomicU64::new(u64::MAX));
        Self { after: Arc::new(after), compression: 1, no_holes: false, space }
    }

    /// One that keeps so many bytes of a file in one byte of the disk.
    pub(crate) fn compressing(compression: u64) -> Self {
        Self { compression, ..Self::new(|_, _| ()) }
    }

    /// The same, where no hole that is asked for is made.
    pub(crate) fn without_holes(self) -> Self {
        Self { no_holes: true, ..self }
    }

    /// Sets what the cache and what is free come to together.
    pub(crate) fn leave(&self, bytes: u64) {
        self.space.store(bytes, Ordering::SeqCst);
    }
}

impl fmt::Debug for HookedFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedFs").finish_non_exhaustive()
    }
}

impl Fs for HookedFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        let file = RealFs::default().open(path, mode)?;
        Ok(Arc::new(HookedFile { file, path: path.to_owned(), fs: self.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        RealFs::default().list(dir)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealFs::default().create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs::default().rename(from, to)
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        RealFs::default().delete(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealFs::default().sync_dir(dir)
    }

    fn available(&self, dir: &Path) -> io::Result<u64> {
        Ok(self.space.load(Ordering::SeqCst).saturating_sub(blocks(dir)))
    }
}

impl FsFile for HookedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.file.allocated()? / self.fs.compression)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset).inspect(|()| (self.fs.after)(Call::Read, &self.path))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset).inspect(|()| (self.fs.after)(Call::Write, &self.path))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        if !self.fs.no_holes {
            self.file.punch(offset, len)?;
        }
        (self.fs.after)(Call::Punch(len), &self.path);
        Ok(())
    }
}
