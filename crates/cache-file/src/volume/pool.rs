//! `Pool`: the bound on volumes that are open at the same time; one that is closed is opened again by whoever uses it.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::dir::Layout;
use crate::fs::{FsFile, OpenMode};

/// Volumes that may be open in any case.
const FEW: usize = 4;
/// Volumes that are open at most: what more of them would save is little.
const MANY: u64 = 4096;
/// The volumes of a backend take one part in so many of the descriptors that the process may have.
const SHARE: u64 = 4;

/// Openings without a want of descriptors after which one more volume may be open.
const PATIENCE: u32 = 64;

type Handle = Option<Arc<dyn FsFile>>;

/// The bound on open volumes of one backend.
#[derive(Debug)]
pub(crate) struct Pool {
    opened: Mutex<Opened>,
}

#[derive(Debug)]
struct Opened {
    /// In the order in which they are to be closed; those that were used meanwhile are passed over.
    slots: VecDeque<Arc<Slot>>,
    most: usize,
    /// What `most` was at first, and grows back to.
    limit: usize,
    /// Openings since `most` changed last.
    calm: u32,
}

#[derive(Debug)]
struct Slot {
    path: PathBuf,
    /// Held shared while it is used: only what is idle is closed.
    handle: RwLock<Handle>,
    /// Set by each use but the one that it was opened for.
    used: AtomicBool,
}

/// A volume that is open when it is used.
#[derive(Debug)]
struct PooledFile {
    slot: Arc<Slot>,
    layout: Layout,
}

impl Pool {
    /// An empty one, bounded by what the process may open.
    pub(crate) fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::bounded((limit / SHARE).clamp(FEW as u64, MANY) as usize)
    }

    const fn bounded(most: usize) -> Self {
        Self { opened: Mutex::new(Opened { slots: VecDeque::new(), most, limit: most, calm: 0 }) }
    }

    /// Opens `slot`, unless somebody else just has, and keeps it from being closed.
    fn open<'a>(
        &self,
        slot: &'a Arc<Slot>,
        layout: &Layout,
        mode: OpenMode,
    ) -> io::Result<RwLockReadGuard<'a, Handle>> {
        let mut opened = self.opened.lock();
        let handle = slot.handle.read();
        if handle.is_some() {
            return Ok(handle);
        }
        drop(handle);
        opened.shrink();
        let file = match layout.fs.open(&slot.path, mode) {
            Err(error) if is_out_of_descriptors(&error) => {
                opened.give_way();
                layout.fs.open(&slot.path, mode)?
            }
            done => {
                let file = done?;
                opened.grow_back();
                file
            }
        };
        // After the opening: what lies at the path of a directory that has been replaced belongs to others.
        layout.check()?;
        let mut handle = slot.handle.write();
        *handle = Some(file);
        opened.slots.push_back(slot.clone());
        Ok(RwLockWriteGuard::downgrade(handle))
    }

    fn forget(&self, slot: &Arc<Slot>) {
        self.opened.lock().slots.retain(|other| !Arc::ptr_eq(other, slot));
    }
}

impl Opened {
    /// Makes room for one more.
    fn shrink(&mut self) {
        while self.slots.len() >= self.most {
            self.close_one();
        }
    }

    /// Leaves descriptors to others, for as long as they want them.
    fn give_way(&mut self) {
        self.calm = 0;
        self.most = (self.slots.len() / 4 * 3).max(FEW);
        self.shrink();
    }

    /// Takes descriptors back one by one, after an opening that found one.
    fn grow_back(&mut self) {
        self.calm += 1;
        if self.calm >= PATIENCE {
            self.calm = 0;
            self.most = (self.most + 1).min(self.limit);
        }
    }

    fn close_one(&mut self) {
        for _ in 0..2 * self.slots.len() {
            let Some(slot) = self.slots.pop_front() else { return };
            if !slot.used.swap(false, Ordering::Relaxed)
                && let Some(mut handle) = slot.handle.try_write()
            {
                *handle = None;
                return;
            }
            self.slots.push_back(slot);
        }
        // All are being read or written: the wait is for one such call.
        if let Some(slot) = self.slots.pop_front() {
            *slot.handle.write() = None;
        }
    }
}

