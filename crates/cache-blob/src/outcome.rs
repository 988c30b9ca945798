//! `BlobOutcome`: where the bytes that a reader got came from.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a blob passes through without being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Uncached {
    /// It is longer than [`max_len`](crate::BlobsBuilder::max_len).
    TooLong,
    /// It exceeds the capacity of the backend.
    NoRoom,
}

/// Where the bytes that a reader got came from, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobOutcome {
    /// Bytes of segments that were in the backend.
    pub cached: u64,
    /// Bytes of segments that were being fetched, by this reader's wish or another's.
    pub filled: u64,
    /// Bytes that passed through from the source without being kept.
    pub passed: u64,
    /// Why nothing is kept, if so.
    pub uncached: Option<Uncached>,
}

/// The longest blob that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) max_len: u64,
    /// Capacity of the backend, when it has one.
    pub(crate) capacity: Option<u64>,
}

impl Limit {
    /// Why a blob of `len` bytes is not kept, if so.
    pub(crate) fn exceeded(&self, len: u64) -> Option<Uncached> {
        if len > self.max_len {
            return Some(Uncached::TooLong);
        }
        // Keys, metas and alignment take something, too.
        let weight = len.saturating_add(len / 64);
        self.capacity.is_some_and(|capacity| weight > capacity).then_some(Uncached::NoRoom)
    }
}

/// Where a piece came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Cached,
    Filled,
    Passed,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    cached: AtomicU64,
    filled: AtomicU64,
    passed: AtomicU64,
}

impl Tally {
    pub(crate) fn count(&self, origin: Origin, bytes: u64) {
        let counter = match origin {
            Origin::Cached => &self.cached,
            Origin::Filled => &self.filled,
            Origin::Passed => &self.passed,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn outcome(&self, uncached: Option<Uncached>) -> BlobOutcome {
        BlobOutcome {
            cached: self.cached.load(Ordering::Relaxed),
            filled: self.filled.load(Ordering::Relaxed),
            passed: self.passed.load(Ordering::Relaxed),
            uncached,
        }
    }
}
