//! `Disk`: a file system in memory that keeps a log of all changes and fails when it is asked to.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cache_file::{Fs, FsFile, Listed, OpenMode};

use crate::image::{Contents, Image, Op, PAGE};

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) errno: i32,
    /// The first call to fail, from 1 on.
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) on: Calls,
}

/// The calls that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// All that change something, except for deleting and punching, which need no space.
    Growing,
    /// All that change something.
    Changing,
    /// Reads of contents.
    Reading,
    /// What opens a file or lists a directory.
    Opening,
    /// Syncs.
    Syncing,
}

#[derive(Debug, Default)]
struct State {
    image: Image,
    log: Option<Vec<Op>>,
    fault: Option<Fault>,
    calls: u64,
    /// Whether changes wait, and whether one does.
    held: bool,
    waits: bool,
}

/// A file system in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug)]
struct Handle {
    disk: Disk,
    id: u64,
}

impl Disk {
    pub(crate) fn new(image: Image) -> Self {
        let disk = Self::default();
        disk.state().image = image;
        disk
    }

    /// Begins to log.
    pub(crate) fn record(&self) {
        self.state().log = Some(Vec::new());
    }

    /// Changes logged so far.
    pub(crate) fn position(&self) -> usize {
        self.state().log.as_ref().map_or(0, Vec::len)
    }

    /// The log; logging ends.
    pub(crate) fn take_log(&self) -> Vec<Op> {
        self.state().log.take().unwrap_or_default()
    }

    pub(crate) fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// Lets calls fail, counted from now.
    pub(crate) fn fail(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.calls) = (Some(fault), 0);
    }

    /// Ends all failures; whether there was one.
    pub(crate) fn heal(&self) -> bool {
        let mut state = self.state();
        let calls = state.calls;
        state.fault.take().is_some_and(|fault| calls >= fault.first)
    }

    /// Flips bits of byte `at` of the record that was written last, with a body of `len` bytes; whether it is so long.
    pub(crate) fn flip(&self, len: u64, at: u64, mask: u8) -> bool {
        let mut state = self.state();
        let image = &mut state.image;
        let volume = image.names.iter().rfind(|(path, _)| path.extension().is_some_and(|name| name == "vol"));
        let Some(file) = volume.map(|(_, id)| *id).and_then(|id| image.files.get_mut(&id)) else { return false };
        // Records begin with a page, and what comes before the body is shorter than one.
        let offset = (file.len - len) / PAGE * PAGE + at;
        file.flip(offset, mask);
        offset < file.len
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has changes of contents wait until they are let go.
    pub(crate) fn hold(&self) {
        self.state().held = true;
    }

    /// Waits for a change that is held.
    pub(crate) fn await_change(&self) {
        let _held = self.wait_while(|state| !state.waits);
    }

    /// Lets changes go.
    pub(crate) fn let_go(&self) {
        let mut state = self.state();
        (state.held, state.waits) = (false, false);
        drop(state);
        self.0.1.notify_all();
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.0.1.wait_while(self.state(), |state| condition(state)).unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, once changes are not held.
    fn changing(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if state.held {
            state.waits = true;
            drop(state);
            self.0.1.notify_all();
            state = self.wait_while(|state| state.held);
        }
        state
    }

    fn change(&self, calls: &[Calls], op: Op) -> io::Result<()> {
        let mut state = self.changing();
        state.check(calls)?;
        state.make(op);
        Ok(())
    }
}

impl State {
    /// Counts a call of these kinds; fails if that is its lot.
    fn check(&mut self, calls: &[Calls]) -> io::Result<()> {
        let Some(fault) = self.fault.filter(|fault| calls.contains(&fault.on)) else { return Ok(()) };
        self.calls += 1;
        if self.calls >= fault.first && self.calls - fault.first < fault.count {
            return Err(io::Error::from_raw_os_error(fault.errno));
        }
        Ok(())
    }

    fn make(&mut self, op: Op) {
        self.image.apply(&op);
        if let Some(log) = &mut self.log {
            log.push(op);
        }
    }
}

impl Fs for Disk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        let mut state = self.state();
        state.check(&[Calls::Opening])?;
        let id = match (mode, state.image.names.get(path)) {
            (OpenMode::Existing, None) if state.image.dirs.contains(path) => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            (OpenMode::Existing, Some(id)) => *id,
            (OpenMode::CreateNew, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (OpenMode::Create | OpenMode::CreateNew, found) => {
                let id = found.copied().unwrap_or(state.image.next);
                state.check(&[Calls::Growing, Calls::Changing])?;
                state.make(Op::Create { path: path.to_owned(), id });
                id
            }
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(Handle { disk: self.clone(), id }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        let mut state = self.state();
        state.check(&[Calls::Opening])?;
        if !state.image.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let named = |path: &Path| path.parent().is_some_and(|parent| parent == dir);
        let files = state.image.names.keys().filter(|path| named(path)).map(|path| (path, true));
        let dirs = state.image.dirs.iter().filter(|path| named(path)).map(|path| (path, false));
        let listed = files.chain(dirs);
        Ok(listed.filter_map(|(path, is_file)| Some(Listed::new(path.file_name()?, is_file))).collect())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.state().image.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if self.state().image.dirs.contains(path) {
            return Ok(());
        }
        self.change(&[Calls::Growing, Calls::Changing], Op::MakeDir { path: path.to_owned() })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if !self.state().image.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let op = Op::Rename { from: from.to_owned(), to: to.to_owned() };
        self.change(&[Calls::Growing, Calls::Changing], op)
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        let there = |image: &Image| image.names.contains_key(path) || image.dirs.contains(path);
        if !there(&self.state().image) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(&[Calls::Changing], Op::Delete { path: path.to_owned() })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(&[Calls::Syncing, Calls::Changing], Op::SyncDir { path: dir.to_owned() })
    }
}

impl FsFile for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().image.files.get(&self.id).map_or(0, |file| file.len))
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.disk.state().image.files.get(&self.id).map_or(0, Contents::allocated))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check(&[Calls::Reading])?;
        state.image.files.get(&self.id).ok_or(io::ErrorKind::UnexpectedEof)?.read(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.changing();
        let op = |bytes: &[u8]| Op::Write { id: self.id, offset, bytes: bytes.into() };
        if let Err(error) = state.check(&[Calls::Growing, Calls::Changing]) {
            // A write that fails may have been carried out in part.
            let part = bytes.len() / 2 / 512 * 512;
            if part > 0 {
                state.make(op(&bytes[..part]));
            }
            return Err(error);
        }
        state.make(op(bytes));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.change(&[Calls::Growing, Calls::Changing], Op::SetLen { id: self.id, len })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change(&[Calls::Syncing, Calls::Changing], Op::Sync { id: self.id })
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.disk.change(&[Calls::Changing], Op::Punch { id: self.id, offset, len })
    }
}
