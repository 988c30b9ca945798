//! `Scratch`: a directory for one run, removed afterwards, even when the process was killed.

use std::fs::{DirEntry, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use rustix::fs::OFlags;
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::source::shown;

const PREFIX: &str = "reelcache-scratch-";
const LOCK: &str = "lock";
/// Without a lock a directory is left over when nothing was made in it for this long.
const ABANDONED: Duration = Duration::from_hours(1);
/// How often a directory is removed into which somebody still writes.
const MOST_TRIES: u32 = 1_000;

/// A directory of our own. Whoever holds the lock on the file inside is alive. When nobody does, the directory is left
/// over and the next [`Scratch::create`] removes it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Present until dropped.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    // Dropped in this order: gone first, unlocked then.
    dir: TempDir,
    _lock: File,
}

impl Scratch {
    /// A new directory in `parent`, after removing those that dead processes left there. Blocking.
    ///
    /// # Errors
    /// `Unavailable` when none can be made in `parent`.
    pub fn create(parent: &Path) -> Result<Self> {
        remove_leftovers(parent);
        // A process that removes leftovers may take the directory before it is locked.
        for _ in 0..5 {
            match hold(parent) {
                Ok(Some(held)) => return Ok(Self { path: held.dir.path().to_owned(), held: Some(held) }),
                Ok(None) => {}
                Err(error) => return Err(cannot_create(parent, &error)),
            }
        }
        Err(cannot_create(parent, &io::Error::other("it keeps being removed")))
    }

    /// Where the files go.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let held = self.held.take();
        // Thousands of unlinks are no work for a runtime's worker.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || held.map(Held::remove));
        }
    }
}

impl Held {
    /// A program that was killed just before may write until it notices.
    fn remove(self) {
        for _ in 0..MOST_TRIES {
            match std::fs::remove_dir_all(self.dir.path()) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => std::thread::yield_now(),
                _ => break,
            }
        }
    }
}

/// A locked directory; `None` when somebody took it for a leftover.
fn hold(parent: &Path) -> io::Result<Option<Held>> {
    let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
    let path = dir.path().join(LOCK);
    let lock = match File::create_new(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let ours = lock.try_lock().is_ok() && path.try_exists()?;
    Ok(ours.then_some(Held { dir, _lock: lock }))
}

/// Best effort: what cannot be removed is somebody else's or will be tried again.
fn remove_leftovers(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_if_left_over(&entry);
        }
    }
}

fn remove_if_left_over(entry: &DirEntry) {
    let path = entry.path();
    match open_lock(&path.join(LOCK)) {
        Ok(lock) => {
            if lock.try_lock().is_ok() && std::fs::remove_dir_all(&path).is_ok() {
                tracing::debug!(path = %shown(&path), "removed a scratch directory that was left over");
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Killed before it made the lock: empty. Or a removal ended half way, with the lock gone first.
            if std::fs::remove_dir(&path).is_err() && is_abandoned(entry) {
                drop(std::fs::remove_dir_all(&path));
            }
        }
        Err(_) => {}
    }
}

/// Where everybody may write, anything may have the name of a lock: a pipe would keep who opens it waiting for ever.
fn open_lock(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn is_abandoned(entry: &DirEntry) -> bool {
    let changed = entry.metadata().and_then(|meta| meta.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > ABANDONED))
}

fn cannot_create(parent: &Path, error: &io::Error) -> Error {
    let parent = shown(parent);
    let message = format!("no scratch directory can be made in {parent}: {error}: set another one or free space");
    Error::new(ErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn names(parent: &Path) -> usize {
        std::fs::read_dir(parent).unwrap().count()
    }

    #[test]
    fn a_directory_is_removed_when_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path()).unwrap();
        std::fs::write(scratch.path().join("1.jpg"), "frame").unwrap();
        drop(scratch);
        assert_eq!(names(parent.path()), 0);
    }

    #[test]
    fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
        let parent = tempfile::tempdir().unwrap();
        let alive = Scratch::create(parent.path()).unwrap();
        let dead = parent.path().join("reelcache-scratch-dead");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join(LOCK), "").unwrap();
        std::fs::write(dead.join("7.jpg"), "frame").unwrap();
        std::fs::create_dir(parent.path().join("reelcache-scratch-empty")).unwrap();
        std::fs::create_dir(parent.path().join("other")).unwrap();
        let second = Scratch::create(parent.path()).unwrap();
        assert!(!dead.exists());
        assert!(alive.path().exists() && second.path().exists());
        assert_eq!(names(parent.path()), 3);
    }

    #[test]
    fn a_directory_without_a_lock_goes_when_nothing_happens_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let [old, recent] = ["reelcache-scratch-old", "reelcache-scratch-recent"].map(|name| parent.path().join(name));
        for dir in [&old, &recent] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("7.jpg"), "frame").unwrap();
        }
        File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        drop(Scratch::create(parent.path()).unwrap());
        assert!(!old.exists() && recent.join("7.jpg").exists());
    }

    #[test]
    fn what_is_no_lock_holds_nobody_up_and_stays() {
        let parent = tempfile::tempdir().unwrap();
        let strangers = ["pipe", "link", "folder"].map(|name| parent.path().join(format!("{PREFIX}{name}")));
        for dir in &strangers {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("7.jpg"), "frame").unwrap();
        }
        let [pipe, link, folder] = &strangers;
        assert!(std::process::Command::new("mkfifo").arg(pipe.join(LOCK)).status().unwrap().success());
        std::os::unix::fs::symlink(pipe.join("7.jpg"), link.join(LOCK)).unwrap();
        std::fs::create_dir(folder.join(LOCK)).unwrap();
        let (told, created) = std::sync::mpsc::channel();
        let path = parent.path().to_owned();
        std::thread::spawn(move || told.send(Scratch::create(&path).map(drop)));
        created.recv_timeout(Duration::from_secs(30)).expect("nobody waits").unwrap();
        assert!(strangers.iter().all(|dir| dir.join("7.jpg").exists()));
    }

    #[test]
    fn a_parent_that_does_not_exist_is_a_clear_error() {
        let error = Scratch::create(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.message().contains("/nowhere/at/all"));
    }
}
