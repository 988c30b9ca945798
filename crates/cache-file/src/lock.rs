//! `DirLock`: one process for one directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use cache_core::{Error, ErrorKind, Result};
use rustix::fs::OFlags;

use crate::dir::{FileId, Layout};
use crate::error::{DirectoryInUse, from_io};

/// How long an opener waits for a backend of its own process that is on its way out.
const PATIENCE: Duration = Duration::from_millis(80);
const STEP: Duration = Duration::from_millis(2);

/// The lock of a directory, released when dropped or when the process ends, however it ends.
///
/// Who holds it is told by a file, which anybody may delete; so the directory itself is locked as well.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
    id: FileId,
    /// After the file: who gets the directory gets the file.
    _root: File,
}

/// Whose a lock is.
enum Taken {
    Now,
    /// Of this process, where that is known.
    By(Option<u32>),
}

impl DirLock {
    /// Takes the lock of the directory, waiting 80 ms at most for its holder.
    ///
    /// # Errors
    /// `Unavailable` when another backend holds it.
    pub(crate) fn take(layout: &Layout) -> Result<Self> {
        let (path, root) = (&*layout.lock(), &*layout.root);
        let start = Instant::now();
        let dir = File::open(root).map_err(|error| from_io(error, root))?;
        // Where the file system locks no directories, the file alone is locked.
        if let Ok(Taken::By(holder)) = lock(&dir, start, || open(path, false).ok().as_ref().and_then(holder)) {
            return Err(in_use(root, holder));
        }
        // One opener at a time comes here: nobody moves a lock away that another has just made.
        if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
            layout.set_aside(path)?;
        }
        let mut file = open(path, true).map_err(|error| from_io(error, path))?;
        let taken = lock(&file, start, || holder(&file)).map_err(|error| from_io(error, path))?;
        if let Taken::By(holder) = taken {
            return Err(in_use(root, holder));
        }
        // Who holds the lock is told for convenience alone: a full disk must not keep it from being held.
        let _ = note_holder(&mut file);
        let id = FileId::of(&file.metadata().map_err(|error| from_io(error, path))?);
        Ok(Self { _file: file, id, _root: dir })
    }

    /// The file that is locked.
    pub(crate) const fn id(&self) -> FileId {
        self.id
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
}

/// Locks `file`, or tells whose it is. A backend of this process is waited for: it may be on its way out.
fn lock(file: &File, start: Instant, holder: impl Fn() -> Option<u32>) -> io::Result<Taken> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Taken::Now),
            Err(TryLockError::WouldBlock) => {
                let holder = holder();
                if holder != Some(std::process::id()) || start.elapsed() >= PATIENCE {
                    return Ok(Taken::By(holder));
                }
                std::thread::park_timeout(STEP);
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn note_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    io::Seek::rewind(file)?;
    writeln!(file, "{}", std::process::id())
}

fn holder(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    io::Seek::rewind(&mut file).ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn in_use(root: &Path, holder: Option<u32>) -> Error {
    let (in_use, root) = (DirectoryInUse { process: holder }, root.display());
    let message = format!("the cache directory {root} is {in_use}: end it, or choose another directory");
    Error::new(ErrorKind::Unavailable, message).with_source(in_use)
}
