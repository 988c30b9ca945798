//! `MemCache`: typed values in this process, found under a shared lock.

mod builder;
mod fill;
mod scan;
mod shard;
mod stats;
mod terms;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(doc)]
use cache_core::PolicyKind;
use cache_core::{Cause, Clock, Departure, Limits, Offer, Swept, Timestamp};
use parking_lot::{Mutex, RwLockWriteGuard};

pub use builder::MemCacheBuilder;
pub(crate) use scan::Position;
pub use stats::MemStats;
pub use terms::{Admission, Terms};

use crate::hash::Secrets;
use builder::{Listener, Weigher};
use shard::{Shard, State, most_shards, shares};

/// Values dropped under one lock by a sweep or a resize.
const BATCH: usize = 256;
/// An odd number of random bits.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15;

/// Typed values in this process, within a budget of weight and of entries.
///
/// A hit takes the shared lock of one shard, clones the value and returns: no allocation, no exclusive lock, no
/// await; it reads a clock only where the value has a deadline. Values are therefore cheap to clone, typically an
/// [`Arc`]. Expired values are never returned. An insertion takes the exclusive lock for constant time (logarithmic with
/// [`Gdsf`](PolicyKind::Gdsf)) and one step for each value that leaves, each of which looks at some hundred others at
/// most; save where a table grows or a sketch halves its counts, which takes about a millisecond for a million values.
/// [`Lru`](PolicyKind::Lru) and [`Slru`](PolicyKind::Slru) keep an exact order, and put it right on eviction: one
/// insertion may pay for all hits since the last one.
///
/// # Shards
/// The capacity is split exactly over the shards, each with a lock and an eviction order of its own; a key
/// belongs to one of them by a hash of the whole key, by default under secrets that are drawn at random for each cache,
/// so nobody can aim at a shard or at a bucket of its table. A value heavier than the share of its shard is
/// [refused](Admission::Refused). [`MemCacheBuilder::max_weight`] promises a weight that every shard takes, and the
/// number of shards follows from it: a cache that is small in these terms has one shard, and its eviction order is then
/// exactly that of its policy. What the default policy finds out by trials it finds out in one shard, for all.
///
/// # Limits and lifetimes at their ends
/// A capacity of zero, by weight or by number, refuses everything. A value of weight 0 takes none of the capacity but
/// counts in the number. Weights up to [`u64::MAX`] add up exactly. A deadline that has come already makes an offer
/// [expired](Admission::Expired), and the value present leaves all the same; one centuries ahead is kept to the
/// millisecond; [`Timestamp::NEVER`] never comes. Clocks do not go back, as [`Clock`] demands: one that does serves again
/// what had expired and was not swept yet. Keys of equal hashes stay apart: they cost time, as each look compares
/// with all of them, and share one shard.
///
/// # What runs where
/// The weigher, the listener, initialisers and the destructors of values run outside the locks and may use the cache;
/// when one panics, the cache stays consistent. `Eq`, `Hash`, `Borrow` and `ToOwned` of the key, `Clone` of the value, the clock and
/// predicates run under the lock of a shard and must not use the cache: it may deadlock.
///
/// ```
/// # use cache_mem::MemCache;
/// let cache: MemCache<String, u32> = MemCache::builder().entries(100).build();
/// cache.insert("answer".to_owned(), 42);
/// assert_eq!(cache.get("answer"), Some(42));
/// assert_eq!(cache.remove("answer"), Some(42));
/// assert_eq!(cache.get("answer"), None);
/// ```
pub struct MemCache<K, V, S = Secrets> {
    shards: Box<[Shard<K, V>]>,
    /// How many of them, from the first one on, hold keys. It changes under all of their locks.
    dealt: AtomicUsize,
    /// The weight that each of these takes.
    heaviest: u64,
    hasher: S,
    clock: Arc<dyn Clock>,
    weigher: Option<Weigher<K, V>>,
    listener: Option<Listener<K, V>>,
    /// Held while shares change, so that two resizes never mix.
    limits: Mutex<Limits>,
    /// Where the next sweep starts, so that a limited one never starves a shard.
    next_sweep: AtomicUsize,
}

impl<K: Hash + Eq, V: Clone> MemCache<K, V> {
    /// Starts a cache.
    pub fn builder() -> MemCacheBuilder<K, V> {
        MemCacheBuilder::new()
    }
}