impl Slot {
    fn note_use(&self) {
        // Looked at first: who only reads it shares it with other processors.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

/// Opens the volume at `path`. It may be closed as soon as it is idle.
pub(crate) fn open(layout: &Layout, path: PathBuf, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
    let slot = Arc::new(Slot { path, handle: RwLock::new(None), used: AtomicBool::new(false) });
    let file = PooledFile { slot, layout: layout.clone() };
    drop(file.layout.pool.open(&file.slot, layout, mode)?);
    Ok(Arc::new(file))
}

impl PooledFile {
    fn with<T>(&self, work: impl FnOnce(&dyn FsFile) -> io::Result<T>) -> io::Result<T> {
        let mut handle = self.slot.handle.read();
        if handle.is_none() {
            drop(handle);
            handle = self.layout.pool.open(&self.slot, &self.layout, OpenMode::Existing)?;
        } else {
            self.slot.note_use();
        }
        match &*handle {
            Some(file) => work(&**file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for PooledFile {
    fn drop(&mut self) {
        let handle = self.slot.handle.write().take();
        self.layout.pool.forget(&self.slot);
        // Not under a lock: the last handle of a deleted volume gives its space back. A reader that ends after the
        // writer's deletion does so where it runs, once for each volume.
        drop(handle);
    }
}

impl FsFile for PooledFile {
    fn len(&self) -> io::Result<u64> {
        self.with(FsFile::len)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.with(FsFile::allocated)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|file| file.read_at(bytes, offset)).map_err(ended)
    }

    /// Nothing of one that is closed: opening it may block.
    fn read_ready(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let handle = self.slot.handle.try_read()?;
        let bytes = handle.as_ref()?.read_ready(offset, len)?;
        self.slot.note_use();
        Some(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|file| file.write_at(bytes, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|file| file.set_len(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.with(FsFile::sync)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.with(|file| file.punch(offset, len))
    }
}

/// Deleted while somebody was about to read it: nothing is left of it.
fn ended(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound { io::ErrorKind::UnexpectedEof.into() } else { error }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error())).contains(&error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;
    use crate::config::FileConfig;
    use crate::lock::DirLock;

    const MOST: usize = 4;
    const COUNT: u32 = 32;

    /// A locked directory below `dir`, and volumes in it that hold their numbers.
    fn volumes(dir: &std::path::Path) -> (Layout, DirLock, Vec<Arc<dyn FsFile>>) {
        let layout = Layout::new(&FileConfig::new(dir.join("cache")));
        layout.create_root().unwrap();
        let lock = DirLock::take(&layout).unwrap();
        let mut layout = layout.locked(&lock);
        layout.pool = Arc::new(Pool::bounded(MOST));
        layout.create_parts().unwrap();
        let make = |number| {
            let file = layout.open_volume(number, OpenMode::CreateNew).unwrap();
            file.write_at(&number.to_le_bytes(), 0).unwrap();
            file
        };
        let files = (0..COUNT).map(make).collect();
        (layout, lock, files)
    }

    fn number(file: &dyn FsFile) -> io::Result<u32> {
        let mut bytes = [0; 4];
        file.read_at(&mut bytes, 0).map(|()| u32::from_le_bytes(bytes))
    }

    #[test]
    fn a_few_are_open_and_all_are_read_by_many_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock, files) = volumes(dir.path());
        thread::scope(|scope| {
            for first in 0..16 {
                let (files, layout) = (&files, &layout);
                scope.spawn(move || {
                    for step in 0..2_000 {
                        let wanted = (first * 7 + step * 5) % COUNT;
                        assert_eq!(number(&*files[wanted as usize]).unwrap(), wanted);
                        assert!(layout.pool.opened.lock().slots.len() <= MOST);
                    }
                });
            }
        });
        drop(files);
        assert!(layout.pool.opened.lock().slots.is_empty());
    }

    #[test]
    fn after_a_want_of_descriptors_their_number_grows_back() {
        let mut opened = Opened { slots: VecDeque::new(), most: 40, limit: 40, calm: 0 };
        opened.give_way();
        assert_eq!(opened.most, FEW);
        for _ in 0..PATIENCE * 10 {
            opened.grow_back();
        }
        assert_eq!(opened.most, FEW + 10);
        for _ in 0..PATIENCE * 100 {
            opened.grow_back();
        }
        assert_eq!(opened.most, opened.limit);
    }

    #[test]
    fn what_is_used_stays_open() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock, files) = volumes(dir.path());
        number(&*files[0]).unwrap();
        fs::remove_file(layout.volume(0)).unwrap();
        for file in &files[1..] {
            number(&**file).unwrap();
            assert_eq!(number(&*files[0]).unwrap(), 0, "it could not be opened again");
        }
    }

    #[test]
    fn one_that_was_deleted_after_it_was_closed_reads_as_one_that_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock, files) = volumes(dir.path());
        layout.delete_volume(0).unwrap();
        assert_eq!(number(&*files[0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn one_of_another_directory_at_the_same_path_is_neither_read_nor_written_nor_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock, files) = volumes(dir.path());
        fs::rename(&layout.root, dir.path().join("away")).unwrap();
        let (other, _other_lock, _) = volumes(dir.path());
        assert_eq!(layout.root, other.root);
        assert!(number(&*files[0]).is_err());
        assert!(files[0].write_at(b"harm", 0).is_err());
        assert!(files[0].punch(0, 4).is_err());
        assert!(layout.delete_volume(0).is_err());
        assert_eq!(fs::read(other.volume(0)).unwrap(), [0; 4]);
    }
}
