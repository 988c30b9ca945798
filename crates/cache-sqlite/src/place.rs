//! `Place`: the path of a database, who may change what stands there, and what stood there before.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cache_core::{Clock, Error, ErrorKind, Result};

use crate::error::from_io;
use crate::report::FileUsage;

/// Pause between two looks at a lock that is held.
const STEP: Duration = Duration::from_millis(2);
/// Damaged databases kept for a look.
const KEPT: usize = 2;
/// Begins the name of what was moved aside, after the name of the database.
const ASIDE: &str = ".aside-";
/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Where a database stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: PathBuf,
}

/// The right to replace what stands at a place: one holder in all processes.
#[derive(Debug)]
pub(crate) struct PlaceLock {
    _file: File,
}

/// One file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Place {
    /// The place that `path` leads to. SQLite names the files beside a database by where links end, and so does this.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        if let Ok(path) = fs::canonicalize(path) {
            return Ok(Self { path });
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let parent = fs::canonicalize(parent).map_err(|error| from_io(error, parent))?;
        let name = path.file_name().unwrap_or_default();
        Ok(Self { path: parent.join(name) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock, waiting `patience` at most.
    pub(crate) fn lock(&self, patience: Duration) -> Result<PlaceLock> {
        let path = self.beside("-lock");
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|error| from_io(error, &path))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(PlaceLock { _file: file }),
                Err(TryLockError::WouldBlock) if start.elapsed() < patience => thread::park_timeout(STEP),
                Err(TryLockError::WouldBlock) => {
                    let message = format!("another process holds {} for too long: try again", path.display());
                    return Err(Error::new(ErrorKind::Unavailable, message));
                }
                Err(TryLockError::Error(error)) => return Err(from_io(error, &path)),
            }
        }
    }

    /// The file that stands there.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let meta = fs::metadata(&self.path).ok()?;
        Some(Identity { device: meta.dev(), inode: meta.ino() })
    }

    /// What stands there that is no file; opening it might never end.
    pub(crate) fn obstacle(&self) -> Option<String> {
        let meta = fs::symlink_metadata(&self.path).ok()?;
        (!meta.is_file()).then(|| "it is no regular file".to_owned())
    }

    /// Moves what stands there, and what belongs to it, to a name of its own. The database must not be open in the
    /// caller's hands.
    pub(crate) fn move_aside(&self, lock: &PlaceLock, clock: &dyn Clock) -> Result<PathBuf> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (millis, process) = (clock.now().as_millis(), std::process::id());
        let target = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let target = self.beside(&format!("{ASIDE}{millis}-{process}-{number}"));
            if fs::symlink_metadata(&target).is_err() {
                break target;
            }
        };
        fs::rename(&self.path, &target).map_err(|error| from_io(error, &self.path))?;
        let (log, its_target) = (self.beside("-wal"), with_suffix(&target, "-wal"));
        absent_is_fine(fs::rename(&log, its_target)).map_err(|error| from_io(error, &log))?;
        self.drop_companions(lock)?;
        self.forget_oldest(&target);
        Ok(target)
    }

    /// Removes what belongs to a database that is no longer there: the next one must not find it.
    pub(crate) fn drop_companions(&self, _lock: &PlaceLock) -> Result<()> {
        for path in COMPANIONS.map(|suffix| self.beside(suffix)) {
            absent_is_fine(fs::remove_file(&path)).map_err(|error| from_io(error, &path))?;
        }
        Ok(())
    }

    /// What the database takes on disk.
    pub(crate) fn usage(&self) -> FileUsage {
        let len = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
        FileUsage { database: len(&self.path), log: len(&self.beside("-wal")) }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.path, suffix)
    }

    /// Removes all but the newest files moved aside: a failing disk must not fill up with what it damaged. What could
    /// not be removed stays until the next time.
    fn forget_oldest(&self, newest: &Path) {
        let prefix = self.beside(ASIDE);
        let Some(parent) = self.path.parent() else { return };
        let Ok(found) = fs::read_dir(parent) else { return };
        let is_ours = |path: &PathBuf| {
            path.as_os_str().as_encoded_bytes().starts_with(prefix.as_os_str().as_encoded_bytes())
                && COMPANIONS.iter().all(|suffix| !path.as_os_str().as_encoded_bytes().ends_with(suffix.as_bytes()))
                && path.is_file()
                && path != newest
        };
        let mut aside: Vec<PathBuf> = found.flatten().map(|found| found.path()).filter(is_ours).collect();
        aside.sort_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
        for path in aside.iter().rev().skip(KEPT - 1) {
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(with_suffix(path, "-wal"));
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
