//! `MemCacheBuilder`: how a cache is set up.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use cache_core::{Catalog, Cause, Clock, Limits, PolicyKind, SystemClock};
use parking_lot::Mutex;

use super::MemCache;
use super::shard::{Shard, most_shards, shares};
use crate::hash::Secrets;

pub(super) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u64 + Send + Sync>;
pub(super) type Listener<K, V> = Box<dyn Fn(&K, &V, Cause) + Send + Sync>;

/// More shards than this serve no machine better.
const MAX_SHARDS: usize = 64;
/// Shards for each processor: with several, two threads seldom meet.
const SHARDS_PER_PROCESSOR: usize = 4;
/// Below this number of values in a share, a common eviction order is worth more than a lock of its own.
const MIN_SHARE: u64 = 128;
/// A share holds this many values of the promised weight, so that one of them never displaces most of the others.
const HEAVIEST_PER_SHARE: u64 = 4;

/// Sets up a [`MemCache`].
#[must_use = "a builder is not a cache until it is built"]
pub struct MemCacheBuilder<K, V, S = Secrets> {
    hasher: S,
    capacity: Option<u64>,
    entries: Option<u64>,
    max_weight: Option<u64>,
    policy: PolicyKind,
    shards: Option<usize>,
    clock: Option<Arc<dyn Clock>>,
    weigher: Option<Weigher<K, V>>,
    listener: Option<Listener<K, V>>,
}

impl<K: Hash + Eq, V: Clone> MemCacheBuilder<K, V> {
    pub(super) fn new() -> Self {
        Self {
            hasher: Secrets::new(),
            capacity: None,
            entries: None,
            max_weight: None,
            policy: PolicyKind::default(),
            shards: None,
            clock: None,
            weigher: None,
            listener: None,
        }
    }
}

impl<K: Hash + Eq, V: Clone, S: BuildHasher> MemCacheBuilder<K, V, S> {
    /// Number of values held when neither [`capacity`](Self::capacity) nor [`entries`](Self::entries) is set.
    pub const DEFAULT_ENTRIES: u64 = 10_000;

    /// Bounds the sum of weights. Zero holds nothing.
    pub fn capacity(mut self, weight: u64) -> Self {
        self.capacity = Some(weight);
        self
    }

    /// Bounds the number of values. Zero holds nothing.
    pub fn entries(mut self, entries: u64) -> Self {
        self.entries = Some(entries);
        self
    }

    /// Promises that a value of this weight, and any lighter one, is admitted by an empty cache; at most the
    /// capacity. The number of shards is kept low enough for that. Without this, it is 1 for a cache without
    /// weigher, and the capacity, which means one shard, for a cache with one.
    pub fn max_weight(mut self, weight: u64) -> Self {
        self.max_weight = Some(weight);
        self
    }

    /// Chooses who leaves when there is no room. The default is [`PolicyKind::Agd`].
    pub fn policy(mut self, policy: PolicyKind) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the number of shards, lowered where shares would be too small for one value of
    /// [`max_weight`](Self::max_weight), and to 64: each is one more to be looked at whenever all are, and more locks
    /// than that serve no machine better.
    ///
    /// Without this, it is four for each processor, at most 64, as far as each share holds 128 values, and four
    /// of the weight promised.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Sets what a value takes of the capacity; without one, each takes 1. A value of weight 0 is bounded by
    /// [`entries`](Self::entries) alone. Called once for each insertion, outside the locks.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// Sets how keys are hashed. The default, [`Secrets`], draws secrets at random, so that nobody can aim at a shard, or at a place
    /// in its table; with a weak one keys may crowd there, which costs time, and room when all are in one shard.
    pub fn hasher<H: BuildHasher>(self, hasher: H) -> MemCacheBuilder<K, V, H> {
        let Self { capacity, entries, max_weight, policy, shards, clock, weigher, listener, .. } = self;
        MemCacheBuilder { hasher, capacity, entries, max_weight, policy, shards, clock, weigher, listener }
    }

    /// Sets the source of time. The default is a [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets who hears of every value that left, or was refused, and why.
    ///
    /// It runs on the thread whose call made the value leave, after the fact and outside the locks, so news of one
    /// key may arrive out of order. When it panics, the panic reaches that caller, and what left together with the
    /// value is dropped unreported. It does not hear of what is held when the cache itself is dropped.
    pub fn listener(mut self, listener: impl Fn(&K, &V, Cause) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// The cache.
    pub fn build(self) -> MemCache<K, V, S> {
        let limits = self.limits();
        let heaviest = self.heaviest(limits);
        let count = self.shard_count(limits, heaviest);
        let mut shares = shares(limits, count, count);
        let first = Catalog::new(shares.next().unwrap_or(limits), self.policy);
        let mut catalogs: Vec<_> = shares.map(|share| first.sibling(share)).collect();
        catalogs.push(first);
        // The shares that are larger by one come first.
        catalogs.rotate_right(1);
        MemCache {
            shards: catalogs.into_iter().map(Shard::new).collect(),
            dealt: AtomicUsize::new(count),
            heaviest,
            hasher: self.hasher,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
            weigher: self.weigher,
            listener: self.listener,
            limits: Mutex::new(limits),
            next_sweep: AtomicUsize::new(0),
        }
    }

    fn limits(&self) -> Limits {
        match (self.capacity, self.entries) {
            (None, None) => Limits::entries(Self::DEFAULT_ENTRIES),
            (weight, entries) => Limits { weight: weight.unwrap_or(u64::MAX), entries: entries.unwrap_or(u64::MAX) },
        }
    }

    /// The weight that every shard takes.
    fn heaviest(&self, limits: Limits) -> u64 {
        let unweighed = if self.weigher.is_some() { limits.weight } else { 1 };
        self.max_weight.unwrap_or(unweighed).max(1)
    }

    fn shard_count(&self, limits: Limits, heaviest: u64) -> usize {
        let (wanted, per_share, entries_per_share) = match self.shards {
            Some(shards) => (shards, heaviest, 1),
            None => (default_shards(), heaviest.saturating_mul(HEAVIEST_PER_SHARE).max(MIN_SHARE), MIN_SHARE),
        };
        wanted.min(most_shards(limits, per_share, entries_per_share)).clamp(1, MAX_SHARDS)
    }
}

impl<K, V, S> fmt::Debug for MemCacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemCacheBuilder")
            .field("capacity", &self.capacity)
            .field("entries", &self.entries)
            .field("max_weight", &self.max_weight)
            .field("policy", &self.policy)
            .field("shards", &self.shards)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

fn default_shards() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) * SHARDS_PER_PROCESSOR
}
