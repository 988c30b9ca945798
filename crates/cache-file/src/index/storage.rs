//! The index library's storage, on a file of ours.

use std::io;
use std::sync::{Arc, OnceLock};

use redb::StorageBackend;

use crate::config::Durability;
use crate::fs::FsFile;
use crate::opening::Opening;

/// A file of the [`Fs`](crate::fs::Fs) seam under the index library.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) durability: Durability,
    pub(crate) failure: Arc<Failure>,
    pub(crate) opening: Arc<Opening>,
}

/// The first failure of the medium below an index.
///
/// The library tells some of them as damage, or panics; an index on a failing disk must not be given up for that.
#[derive(Debug, Default)]
pub(crate) struct Failure(OnceLock<io::ErrorKind>);

impl Failure {
    /// The failure, if there was one.
    pub(crate) fn get(&self) -> Option<io::Error> {
        self.0.get().map(|kind| (*kind).into())
    }

    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        // Reading behind the end is what a damaged index leads to.
        if let Err(error) = &done
            && error.kind() != io::ErrorKind::UnexpectedEof
        {
            let _ = self.0.set(error.kind());
        }
        done
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.opening.step();
        self.failure.note(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.opening.step();
        self.failure.note(self.file.read_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.opening.step();
        self.failure.note(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.durability {
            // The page cache outlives the process and keeps the order of writes.
            Durability::Process => Ok(()),
            Durability::Power => self.failure.note(self.file.sync()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.opening.step();
        self.failure.note(self.file.write_at(data, offset))
    }
}
