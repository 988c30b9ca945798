//! A file system that fails at its N-th change, and tears the write that fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use cache_file::{Fs, FsFile, Listed, OpenMode, RealFs};

use crate::support::blocks;

/// Disks tear no sector apart.
const SECTOR: usize = 512;

/// A [`RealFs`] whose changes fail as its [`Script`] says, and reads of the index when told so.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyFs {
    script: Arc<Script>,
}

#[derive(Debug, Default)]
struct Script {
    /// Changes asked for since the script was set.
    calls: AtomicU64,
    /// The first change to fail; 0 for none.
    first: AtomicU64,
    /// How many fail from there on.
    count: AtomicU64,
    /// One more that fails; 0 for none.
    again: AtomicU64,
    /// Reads of the index to fail.
    index_reads: AtomicU64,
    /// The path that may not be opened.
    forbidden: OnceLock<PathBuf>,
    /// Whether holes are refused.
    no_holes: AtomicU64,
    /// A directory, and the bytes on disk beyond which it is full.
    quota: Mutex<Option<(PathBuf, u64)>>,
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn FsFile>,
    script: Arc<Script>,
    is_index: bool,
}

impl FaultyFs {
    /// Fails the next `count` reads of the index.
    pub(crate) fn fail_index_reads(&self, count: u64) {
        self.script.index_reads.store(count, Ordering::SeqCst);
    }

    /// Nobody may open `path`.
    pub(crate) fn forbid(&self, path: PathBuf) {
        self.script.forbidden.set(path).unwrap();
    }

    /// Fails `count` changes from the `first` on, counted from now.
    pub(crate) fn fail(&self, first: u64, count: u64) {
        self.script.calls.store(0, Ordering::SeqCst);
        self.script.first.store(first, Ordering::SeqCst);
        self.script.count.store(count, Ordering::SeqCst);
    }

    /// Fails the change `next` as well, counted like the first.
    pub(crate) fn fail_again(&self, next: u64) {
        self.script.again.store(next, Ordering::SeqCst);
    }

    /// Ends all failures; whether there was one.
    pub(crate) fn heal(&self) -> bool {
        let first = self.script.first.swap(0, Ordering::SeqCst);
        self.script.again.store(0, Ordering::SeqCst);
        first > 0 && self.script.calls.load(Ordering::SeqCst) >= first
    }

    /// The disk under `dir` is full at `bytes`.
    pub(crate) fn limit(&self, dir: &Path, bytes: u64) {
        *self.script.quota.lock().unwrap() = Some((dir.to_owned(), bytes));
    }

    pub(crate) fn refuse_holes(&self) {
        self.script.no_holes.store(1, Ordering::SeqCst);
    }
}

impl Script {
    fn fails(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let first = self.first.load(Ordering::SeqCst);
        let is_next = call == self.again.load(Ordering::SeqCst);
        is_next || first > 0 && call >= first && call - first < self.count.load(Ordering::SeqCst)
    }

    fn check(&self) -> io::Result<()> {
        if self.fails() { Err(broken()) } else { Ok(()) }
    }
}

impl Fs for FaultyFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        if mode != OpenMode::Existing {
            self.script.check()?;
        }
        if self.script.forbidden.get().is_some_and(|forbidden| forbidden == path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let file = RealFs::default().open(path, mode)?;
        let is_index = path.to_string_lossy().contains("index.redb");
        Ok(Arc::new(FaultyFile { file, script: self.script.clone(), is_index }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        RealFs::default().list(dir)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.script.check()?;
        RealFs::default().create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.script.check()?;
        RealFs::default().rename(from, to)
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        // A disk that stays full deletes all the same.
        if self.script.count.load(Ordering::SeqCst) == 1 {
            self.script.check()?;
        }
        RealFs::default().delete(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.script.check()?;
        RealFs::default().sync_dir(dir)
    }
}

impl FsFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn allocated(&self) -> io::Result<u64> {
        self.file.allocated()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let reads = &self.script.index_reads;
        let one_less = |count: u64| count.checked_sub(1);
        if self.is_index && reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(broken());
        }
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.script.fails() {
            self.file.write_at(&bytes[..bytes.len() / 2 / SECTOR * SECTOR], offset)?;
            return Err(broken());
        }
        let quota = self.script.quota.lock().unwrap().clone();
        if let Some((dir, quota)) = quota {
            // What lies in blocks that the file has needs no room.
            let before = self.file.allocated()?;
            let len = self.file.len()?;
            self.file.write_at(bytes, offset)?;
            if self.file.allocated()? > before && blocks(&dir) > quota {
                self.file.punch(offset, bytes.len() as u64)?;
                self.file.set_len(len)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            return Ok(());
        }
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.script.check()?;
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.script.check()?;
        self.file.sync()
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        if self.script.no_holes.load(Ordering::SeqCst) > 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.script.check()?;
        self.file.punch(offset, len)
    }
}

fn broken() -> io::Error {
    io::Error::other("a fault that was asked for")
}
