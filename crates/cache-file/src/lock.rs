//! `DirLock`: one process for one directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use cache_core::{Error, ErrorKind, Result};
use rustix::fs::OFlags;

use crate::dir::Layout;
use crate::error::{DirectoryInUse, from_io};

/// How long an opener waits for a backend of its own process that is on its way out.
const PATIENCE: Duration = Duration::from_millis(80);
const STEP: Duration = Duration::from_millis(2);

/// The lock of a directory, released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock of the directory, waiting 80 ms at most for its holder.
    ///
    /// # Errors
    /// `Unavailable` when another backend holds it.
    pub(crate) fn take(layout: &Layout) -> Result<Self> {
        let (path, root) = (&*layout.lock(), &*layout.root);
        let mut file = match open(path) {
            Err(_) if is_in_the_way(path) => {
                clear_way(layout, path)?;
                open(path)
            }
            opened => opened,
        }
        .map_err(|error| from_io(error, path))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&mut file);
                    if holder != Some(std::process::id()) || start.elapsed() >= PATIENCE {
                        return Err(in_use(root, holder));
                    }
                    std::thread::park_timeout(STEP);
                }
                Err(TryLockError::Error(error)) => return Err(from_io(error, path)),
            }
        }
        // Who holds the lock is told for convenience alone: a full disk must not keep it from being held.
        let _ = note_holder(&mut file);
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
}

fn is_in_the_way(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file())
}

/// Moves away what stands in the place of the lock.
fn clear_way(layout: &Layout, path: &Path) -> Result<()> {
    // One opener at a time: the next must not move the lock away that this one makes and takes.
    let root = File::open(&layout.root).map_err(|error| from_io(error, &layout.root))?;
    root.lock().map_err(|error| from_io(error, &layout.root))?;
    if is_in_the_way(path) { layout.set_aside(path) } else { Ok(()) }
}

fn note_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    io::Seek::rewind(file)?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    io::Seek::rewind(file).ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn in_use(root: &Path, holder: Option<u32>) -> Error {
    let (in_use, root) = (DirectoryInUse { process: holder }, root.display());
    let message = format!("the cache directory {root} is {in_use}: end it, or choose another directory");
    Error::new(ErrorKind::Unavailable, message).with_source(in_use)
}
