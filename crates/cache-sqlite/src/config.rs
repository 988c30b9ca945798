//! `SqliteConfig`: where a SQLite backend lives and what it may take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Error, ErrorKind, EvictionListener, Limits, Result, SystemClock};

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The end of the process, however it ends. After a loss of power the file is whole, its last writes may be gone.
    #[default]
    Process,
    /// The loss of power as well: the log is synced before each acknowledgement, once for a group of writes.
    Power,
}

/// Where a [`SqliteBackend`](crate::SqliteBackend) lives and what it may take. Checked when it is opened.
///
/// Processes that share a file should agree on capacity and entries: each keeps to its own.
///
/// ```
/// # use cache_sqlite::{Durability, SqliteConfig};
/// let config = SqliteConfig::new("/var/cache/reelcache.db").capacity(8 << 30).durability(Durability::Power);
/// assert_eq!(config.path().to_str(), Some("/var/cache/reelcache.db"));
/// ```
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    pub(crate) path: PathBuf,
    pub(crate) name: Arc<str>,
    pub(crate) capacity: u64,
    pub(crate) entries: u64,
    pub(crate) durability: Durability,
    pub(crate) patience: Duration,
    pub(crate) readers: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listener: Option<Arc<dyn EvictionListener>>,
}

impl SqliteConfig {
    /// A backend in the file `path`: 4 GiB, a million entries, [`Durability::Process`], 4 readers, 5 s of patience.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            name: Arc::from("sqlite"),
            capacity: 4 << 30,
            entries: 1_000_000,
            durability: Durability::default(),
            patience: Duration::from_secs(5),
            readers: 4,
            clock: Arc::new(SystemClock::new()),
            listener: None,
        }
    }

    /// The database file. Files whose names begin with it stand beside it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name in statistics and errors; `"sqlite"` unless set.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Budget for the weights of all entries, in bytes. Zero holds nothing.
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// Budget for the number of entries.
    #[must_use]
    pub fn entries(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }

    /// What an acknowledged write survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long a call waits for other processes that have the file locked, before it is `Unavailable`; at most an hour.
    #[must_use]
    pub fn busy_timeout(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connections that read at the same time, 1 to 64; each may take 2 MiB of memory for pages.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers;
        self
    }

    /// The source of time; a [`SystemClock`] unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Who hears which entries left for want of room, which expired and which did not verify, once that is committed, on
    /// the thread that writes; nobody unless set. It does not hear of what other processes drop.
    #[must_use]
    pub fn listener(mut self, listener: Arc<dyn EvictionListener>) -> Self {
        self.listener = Some(listener);
        self
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::weight(self.capacity).and_entries(self.entries)
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let invalid = |message: &'static str| Err(Error::new(ErrorKind::Invalid, message));
        if self.path.file_name().is_none() {
            return invalid("the path of the database names no file: name one");
        }
        if !(1..=64).contains(&self.readers) {
            return invalid("the number of readers is outside of 1 to 64");
        }
        if self.patience > Duration::from_hours(1) {
            return invalid("the busy timeout is above an hour");
        }
        Ok(())
    }
}
