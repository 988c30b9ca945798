//! `Layout`: what is where in the cache directory.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io, path};

use cache_core::Result;
use tracing::warn;

use crate::config::FileConfig;
use crate::error::{Displaced, from_io};
use crate::fs::{Fs, FsFile, OpenMode};
use crate::lock::DirLock;
use crate::volume::Pool;

/// How many damaged files are kept for a look.
const QUARANTINED: usize = 2;
const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # This is a cache directory of Reelcache: what is in it can be made again.\n\
    # For information about cache directory tags see https://bford.info/cachedir/\n";

/// What is where in the cache directory.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: Arc<Path>,
    pub(crate) fs: Arc<dyn Fs>,
    /// The bound on volumes that are open at the same time.
    pub(crate) pool: Arc<Pool>,
    /// The lock that was taken.
    lock: Option<FileId>,
}

/// A file, whatever its name is. It is no other's as long as the file is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino() }
    }
}

impl Layout {
    /// The directory of `config`, which nobody has locked.
    pub(crate) fn new(config: &FileConfig) -> Self {
        // The working directory may change.
        let root = path::absolute(&config.path).unwrap_or_else(|_| config.path.clone());
        Self { root: root.into(), fs: config.fs.clone(), pool: Arc::new(Pool::new()), lock: None }
    }

    /// The same directory, locked by `lock`.
    pub(crate) fn locked(self, lock: &DirLock) -> Self {
        Self { lock: Some(lock.id()), ..self }
    }

    /// Whether the path still leads to the directory that was locked: one call of the system.
    ///
    /// # Errors
    /// [`Displaced`] when the directory, or the lock in it, was deleted, moved or replaced.
    pub(crate) fn check(&self) -> io::Result<()> {
        let Some(lock) = self.lock else { return Ok(()) };
        let gone = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        match fs::symlink_metadata(self.lock()) {
            Ok(found) if FileId::of(&found) == lock => Ok(()),
            Err(error) if !gone.contains(&error.kind()) => Err(error),
            _ => Err(io::Error::other(Displaced)),
        }
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index.redb")
    }

    /// An index that is being made: one that crashed halfway cannot be opened.
    pub(crate) fn new_index(&self) -> PathBuf {
        self.root.join("index.redb.new")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    pub(crate) fn volume(&self, number: u32) -> PathBuf {
        self.volumes().join(format!("{number:08}.vol"))
    }

    fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// The list of what was read lately.
    pub(crate) fn recent(&self) -> PathBuf {
        self.root.join("recent")
    }

    /// What the index was when it was closed.
    pub(crate) fn seal(&self) -> PathBuf {
        self.root.join("index.seal")
    }

    /// The mark of an opening.
    pub(crate) fn opening(&self) -> PathBuf {
        self.root.join("opening")
    }

    /// Makes the directory itself.
    pub(crate) fn create_root(&self) -> Result<()> {
        match self.fs.create_dir(&self.root) {
            // The directory itself may be a link to one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.root.is_dir() => Ok(()),
            made => made.map_err(|error| from_io(name_plain_file(error), &self.root)),
        }
    }

    /// Makes the fixed parts of the directory, which the caller has locked.
    pub(crate) fn create_parts(&self) -> Result<()> {
        let volumes = self.volumes();
        let made = match self.fs.create_dir(&volumes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.set_aside(&volumes)?;
                self.fs.create_dir(&volumes)
            }
            made => made,
        };
        self.tag();
        made.map_err(|error| from_io(error, &volumes))
    }

    /// Marks the directory for tools that leave caches out of backups. Failing to is no reason not to start.
    fn tag(&self) {
        let path = self.root.join("CACHEDIR.TAG");
        if self.fs.open(&path, OpenMode::Existing).is_ok() {
            return;
        }
        if let Err(error) = self.fs.open(&path, OpenMode::Create).and_then(|file| file.write_at(TAG, 0)) {
            warn!(%error, path = %path.display(), "the directory is not marked as a cache");
        }
    }

