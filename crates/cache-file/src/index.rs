//! `Index`: the persistent map from keys to records; its library's errors and panics end here.

mod overlay;
pub(crate) mod pages;
pub(crate) mod record;
mod storage;
mod walk;

use std::fmt;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tracing::warn;

use crate::config::Durability;
use crate::dir::Layout;
use crate::error::IndexError;
use crate::fs::FsFile;
use crate::opening::Opening;
use overlay::Overlay;
use pages::Pages;
use storage::{Failure, Storage};

/// Keys are bytes, not text: the library panics over text that is not UTF-8.
const ENTRIES: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("entries-v1");
const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";
/// The kernel's page cache is below; this one saves system calls.
const PAGE_CACHE: usize = 16 << 20;

/// The persistent map from keys to records. Every call blocks.
pub(crate) struct Index {
    /// Taken only when the index is dropped.
    database: Option<Database>,
    file: Arc<dyn FsFile>,
    failure: Arc<Failure>,
    /// None of a file that is only read.
    pages: Option<Arc<Pages>>,
    /// Whether the library had to recover from a crash when it was opened.
    pub(crate) recovered: bool,
}

/// One change of the index: a new record, or none.
pub(crate) type Change<'a> = (&'a [u8], Option<Bytes>);

impl Index {
    /// A new index in an empty file, that is to take the place of the one in the directory.
    pub(crate) fn create(file: Arc<dyn FsFile>, durability: Durability, layout: &Layout) -> Result<Self, IndexError> {
        let pages = Pages::unknown(layout.clone());
        Self::start(file, durability, Opening::unmarked(), Some(pages))
    }

    /// Opens the index in `file` for reading: what the library writes stays in memory.
    pub(crate) fn open_for_reading(file: Arc<dyn FsFile>) -> Result<Self, IndexError> {
        let overlay = Overlay::new(file).map_err(IndexError::Io)?;
        Self::start(Arc::new(overlay), Durability::Process, Opening::unmarked(), None)
    }

    /// Opens the index of the directory, in `file`, and verifies all of its pages, step by step of `opening`.
    pub(crate) fn open(
        file: Arc<dyn FsFile>,
        durability: Durability,
        opening: Arc<Opening>,
        layout: &Layout,
    ) -> Result<Self, IndexError> {
        let mut magic = [0; MAGIC.len()];
        match file.read_at(&mut magic, 0) {
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(IndexError::Io(error)),
            // The library takes an empty file for a new one.
            Ok(()) if magic == MAGIC => {}
            _ => return Err(IndexError::Damaged("it does not begin like an index".to_owned())),
        }
        let sealed = Pages::sealed(layout, &*file);
        let is_sealed = sealed.is_some();
        let pages = sealed.unwrap_or_else(|| Pages::unknown(layout.clone()));
        let mut index = Self::start(file, durability, opening, Some(pages))?;
        // To recover, the library has verified all of them.
        if is_sealed || index.recovered {
            return Ok(index);
        }
        let failure = index.failure.clone();
        let whole = guard(&failure, || match &mut index.database {
            Some(database) => database.check_integrity().map_err(IndexError::from_redb),
            None => Ok(true),
        })?;
        index.recovered |= !whole;
        Ok(index)
    }

    fn start(
        file: Arc<dyn FsFile>,
        durability: Durability,
        opening: Arc<Opening>,
        pages: Option<Pages>,
    ) -> Result<Self, IndexError> {
        let pages = pages.map(Arc::new);
        let repaired = Arc::new(AtomicBool::new(false));
        let noted = repaired.clone();
        let failure = Arc::new(Failure::default());
        let storage =
            Storage { file: file.clone(), durability, failure: failure.clone(), opening, pages: pages.clone() };
        let database = guard(&failure, || {
            let database = Database::builder()
                .set_cache_size(PAGE_CACHE)
                .set_repair_callback(move |_| noted.store(true, Ordering::Relaxed))
                .create_with_backend(storage)
                .map_err(IndexError::from_redb)?;
            // The table must be there for readers before the first write.
            if !has_table(&database)? {
                let transaction = database.begin_write().map_err(IndexError::from_redb)?;
                transaction.open_table(ENTRIES).map_err(IndexError::from_redb)?;
                transaction.commit().map_err(IndexError::from_redb)?;
            }
            Ok(database)
        })?;
        Ok(Self { database: Some(database), file, failure, pages, recovered: repaired.load(Ordering::Relaxed) })
    }

