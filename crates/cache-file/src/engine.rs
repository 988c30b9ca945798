//! `Shared`: what readers and the writer of one directory have in common. Everything below here blocks.

mod budget;
mod group;
mod heat;
mod load;
mod read;
mod rebuild;
mod reclaim;
mod scan;
mod shelves;
mod sparse;
mod survey;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cache_core::{Error, Key, Meta, Offer, PolicyKind, Role, Stamp, Timestamp, Usage};
use cache_local::Buffers;
use parking_lot::{Mutex, RwLock};

pub(crate) use group::{Answer, Request};
use heat::Seen;
pub(crate) use read::Found;
use shelves::{Shelves, Side};
pub(crate) use write::Writer;

use crate::config::FileConfig;
use crate::dir::Layout;
use crate::error::{IndexError, from_io};
use crate::fs::FsFile;
use crate::index::Index;
use crate::index::record::Spot;
use crate::report::DiskUsage;
use crate::volume::Place;

/// What readers and the writer of one directory have in common.
///
/// The writer alone changes it. Locks are taken in the order `live`, `index`.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: FileConfig,
    layout: Layout,
    live: RwLock<Live>,
    /// Absent while it is opened anew, and after the end.
    index: RwLock<Option<Index>>,
    counters: Counters,
    disk: Mutex<DiskUsage>,
    buffers: Arc<Buffers>,
    /// Reads that found something.
    hits: AtomicU64,
    /// Set by readers that saw the index fail.
    suspect: AtomicBool,
}

/// What is served now.
#[derive(Debug)]
struct Live {
    catalog: Shelves,
    /// Entries that stand in for those of the same key which the running group writes.
    shadows: HashMap<Key, Ref>,
    files: HashMap<u32, Arc<dyn FsFile>>,
}

/// What the catalog holds for an entry. There may be many millions, so it is small.
#[derive(Debug, Clone)]
struct Ref {
    /// Different for every entry ever held.
    generation: u64,
    stamp: Stamp,
    expires: Timestamp,
    /// In microseconds; more than an hour counts as that.
    cost: u32,
    pinned: bool,
    seen: Seen,
    /// Set when the index has it.
    spot: OnceLock<Spot>,
}

#[derive(Debug, Default)]
struct Counters {
    evicted: AtomicU64,
    expired: AtomicU64,
    corrupt: AtomicU64,
}

impl Shared {
    /// The figures of the contract. One short lock.
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        {
            let live = self.live.read();
            usage.entries = live.catalog.len() as u64;
            usage.bytes = live.catalog.total();
        }
        usage.exact = true;
        usage.capacity = Some(self.config.capacity);
        usage.max_entries = Some(self.config.entries);
        usage.evicted = self.counters.evicted.load(Ordering::Relaxed);
        usage.expired = self.counters.expired.load(Ordering::Relaxed);
        usage.corrupt = self.counters.corrupt.load(Ordering::Relaxed);
        usage
    }

    /// What the directory took on disk after the last group of writes.
    pub(crate) fn disk(&self) -> DiskUsage {
        *self.disk.lock()
    }

    /// Whether a reader saw the index fail since this was asked last: [`Request::Mend`] is due.
    pub(crate) fn take_suspicion(&self) -> bool {
        self.suspect.load(Ordering::Relaxed) && self.suspect.swap(false, Ordering::Relaxed)
    }

    /// Refuses when the path of the directory no longer leads to it: what is written would be lost, or harm others.
    fn check_place(&self) -> cache_core::Result<()> {
        self.layout.check().map_err(|error| from_io(error, &self.layout.root))
    }

    /// Ends it: the index is closed in order, and nothing is served.
    pub(crate) fn close(&self) {
        let index = self.index.write().take();
        index.into_iter().for_each(Index::close);
        self.serve(Live::empty());
    }

    fn serve(&self, live: Live) {
        let old = std::mem::replace(&mut *self.live.write(), live);
        // Not under the lock: a whole catalog and handles of deleted volumes take their time.
        drop(old);
    }

    /// Whether the handle of the index works no more, after whatever failure.
    fn index_failed(&self) -> bool {
        self.index.read().as_ref().is_some_and(Index::has_failed)
    }

    /// The error of a read, noted when the handle of the index will not work again by itself.
    fn index_error(&self, error: IndexError) -> Error {
        if matches!(error, IndexError::Io(_)) {
            self.suspect.store(true, Ordering::Relaxed);
        }
        error.into_error(&self.layout.index())
    }
}

impl Live {
    fn empty() -> Self {
        let catalog = Shelves::new(0, 0, PolicyKind::Fifo);
        Self { catalog, shadows: HashMap::new(), files: HashMap::new() }
    }

    /// What serves `key` at `now`, which does not count as a use of it.
    fn peek(&self, key: &Key, now: Timestamp) -> Option<&Ref> {
        match self.shadows.get(key) {
            Some(shadow) => (now < shadow.expires).then_some(shadow),
            None => self.catalog.peek(key, now),
        }
    }

    /// What serves `key` at `now`, with the file that it is in.
    fn seen(&self, key: &Key, now: Timestamp) -> Option<&Ref> {
        match self.shadows.get(key) {
            Some(shadow) => (now < shadow.expires).then_some(shadow),
            None => self.catalog.get(key, now),
        }
    }
}

impl Ref {
    fn new(generation: u64, meta: &Meta) -> Self {
        let (stamp, expires, pinned) = (meta.stamp, meta.expires(), meta.role == Role::Mark);
        let cost = u32::try_from(meta.cost.as_micros()).unwrap_or(u32::MAX);
        Self { generation, stamp, expires, cost, pinned, seen: Seen::default(), spot: OnceLock::new() }
    }

    fn at(self, spot: Spot) -> Self {
        Self { spot: OnceLock::from(spot), ..self }
    }

    fn place(&self) -> Option<Place> {
        match self.spot.get() {
            Some(Spot::Volume(place) | Spot::Renewed(place)) => Some(*place),
            Some(Spot::Inline) | None => None,
        }
    }

    fn side(&self) -> Side {
        if self.place().is_some() { Side::Volumes } else { Side::Index }
    }

    fn offer(self, key: Key, weight: u64) -> Offer<Key, Self> {
        let (cost, expires, pinned) = (Duration::from_micros(self.cost.into()), self.expires, self.pinned);
        Offer { hash: key.hash64(), key, weight, cost, expires, pinned, value: self }
    }
}

const _: () = assert!(size_of::<Ref>() <= 56, "memory for each entry is what docs/durability.md says");