    /// Volumes by number. Other names in their directory are left alone; what stands in the place of one, and a volume
    /// that may not be opened, is moved away.
    pub(crate) fn list_volumes(&self) -> Result<Vec<(u32, Arc<dyn FsFile>)>> {
        let dir = self.volumes();
        let listed = self.fs.list(&dir).map_err(|error| from_io(error, &dir))?;
        let mut volumes = Vec::new();
        for found in listed {
            let Some(number) = found.name.to_str().and_then(volume_number) else { continue };
            let path = self.volume(number);
            if !found.is_file {
                self.set_aside(&path)?;
                continue;
            }
            match self.open_volume(number, OpenMode::Existing) {
                Ok(file) => volumes.push((number, file)),
                // Whoever may use the lock and the directory owns them: one foreign volume is no reason not to start.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.set_aside(&path)?,
                Err(error) => return Err(from_io(error, &path)),
            }
        }
        volumes.sort_unstable_by_key(|(number, _)| *number);
        Ok(volumes)
    }

    /// Opens a volume. Whoever uses it has it opened again when it was closed for others.
    pub(crate) fn open_volume(&self, number: u32, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        crate::volume::open(self, self.volume(number), mode)
    }

    /// Deletes a volume, if the directory is still where it was.
    pub(crate) fn delete_volume(&self, number: u32) -> io::Result<()> {
        self.check()?;
        self.fs.delete(&self.volume(number))
    }

    /// Moves a damaged file out of the way and deletes the oldest ones that were moved before.
    pub(crate) fn set_aside(&self, path: &Path) -> Result<()> {
        let dir = self.quarantine();
        let made = match self.fs.create_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.fs.delete(&dir).and_then(|()| self.fs.create_dir(&dir))
            }
            made => made,
        };
        made.map_err(|error| from_io(error, &dir))?;
        let mut kept = self.quarantined();
        let number = kept.last().map_or(1, |(number, _)| number.saturating_add(1));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let target = dir.join(format!("{number:08}-{name}"));
        self.fs.rename(path, &target).map_err(|error| from_io(error, path))?;
        warn!(from = %path.display(), to = %target.display(), "a damaged file was moved to quarantine");
        kept.push((number, target));
        for (_, oldest) in kept.iter().rev().skip(QUARANTINED) {
            self.discard(oldest);
        }
        Ok(())
    }

    /// Bytes on disk of what is in quarantine.
    pub(crate) fn quarantined_bytes(&self) -> u64 {
        let files = self.quarantined().into_iter();
        files.filter_map(|(_, path)| self.fs.open(&path, OpenMode::Existing).ok()?.allocated().ok()).sum()
    }

    /// Deletes what is in quarantine when it takes more than `bytes`, and what is no file in any case: nobody bounds
    /// what a directory holds. What stays is counted.
    pub(crate) fn bound_quarantine(&self, bytes: u64) -> u64 {
        let dir = self.quarantine();
        for found in self.fs.list(&dir).unwrap_or_default().into_iter().filter(|found| !found.is_file) {
            self.discard(&dir.join(found.name));
        }
        let held = self.quarantined_bytes();
        if held <= bytes {
            return held;
        }
        for (_, path) in self.quarantined() {
            self.discard(&path);
        }
        self.quarantined_bytes()
    }

    fn discard(&self, path: &Path) {
        if let Err(error) = self.fs.delete(path) {
            warn!(%error, path = %path.display(), "what is in quarantine could not be deleted");
        }
    }

    fn quarantined(&self) -> Vec<(u64, PathBuf)> {
        let dir = self.quarantine();
        let listed = self.fs.list(&dir).unwrap_or_default().into_iter();
        let mut files: Vec<_> = listed
            .filter_map(|found| Some((found.name.to_str()?.split_once('-')?.0.parse().ok()?, dir.join(&found.name))))
            .collect();
        files.sort_unstable();
        files
    }
}

fn volume_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".vol")?;
    let number = digits.parse().ok()?;
    (number > 0 && format!("{number:08}") == digits).then_some(number)
}

/// `create_dir` says "exists" when a file stands in the directory's place.
fn name_plain_file(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::AlreadyExists { io::ErrorKind::NotADirectory.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_as_written_are_volumes() {
        assert_eq!(volume_number("00000001.vol"), Some(1));
        assert_eq!(volume_number("4294967295.vol"), Some(u32::MAX));
        for name in ["1.vol", "00000000.vol", "+0000001.vol", "00000001", "00000001.vol.old", "x.vol"] {
            assert_eq!(volume_number(name), None, "{name}");
        }
    }
}