    /// Applies all of `changes` or, after an error, all or none of them.
    pub(crate) fn apply<'a>(&self, changes: impl IntoIterator<Item = Change<'a>>) -> Result<(), IndexError> {
        guard(&self.failure, || {
            let transaction = self.database()?.begin_write().map_err(IndexError::from_redb)?;
            {
                let mut table = transaction.open_table(ENTRIES).map_err(IndexError::from_redb)?;
                for (key, record) in changes {
                    match record {
                        Some(record) => drop(table.insert(key, &*record).map_err(IndexError::from_redb)?),
                        None => drop(table.remove(key).map_err(IndexError::from_redb)?),
                    }
                }
            }
            transaction.commit().map_err(IndexError::from_redb)
        })
    }

    /// The record of `key`, as it was committed last.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        guard(&self.failure, || {
            let transaction = self.database()?.begin_read().map_err(IndexError::from_redb)?;
            let table = transaction.open_table(ENTRIES).map_err(IndexError::from_redb)?;
            let found = table.get(key).map_err(IndexError::from_redb)?;
            Ok(found.map(|record| Bytes::copy_from_slice(record.value())))
        })
    }

    /// Up to `limit` keys from `start` on, with their records, in the order of their bytes.
    pub(crate) fn page(&self, start: Bound<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, IndexError> {
        guard(&self.failure, || {
            let transaction = self.database()?.begin_read().map_err(IndexError::from_redb)?;
            let table = transaction.open_table(ENTRIES).map_err(IndexError::from_redb)?;
            let range = table.range::<&[u8]>((start, Bound::Unbounded)).map_err(IndexError::from_redb)?;
            range
                .take(limit)
                .map(|found| {
                    let (key, record) = found.map_err(IndexError::from_redb)?;
                    Ok((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(record.value())))
                })
                .collect()
        })
    }

    /// Moves pages to the front and gives the rest of the file back. Rewrites up to the whole file.
    pub(crate) fn compact(&mut self) -> Result<(), IndexError> {
        guard(&self.failure, || match &mut self.database {
            Some(database) => database.compact().map(drop).map_err(IndexError::from_redb),
            None => Ok(()),
        })
    }

    /// Closes it in order and seals it, unless something fails: then all of its pages are verified at the next start.
    pub(crate) fn close(mut self) {
        let Some(pages) = self.pages.take() else { return };
        let database = self.database.take();
        let closed = guard(&self.failure, || {
            drop(database);
            Ok(())
        });
        if closed.is_err() || self.has_failed() {
            return;
        }
        if let Err(error) = pages.seal(&*self.file) {
            warn!(%error, "the index is closed without a seal");
        }
    }

    /// Whether the medium below failed once: the library then refuses to work until the index is opened again.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Bytes that the index takes on disk.
    pub(crate) fn allocated(&self) -> Result<u64, IndexError> {
        self.file.allocated().map_err(IndexError::Io)
    }

    /// Bytes that its seal will take on disk when it is closed.
    pub(crate) fn seal_allocated(&self) -> u64 {
        self.pages.as_ref().map_or(0, |pages| pages.seal_allocated())
    }

    fn database(&self) -> Result<&Database, IndexError> {
        self.database.as_ref().ok_or_else(|| IndexError::Damaged("it is closed".to_owned()))
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // A damaged database may panic over its own end; what it wrote last is checked at the next start.
        let database = self.database.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("file", &self.file).finish_non_exhaustive()
    }
}

fn has_table(database: &Database) -> Result<bool, IndexError> {
    let transaction = database.begin_read().map_err(IndexError::from_redb)?;
    match transaction.open_table(ENTRIES) {
        Ok(table) => {
            // A root page that cannot be read shows here, not in the middle of a lookup.
            table.first().map_err(IndexError::from_redb)?;
            Ok(true)
        }
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(IndexError::from_redb(error)),
    }
}

/// Runs `work` on the library, whose panics over damaged pages become errors.
fn guard<T>(failure: &Failure, work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(IndexError::Damaged(what.unwrap_or("a panic").to_owned()))
    });
    done.map_err(|error| failure.get().map_or(error, IndexError::Io))
}
