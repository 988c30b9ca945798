//! `Shard`: one catalog with its counts behind one lock.

use std::borrow::Borrow;
use std::fmt;

use cache_core::{Catalog, Cause, Departure, Departures, Limits, Offer, Timestamp};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::fill::Fills;
use super::{BATCH, MemStats};

/// A part of a cache. Aligned so that the locks of two shards never share a cache line.
#[repr(align(128))]
pub(super) struct Shard<K, V> {
    state: RwLock<State<K, V>>,
}

/// What the lock of a shard guards.
pub(super) struct State<K, V> {
    pub(super) catalog: Catalog<K, V>,
    pub(super) fills: Fills<K, V>,
    /// Counts alone; what is held is the catalog's to say.
    stats: MemStats,
}

impl<K: Eq, V> Shard<K, V> {
    pub(super) fn new(catalog: Catalog<K, V>) -> Self {
        Self { state: RwLock::new(State { catalog, fills: Fills::new(), stats: MemStats::default() }) }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State<K, V>> {
        self.state.read()
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State<K, V>> {
        self.state.write()
    }

    /// Sets new limits, in parts, with the lock open in between; what left.
    pub(super) fn resize(&self, limits: Limits, now: Timestamp) -> Vec<Departure<K, V>> {
        let mut left = Vec::new();
        loop {
            let mut state = self.state.write();
            let part = state.part_of(limits);
            let departures = state.resize(part, now);
            drop(state);
            left.extend(departures);
            if part == limits {
                return left;
            }
        }
    }

    /// Takes everything out; the lock is held only while a new catalog takes the place of the old one.
    pub(super) fn clear(&self, now: Timestamp) -> Vec<Departure<K, V>> {
        let old = self.state.write().empty();
        self.drain(old, now)
    }

    /// Takes everything out of a catalog that this shard had.
    pub(super) fn drain(&self, mut old: Catalog<K, V>, now: Timestamp) -> Vec<Departure<K, V>> {
        let left = old.clear(now);
        let expired = left.iter().filter(|departure| departure.cause == Cause::Expired).count() as u64;
        if expired > 0 {
            let mut state = self.state.write();
            state.stats.cleared -= expired;
            state.stats.expired += expired;
        }
        left
    }
}

impl<K: Eq, V> State<K, V> {
    /// Puts an empty catalog in the place of the one there is, which counts as cleared.
    pub(super) fn empty(&mut self) -> Catalog<K, V> {
        let fresh = self.catalog.successor();
        let old = std::mem::replace(&mut self.catalog, fresh);
        self.fills.outdate_all();
        self.stats.cleared += old.len() as u64;
        old
    }

    pub(super) fn insert(&mut self, offer: Offer<K, V>, now: Timestamp) -> Departures<K, V> {
        self.fills.outdate(&offer.key);
        let left = self.catalog.insert(offer, now);
        self.stats.inserted += 1;
        // Not a loop: within, the iterator is much faster.
        left.iter().for_each(|departure| self.stats.count(departure.cause));
        left
    }

    /// Takes `key` out.
    pub(super) fn remove<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q, now: Timestamp) -> Option<Departure<K, V>>
    where
        K: Borrow<Q>,
    {
        self.fills.outdate(key);
        let left = self.catalog.remove(hash, key, now)?;
        self.stats.count(left.cause);
        Some(left)
    }

    pub(super) fn expire(&mut self, now: Timestamp, limit: usize) -> Vec<Departure<K, V>> {
        let left = self.catalog.expire(now, limit);
        for departure in &left {
            self.stats.count(departure.cause);
        }
        left
    }

    pub(super) fn resize(&mut self, limits: Limits, now: Timestamp) -> Departures<K, V> {
        let left = self.catalog.resize(limits, now);
        for departure in &left {
            self.stats.count(departure.cause);
        }
        left
    }

    /// Limits on the way to others that are far below what is held: about [`BATCH`] values have to leave for them.
    fn part_of(&self, limits: Limits) -> Limits {
        let (weight, entries) = (self.catalog.weight(), self.catalog.len() as u64);
        let batch = weight.div_ceil(entries.max(1)).saturating_mul(BATCH as u64);
        Limits {
            weight: limits.weight.max(weight.saturating_sub(batch)),
            entries: limits.entries.max(entries.saturating_sub(BATCH as u64)),
        }
    }

    pub(super) fn stats(&self) -> MemStats {
        MemStats { entries: self.catalog.len() as u64, weight: self.catalog.weight(), ..self.stats }
    }

    /// Recounts everything.
    pub(super) fn validate(&self, share: Limits) -> Result<(), String> {
        self.catalog.validate()?;
        let stats = self.stats();
        if stats.inserted != stats.departed() + stats.entries {
            return Err(format!("{stats:?} does not add up"));
        }
        if self.catalog.limits() != share {
            return Err(format!("the share is {:?}, should be {share:?}", self.catalog.limits()));
        }
        Ok(())
    }
}

impl<K, V> fmt::Debug for Shard<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

/// The share of each of `shards`, of which the first ones, as many as are `dealt`, have one; they add up to `limits`.
pub(super) fn shares(limits: Limits, dealt: usize, shards: usize) -> impl Iterator<Item = Limits> {
    let share = move |index| Limits {
        weight: share(limits.weight, dealt, index),
        entries: share(limits.entries, dealt, index),
    };
    (0..dealt).map(share).chain((dealt..shards).map(|_| Limits::weight(0).and_entries(0)))
}

/// How many shards have a share of `limits` that takes the weight and the number.
pub(super) fn most_shards(limits: Limits, weight: u64, entries: u64) -> usize {
    usize::try_from((limits.weight / weight).min(limits.entries / entries)).unwrap_or(usize::MAX)
}

/// The part of `total` that the shard `index` of `shards` gets; the parts add up to `total`.
fn share(total: u64, shards: usize, index: usize) -> u64 {
    let shards = shards as u64;
    total / shards + u64::from((index as u64) < total % shards)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cache_core::PolicyKind;

    use super::*;

    #[test]
    fn a_shard_shrinks_in_parts_that_end_at_its_limits() {
        for weight in [0, 1, 1_000] {
            for limits in [Limits::entries(10), Limits::weight(0), Limits::weight(5_000).and_entries(7)] {
                let shard = Shard::new(Catalog::new(Limits::weight(u64::MAX), PolicyKind::Agd));
                for key in 0..5_000_u64 {
                    let offer = Offer {
                        key,
                        value: (),
                        hash: key.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                        weight,
                        cost: Duration::ZERO,
                        expires: Timestamp::NEVER,
                        pinned: false,
                    };
                    assert!(shard.write().insert(offer, Timestamp::EPOCH).is_empty());
                }
                let part = shard.read().part_of(limits);
                assert!(limits == Limits::weight(0) && weight == 0 || part != limits);
                let left = shard.write().resize(part, Timestamp::EPOCH);
                assert!(left.len() <= BATCH || weight == 0, "{} at once", left.len());
                shard.resize(limits, Timestamp::EPOCH);
                assert_eq!(shard.read().validate(limits), Ok(()));
            }
        }
    }

    #[test]
    fn shares_add_up_and_differ_by_one_at_most() {
        for total in [0, 1, 7, 64, 1_000_003, u64::MAX] {
            for shards in [1, 2, 3, 7, 64] {
                let shares = (0..shards).map(|index| share(total, shards, index));
                assert_eq!(shares.clone().sum::<u64>(), total);
                assert!(shares.clone().max() <= shares.min().map(|least| least.saturating_add(1)));
            }
        }
    }
}