impl<K: Hash + Eq, V: Clone, S: BuildHasher> MemCache<K, V, S> {
    /// The value of `key`, counted as a hit by the policy.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.place(key);
        let state = shard.read();
        state.catalog.get_if(hash, key, |expires| self.is_ahead(expires)).cloned()
    }

    /// What `pick` makes of the value of `key` and an instant, counted as a hit by the policy.
    ///
    /// It saves the clone of a value of which an answer needs little, and the exact time: the instant is the clock's
    /// [`latest`](Clock::latest), so that a value may count as expired by that much too early, and never too late.
    pub fn get_with<Q, T>(&self, key: &Q, pick: impl FnOnce(&V, Timestamp) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.place(key);
        let state = shard.read();
        let latest = self.clock.latest();
        state.catalog.get(hash, key, latest).map(|value| pick(value, latest))
    }

    /// The value of `key`, not counted as a hit.
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.place(key);
        let state = shard.read();
        state.catalog.peek(hash, key, self.clock.now()).cloned()
    }

    /// Whether `key` has a value; not counted as a hit.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.place(key);
        let state = shard.read();
        state.catalog.peek(hash, key, self.clock.now()).is_some()
    }

    /// Offers a value that never expires, with the weigher's weight, and no cost.
    pub fn insert(&self, key: K, value: V) -> Admission {
        self.insert_with(key, value, Terms::new())
    }

    /// Offers a value on `terms`. The value present leaves, even when the new one is not admitted: it is out of
    /// date.
    pub fn insert_with(&self, key: K, value: V, terms: Terms) -> Admission {
        self.offer(key, value, terms, |_, _, _| true)
    }

    /// Offers a value on `terms` if `accepts` agrees, seeing the unexpired value present, with nothing in between.
    pub fn insert_if(&self, key: K, value: V, terms: Terms, accepts: impl FnOnce(Option<&V>) -> bool) -> Admission {
        self.offer(key, value, terms, |state, offer, now| accepts(state.catalog.peek(offer.hash, &offer.key, now)))
    }

    /// Takes the value of `key` out, if it has not expired. What is being filled under the key meanwhile is not held
    /// afterwards, whether there was a value or not.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.remove_if(key, |_| true)
    }

    /// Takes the unexpired value of `key` out if `agrees`, with nothing in between.
    pub fn remove_if<Q>(&self, key: &Q, agrees: impl FnOnce(&V) -> bool) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let (_, mut state) = self.lock(hash);
        let now = self.clock.now();
        if state.catalog.peek(hash, key, now).is_some_and(|value| !agrees(value)) {
            return None;
        }
        let left = state.remove(hash, key, now)?;
        drop(state);
        self.report([&left]);
        (left.cause == Cause::Removed).then_some(left.value)
    }

    /// Drops everything; how many values were held, expired ones included. Each lock is held for constant time. The
    /// listener hears of it when all shards are empty. What is being filled meanwhile is not held afterwards.
    pub fn clear(&self) -> u64 {
        let now = self.clock.now();
        let left: Vec<_> = self.shards.iter().map(|shard| shard.clear(now)).collect();
        self.report(left.iter().flatten());
        left.iter().map(|left| left.len() as u64).sum()
    }

    /// Drops up to `limit` values that have expired at `now`, holding each lock for a bounded number of them.
    pub fn sweep(&self, now: Timestamp, limit: usize) -> Swept {
        let mut swept = Swept::default();
        let start = self.next_sweep.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        let (behind, ahead) = self.shards.split_at(start);
        for shard in ahead.iter().chain(behind) {
            loop {
                let budget = (limit - swept.expired as usize).min(BATCH);
                let mut state = shard.write();
                let left = state.expire(now, budget);
                let more = state.catalog.is_overdue(now);
                drop(state);
                swept += Swept::new(left.len() as u64, left.iter().map(|departure| departure.weight).sum(), false);
                self.report(&left);
                if !more || budget == 0 {
                    break;
                }
            }
        }
        swept.more = self.shards.iter().any(|shard| shard.write().catalog.is_overdue(now));
        swept
    }

    /// Sets new limits, split over the same shards. Shrinking holds the lock of a shard for some hundred values at a time
    /// where they weigh about the same, and for longer where light ones leave for the weight of heavy ones. Memory comes
    /// back by [`clear`](Self::clear) alone.
    ///
    /// Below the number of shards, or where a share would not take the
    /// [promised weight](MemCacheBuilder::max_weight), only as many shards hold keys as have a share that does; with
    /// larger limits the others hold keys again. Where that number changes, keys change their shards, and the cache is
    /// cleared.
    pub fn resize(&self, limits: Limits) {
        let mut current = self.limits.lock();
        *current = limits;
        let now = self.clock.now();
        let dealt = most_shards(limits, self.heaviest, 1).clamp(1, self.shards.len());
        let shares = shares(limits, dealt, self.shards.len());
        let mut left = Vec::new();
        if dealt == self.dealt.load(Ordering::Relaxed) {
            for (shard, share) in self.shards.iter().zip(shares) {
                left.extend(shard.resize(share, now));
            }
        } else {
            let mut states: Vec<_> = self.shards.iter().map(Shard::write).collect();
            let empty = |(state, share): (&mut RwLockWriteGuard<'_, State<K, V>>, _)| {
                let old = state.empty();
                // Nothing is there to leave.
                drop(state.resize(share, now));
                old
            };
            let old: Vec<_> = states.iter_mut().zip(shares).map(empty).collect();
            self.dealt.store(dealt, Ordering::Relaxed);
            drop(states);
            left.extend(self.shards.iter().zip(old).flat_map(|(shard, old)| shard.drain(old, now)));
        }
        drop(current);
        self.report(&left);
    }

    /// Number of values held, expired ones included until they are swept.
    pub fn len(&self) -> usize {
        self.stats().entries as usize
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of the weights held, expired values included until they are swept.
    pub fn weight(&self) -> u64 {
        self.stats().weight
    }

    /// The limits of the whole cache.
    pub fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// What is held, and what became of the rest; consistent for each shard, and exact while nothing is written.
    pub fn stats(&self) -> MemStats {
        let mut stats = MemStats::default();
        for shard in &self.shards {
            stats += shard.read().stats();
        }
        stats
    }

    /// Recounts everything; the first disagreement found, for tests.
    ///
    /// # Errors
    /// A description of what does not add up.
    #[doc(hidden)]
    pub fn validate(&self) -> Result<(), String> {
        let limits = self.limits.lock();
        let shares = shares(*limits, self.dealt.load(Ordering::Relaxed), self.shards.len());
        self.shards.iter().zip(shares).try_for_each(|(shard, share)| {
            let state = shard.read();
            let mut keys = state.catalog.iter(Timestamp::EPOCH).map(|(key, _)| key);
            if keys.any(|key| !std::ptr::eq(shard, self.shard(self.hash(key)))) {
                return Err("a key is in a shard where nobody looks for it".to_owned());
            }
            state.validate(share)
        })
    }

    fn offer(
        &self,
        key: K,
        value: V,
        terms: Terms,
        accepts: impl FnOnce(&mut State<K, V>, &Offer<K, V>, Timestamp) -> bool,
    ) -> Admission {
        let weight = terms.weight.unwrap_or_else(|| self.weigher.as_ref().map_or(1, |weigh| weigh(&key, &value)));
        let hash = self.hash(&key);
        // It outlives the lock, panics included: dropping its value may use the cache.
        let offer = Offer { key, value, hash, weight, cost: terms.cost, expires: terms.expires, pinned: terms.pinned };
        let (_, mut state) = self.lock(hash);
        // Where nothing ever expires, no time is as good as any.
        let is_timeless = terms.expires == Timestamp::NEVER && state.catalog.next_expiry().is_none();
        let now = if is_timeless { Timestamp::EPOCH } else { self.clock.now() };
        if !accepts(&mut state, &offer, now) {
            drop(state);
            drop(offer);
            return Admission::Declined;
        }
        let left = state.insert(offer, now);
        drop(state);
        // The offer departs last if at all, and nothing else does for these reasons after it.
        let admission = match left.last().map(|last| last.cause) {
            Some(Cause::Refused) => Admission::Refused,
            Some(Cause::Expired) if now >= terms.expires && terms.expires != Timestamp::NEVER => Admission::Expired,
            _ => Admission::Stored,
        };
        self.report(&left);
        admission
    }

    /// The shard and the hash of `key`.
    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> (&Shard<K, V>, u64) {
        let hash = self.hash(key);
        (self.shard(hash), hash)
    }

    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        // Folded, so that a hasher which tells keys apart in a few bits only still spreads them.
        let wide = u128::from(self.hasher.hash_one(key)) * MIX;
        wide as u64 ^ (wide >> u64::BITS) as u64
    }

    fn shard(&self, hash: u64) -> &Shard<K, V> {
        // Relaxed: who has to know exactly looks under a lock.
        let dealt = self.dealt.load(Ordering::Relaxed) as u64;
        // The upper half: a catalog uses the lower one.
        let index = ((hash >> u32::BITS) * dealt) >> u32::BITS;
        &self.shards[index as usize]
    }

    /// The shard of the keys of `hash`, under its exclusive lock.
    fn lock(&self, hash: u64) -> (&Shard<K, V>, RwLockWriteGuard<'_, State<K, V>>) {
        loop {
            let shard = self.shard(hash);
            let state = shard.write();
            // A resize may have dealt them to another one meanwhile.
            if std::ptr::eq(shard, self.shard(hash)) {
                return (shard, state);
            }
        }
    }

    /// Whether a deadline has not come yet. The exact time is read only where the cheap one does not settle it.
    fn is_ahead(&self, expires: Timestamp) -> bool {
        self.clock.latest() < expires || self.clock.now() < expires
    }

    /// Tells the listener what left, outside of every lock; dropping it there is the caller's.
    fn report<'a>(&self, left: impl IntoIterator<Item = &'a Departure<K, V>>)
    where
        (K, V): 'a,
    {
        let Some(listener) = &self.listener else { return };
        for left in left {
            listener(&left.key, &left.value, left.cause);
        }
    }
}

impl<K, V, S> fmt::Debug for MemCache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemCache")
            .field("limits", &*self.limits.lock())
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}
