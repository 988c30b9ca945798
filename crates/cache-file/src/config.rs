//! `FileConfig`: where a file backend lives and what it may take.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::{Clock, Error, ErrorKind, EvictionListener, Key, PolicyKind, Result, SystemClock};

use crate::fs::{Fs, RealFs};
use crate::volume::record;

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The end of the process, however it ends: the bytes are in the kernel's page cache.
    #[default]
    Process,
    /// The loss of power as well: `fdatasync` of bodies and index before each acknowledgement.
    Power,
}

/// Where a [`FileBackend`](crate::FileBackend) lives and what it may take. Checked when it is opened.
///
/// ```
/// # use cache_file::{Durability, FileConfig};
/// let config = FileConfig::new("/var/cache/reelcache").capacity(8 << 30).durability(Durability::Power);
/// assert_eq!(config.path().to_str(), Some("/var/cache/reelcache"));
/// ```
#[derive(Debug, Clone)]
pub struct FileConfig {
    pub(crate) path: PathBuf,
    pub(crate) name: Arc<str>,
    pub(crate) capacity: u64,
    pub(crate) free_floor: u64,
    pub(crate) entries: u64,
    pub(crate) policy: PolicyKind,
    pub(crate) durability: Durability,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inline_max: u64,
    pub(crate) volume_len: u64,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) listener: Option<Arc<dyn EvictionListener>>,
}

impl FileConfig {
    /// A backend in the directory `path`: 4 GiB, a million entries, S3-FIFO, [`Durability::Process`].
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            name: Arc::from("file"),
            capacity: 4 << 30,
            free_floor: 0,
            entries: 1_000_000,
            policy: PolicyKind::S3Fifo,
            durability: Durability::default(),
            clock: Arc::new(SystemClock::new()),
            inline_max: 2 << 10,
            volume_len: 256 << 20,
            fs: Arc::new(RealFs),
            listener: None,
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name in statistics and errors; `"file"` unless set.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Budget for the bytes that index and volumes take on disk. Too small a capacity, zero included, holds nothing.
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// Bytes of the file system that are left to others: below them entries are evicted, then none is admitted. That is
    /// seen at each write; where very many have to go, they go in parts, between writes. None unless set.
    #[must_use]
    pub fn free_floor(mut self, bytes: u64) -> Self {
        self.free_floor = bytes;
        self
    }

    /// Budget for the number of entries; each takes some 200 bytes of memory.
    #[must_use]
    pub fn entries(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }

    /// Who leaves when there is no room; [`PolicyKind::S3Fifo`] unless set. Space comes back in whole volumes: a policy
    /// that evicts about in the order of writing leaves fewer holes in them than one that chooses all over.
    #[must_use]
    pub fn policy(mut self, policy: PolicyKind) -> Self {
        self.policy = policy;
        self
    }

    /// What an acknowledged write survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The source of time; a [`SystemClock`] unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Entries whose envelope is at most this long are kept in the index, at most 16 KiB; marks never are, so that they
    /// come back with the volumes when the index is lost.
    ///
    /// The index takes a quarter of the capacity: when it has that, short entries go to volumes as well.
    ///
    /// The default of 2 KiB is where the page of the index that an entry fills costs as much as its block in a volume.
    #[must_use]
    pub fn inline_max(mut self, bytes: u64) -> Self {
        self.inline_max = bytes;
        self
    }

    /// Length at which a volume is full and the next one begins, 64 KiB to 1 TiB. A longer record has a volume alone.
    ///
    /// Volumes beyond a quarter of the descriptors that the process may have are opened again whenever they are used:
    /// capacities of many terabytes need longer ones. Beyond twice the number that the capacity fills and 64, the
    /// values in the sparsest volumes are evicted.
    #[must_use]
    pub fn volume_len(mut self, bytes: u64) -> Self {
        self.volume_len = bytes;
        self
    }

    /// The file system, for tests that make it fail; a [`RealFs`] unless set.
    #[must_use]
    pub fn fs(mut self, fs: Arc<dyn Fs>) -> Self {
        self.fs = fs;
        self
    }

    /// Who hears which entries the policy chose to drop, which expired and which did not verify, once that is on disk, on
    /// the thread that writes; nobody unless set. It does not hear of what is gone when the directory is opened.
    #[must_use]
    pub fn listener(mut self, listener: Arc<dyn EvictionListener>) -> Self {
        self.listener = Some(listener);
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let invalid =
            |message: &'static str| Err(Error::new(ErrorKind::Invalid, message).with_backend(self.name.clone()));
        if self.path.as_os_str().is_empty() {
            return invalid("the path of the cache directory is empty: name a directory");
        }
        if self.inline_max > 16 << 10 {
            return invalid("inline_max is above 16 KiB: longer entries belong into volumes");
        }
        if !(64 << 10..=1 << 40).contains(&self.volume_len) {
            return invalid("volume_len is outside of 64 KiB to 1 TiB");
        }
        Ok(())
    }
}

const _: () =
    assert!(Key::MAX_BYTES + record::HEADER <= record::BLOCK as usize, "a header and its key fit into a block");
