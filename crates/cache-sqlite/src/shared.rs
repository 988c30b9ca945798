//! `Shared`: what the readers and the writer of one backend have in common.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Error, ErrorKind, Evicted, Key, Usage};
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;

use crate::config::SqliteConfig;
use crate::database::Database;
use crate::error::{Fault, Outcome};
use crate::place::{Identity, Place};
use crate::report::OpenReport;
use crate::room::{Gone, State, Tally};

/// Keys that were read and wait to be noted in the database, at most.
const NOTED: usize = 1024;
/// Keys that are worth a transaction of their own.
const WORTH: usize = 256;

/// What the readers and the writer of one backend have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: SqliteConfig,
    pub(crate) place: Place,
    pub(crate) report: Mutex<OpenReport>,
    /// `None` while no database is open.
    base: RwLock<Option<Arc<Base>>>,
    seen: Mutex<HashSet<Key>>,
    evicted: AtomicU64,
    expired: AtomicU64,
    corrupt: AtomicU64,
}

/// The connections that read one file.
#[derive(Debug)]
struct Base {
    identity: Identity,
    readers: Mutex<Vec<Connection>>,
}

/// A connection on loan.
struct Loan<'a> {
    base: &'a Base,
    connection: Option<Connection>,
}

impl Shared {
    pub(crate) fn new(config: SqliteConfig, place: Place) -> Self {
        Self {
            config,
            place,
            report: Mutex::default(),
            base: RwLock::default(),
            seen: Mutex::default(),
            evicted: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
        }
    }

    /// Takes the readers of a database that was opened, and notes where it came from.
    pub(crate) fn adopt(&self, database: &mut Database, restart: bool) {
        let readers = Mutex::new(std::mem::take(&mut database.readers));
        *self.base.write() = Some(Arc::new(Base { identity: database.identity, readers }));
        let mut report = self.report.lock();
        report.origin = database.origin;
        if let Some(moved) = database.moved_aside.take() {
            tracing::warn!(path = %self.place.path().display(), aside = %moved.0.display(), why = moved.1,
                "the database could not be used: it was moved aside and a new one begun");
            report.moved_aside = Some(moved);
        }
        report.restarts += u64::from(restart);
    }

    /// Closes the readers that are not on loan.
    pub(crate) fn release(&self) {
        *self.base.write() = None;
    }

    /// Runs `work` on a connection of its own. Blocks. A fault comes with the file that it is about, if one is open.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T, (Fault, Option<Identity>)> {
        let base = self.base.read().clone().ok_or((Fault::Moved, None))?;
        if self.place.identity() != Some(base.identity) {
            return Err((Fault::Moved, Some(base.identity)));
        }
        let connection = base.readers.lock().pop();
        let loan = Loan { base: &base, connection };
        let Some(connection) = &loan.connection else {
            let error = Error::new(ErrorKind::Internal, "every reader of the database is gone: open the backend again");
            return Err((error.into(), None));
        };
        work(connection).map_err(|fault| (fault, Some(base.identity)))
    }

    /// Notes that `key` was read. Whether there are enough of them to have them written.
    pub(crate) fn note_seen(&self, key: &Key) -> bool {
        let mut seen = self.seen.lock();
        if seen.len() < NOTED {
            seen.insert(key.clone());
        }
        seen.len() >= WORTH
    }

    /// The keys that were read since the last call.
    pub(crate) fn take_seen(&self) -> HashSet<Key> {
        std::mem::take(&mut self.seen.lock())
    }

    /// Counts what became of entries, and tells the listener.
    pub(crate) fn count(&self, tally: &Tally) {
        // Relaxed: each is a lone sum.
        self.evicted.fetch_add(tally.evicted, Ordering::Relaxed);
        self.expired.fetch_add(tally.expired, Ordering::Relaxed);
        self.corrupt.fetch_add(tally.corrupt, Ordering::Relaxed);
        let Some(listener) = &self.config.listener else { return };
        for Gone { key, cause, weight, made } in &tally.gone {
            // What is damaged may have no key.
            if let Ok(key) = Key::parse(key) {
                listener.evicted(&Evicted::new(&key, *cause, *weight, *made));
            }
        }
    }

    pub(crate) fn usage(&self, state: State) -> Usage {
        let mut usage = Usage::default();
        usage.entries = state.entries;
        usage.bytes = state.bytes;
        usage.exact = true;
        usage.capacity = Some(self.config.capacity);
        usage.max_entries = Some(self.config.entries);
        usage.evicted = self.evicted.load(Ordering::Relaxed);
        usage.expired = self.expired.load(Ordering::Relaxed);
        usage.corrupt = self.corrupt.load(Ordering::Relaxed);
        usage
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.base.readers.lock().extend(self.connection.take());
    }
}
