//! The index library's storage, on a file of ours.

use std::io;
use std::sync::{Arc, OnceLock};

use redb::StorageBackend;

use crate::config::Durability;
use crate::fs::FsFile;
use crate::index::pages::Pages;
use crate::opening::Opening;

/// A file of the [`Fs`](crate::fs::Fs) seam under the index library.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) durability: Durability,
    pub(crate) failure: Arc<Failure>,
    pub(crate) opening: Arc<Opening>,
    /// None of a file that is only read.
    pub(crate) pages: Option<Arc<Pages>>,
}

impl Storage {
    fn unseal(&self) -> io::Result<()> {
        self.pages.as_ref().map_or(Ok(()), |pages| pages.unseal())
    }
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
        self.failure.note(self.file.read_at(out, offset))?;
        self.pages.iter().for_each(|pages| pages.note_read(offset, out));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.opening.step();
        self.failure.note(self.unseal().and_then(|()| self.file.set_len(len)))?;
        self.pages.iter().for_each(|pages| pages.note_len(len));
        Ok(())
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
        self.failure.note(self.unseal().and_then(|()| self.file.write_at(data, offset)))?;
        self.pages.iter().for_each(|pages| pages.note_write(offset, data));
        Ok(())
    }
}
