//! `Catalog`: a policy joined with keys, deadlines and exact accounting.

mod slab;

use std::borrow::Borrow;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use hashbrown::HashTable;

use slab::Slab;

use crate::{Cause, Facts, Policy, PolicyKind, Slot, Timestamp};

/// How much a catalog may hold. A bound of zero on either holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sum of weights.
    pub weight: u64,
    /// Number of entries.
    pub entries: u64,
}

impl Limits {
    /// A bound on the sum of weights alone.
    pub const fn weight(weight: u64) -> Self {
        Self { weight, entries: u64::MAX }
    }

    /// A bound on the number of entries alone.
    pub const fn entries(entries: u64) -> Self {
        Self { weight: u64::MAX, entries }
    }

    /// The bound on entries replaced.
    #[must_use]
    pub const fn and_entries(self, entries: u64) -> Self {
        Self { entries, ..self }
    }
}

/// An entry offered to a [`Catalog`].
#[derive(Debug, Clone)]
pub struct Offer<K, T> {
    /// Its key.
    pub key: K,
    /// What to hold for it.
    pub value: T,
    /// Hash of the key, the same for equal keys.
    pub hash: u64,
    /// What it costs of [`Limits::weight`].
    pub weight: u64,
    /// Wall time that making the value again takes.
    pub cost: Duration,
    /// The instant from which on it is absent.
    pub expires: Timestamp,
    /// Whether the policy may not choose it: it leaves for want of room only when nothing else is left to leave.
    pub pinned: bool,
}

/// An entry that left a [`Catalog`]; dropping it is the caller's, outside of its locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure<K, T> {
    /// Its key.
    pub key: K,
    /// What was held for it.
    pub value: T,
    /// What it cost.
    pub weight: u64,
    /// Why it left.
    pub cause: Cause,
}

/// Keys and values with a budget: the one place where admission, eviction and expiry are decided.
///
/// A catalog is synchronous, reads no clock and makes no hashes: callers pass both in. Weights are added up
/// exactly, and [`weight`](Self::weight) and [`len`](Self::len) are within the limits after every call. An entry
/// heavier than the whole budget is refused and evicts nothing; expired entries make room before live ones do.
/// Everything that leaves is handed back.
///
/// ```
/// # use cache_core::{Catalog, Limits, Offer, PolicyKind, Timestamp};
/// # use std::time::Duration;
/// let mut catalog = Catalog::new(Limits::weight(10), PolicyKind::Lru);
/// let (weight, cost, expires) = (4, Duration::ZERO, Timestamp::NEVER);
/// let offer = Offer { key: "a", value: 1, hash: 7, weight, cost, expires, pinned: false };
/// catalog.insert(offer, Timestamp::EPOCH);
/// assert_eq!(catalog.get(7, "a", Timestamp::EPOCH), Some(&1));
/// assert_eq!(catalog.weight(), 4);
/// ```
pub struct Catalog<K, T> {
    index: HashTable<Slot>,
    slots: Slab<Resident<K, T>>,
    policy: Box<dyn Policy>,
    /// Deadlines of the entries that have one.
    deadlines: BTreeSet<(Timestamp, Slot)>,
    /// Entries that the policy does not know, the oldest first.
    pinned: VecDeque<Slot>,
    limits: Limits,
    /// Wider than any limit: the sum passes the limit between an admission and the evictions that pay for it.
    weight: u128,
}

struct Resident<K, T> {
    key: K,
    value: T,
    hash: u64,
    weight: u64,
    expires: Timestamp,
    pinned: bool,
}

impl<K: Eq, T> Catalog<K, T> {
    /// An empty catalog.
    pub fn new(limits: Limits, policy: PolicyKind) -> Self {
        Self {
            index: HashTable::new(),
            slots: Slab::new(),
            policy: policy.build(limits.weight),
            deadlines: BTreeSet::new(),
            pinned: VecDeque::new(),
            limits,
            weight: 0,
        }
    }

    /// Offers an entry at `now`; what left for it, the offer itself included when it was not admitted.
    ///
    /// The entry present under the key leaves in any case: it is out of date. Amortised logarithmic time, plus one
    /// step for each departure.
    pub fn insert(&mut self, offer: Offer<K, T>, now: Timestamp) -> Vec<Departure<K, T>> {
        let Offer { key, value, hash, weight, cost, expires, pinned } = offer;
        let mut left = Vec::new();
        if let Some(slot) = self.find(hash, &key) {
            let cause = if now < self.slots[slot].expires { Cause::Replaced } else { Cause::Expired };
            left.push(self.release(slot, cause));
        }
        if weight > self.limits.weight || self.max_entries() == 0 {
            left.push(Departure { key, value, weight, cause: Cause::Refused });
            return left;
        }
        if now >= expires {
            left.push(Departure { key, value, weight, cause: Cause::Expired });
            return left;
        }
        let slot = self.slots.insert(Resident { key, value, hash, weight, expires, pinned });
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |slot| slots[*slot].hash);
        if pinned {
            self.pinned.push_back(slot);
        } else {
            self.policy.insert(slot, Facts { hash, weight, cost });
        }
        if expires != Timestamp::NEVER {
            self.deadlines.insert((expires, slot));
        }
        self.weight += u128::from(weight);
        while self.is_over() {
            let Some(overdue) = self.release_overdue(now) else { break };
            left.push(overdue);
        }
        self.evict_over(Some(slot), &mut left);
        left
    }

    /// The value of `key`, counted as a hit. Constant time; takes `&self` so that hits run under a shared lock.
    pub fn get<Q: Eq + ?Sized>(&self, hash: u64, key: &Q, now: Timestamp) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        let slot = self.find(hash, key)?;
        let resident = &self.slots[slot];
        (now < resident.expires).then(|| {
            if !resident.pinned {
                self.policy.touch(slot);
            }
            &resident.value
        })
    }

    /// The value of `key`, without counting a hit.
    pub fn peek<Q: Eq + ?Sized>(&self, hash: u64, key: &Q, now: Timestamp) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        let resident = &self.slots[self.find(hash, key)?];
        (now < resident.expires).then_some(&resident.value)
    }

    /// Takes `key` out, expired or not.
    pub fn remove<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<Departure<K, T>>
    where
        K: Borrow<Q>,
    {
        let slot = self.find(hash, key)?;
        Some(self.release(slot, Cause::Removed))
    }

    /// Takes out up to `limit` entries whose time has come at `now`, the longest overdue first.
    pub fn expire(&mut self, now: Timestamp, limit: usize) -> Vec<Departure<K, T>> {
        std::iter::from_fn(|| self.release_overdue(now)).take(limit).collect()
    }

    /// The next instant at which [`expire`](Self::expire) finds something, past ones included.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|&(expires, _)| expires)
    }

    /// Takes everything out.
    pub fn clear(&mut self) -> Vec<Departure<K, T>> {
        self.index.clear();
        self.policy.clear();
        self.deadlines.clear();
        self.pinned.clear();
        self.weight = 0;
        let residents = self.slots.drain();
        residents.map(|resident| resident.depart(Cause::Cleared)).collect()
    }

    /// Sets new limits; what left for them.
    pub fn resize(&mut self, limits: Limits) -> Vec<Departure<K, T>> {
        self.limits = limits;
        self.policy.resize(limits.weight);
        let mut left = Vec::new();
        self.evict_over(None, &mut left);
        left
    }

    /// The limits.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Sum of the weights held, expired entries included until they are swept.
    pub const fn weight(&self) -> u64 {
        self.weight as u64
    }

    /// Number of entries held, expired ones included until they are swept.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Keys and values unexpired at `now`, in no promised order.
    pub fn iter(&self, now: Timestamp) -> impl Iterator<Item = (&K, &T)> {
        self.page(0, self.places(), now)
    }

    /// Number of places: an upper bound for [`page`](Self::page).
    pub fn places(&self) -> usize {
        self.slots.places()
    }

    /// Keys and values unexpired at `now` in the places from `start` to `end`, the latter excluded.
    ///
    /// A key keeps its place as long as it is held, replacements included. Who reads a catalog in pages, changed
    /// in between, sees each key that is held all the time exactly once.
    pub fn page(&self, start: usize, end: usize, now: Timestamp) -> impl Iterator<Item = (&K, &T)> {
        let residents = self.slots.range(start, end).filter(move |resident| now < resident.expires);
        residents.map(|resident| (&resident.key, &resident.value))
    }

    /// Recounts everything; the first disagreement found, for tests.
    ///
    /// # Errors
    /// A description of what does not add up.
    #[doc(hidden)]
    pub fn validate(&self) -> Result<(), String> {
        let weight: u128 = self.slots.iter().map(|resident| u128::from(resident.weight)).sum();
        let deadlines = self.slots.iter().filter(|resident| resident.expires != Timestamp::NEVER).count();
        let counts = [self.slots.len(), self.policy.len() + self.pinned.len()];
        if weight != self.weight {
            return Err(format!("weights sum to {weight}, accounted {}", self.weight));
        }
        if counts != [self.index.len(); 2] {
            return Err(format!("[slots, policy] hold {counts:?}, the index {}", self.index.len()));
        }
        if deadlines != self.deadlines.len() {
            return Err(format!("{deadlines} entries have deadlines, {} are noted", self.deadlines.len()));
        }
        if self.is_over() {
            return Err(format!("weight {weight}, entries {} exceed {:?}", self.len(), self.limits));
        }
        Ok(())
    }

    fn find<Q: Eq + ?Sized>(&self, hash: u64, key: &Q) -> Option<Slot>
    where
        K: Borrow<Q>,
    {
        self.index.find(hash, |&slot| self.slots[slot].key.borrow() == key).copied()
    }

    /// Takes a resident out of everything.
    fn release(&mut self, slot: Slot, cause: Cause) -> Departure<K, T> {
        let resident = self.slots.remove(slot);
        if resident.pinned {
            self.pinned.retain(|other| *other != slot);
        } else {
            self.policy.remove(slot);
        }
        if let Ok(place) = self.index.find_entry(resident.hash, |&other| other == slot) {
            place.remove();
        }
        self.deadlines.remove(&(resident.expires, slot));
        self.weight -= u128::from(resident.weight);
        resident.depart(cause)
    }

    /// Takes out the longest overdue entry.
    fn release_overdue(&mut self, now: Timestamp) -> Option<Departure<K, T>> {
        let &(expires, slot) = self.deadlines.first()?;
        (now >= expires).then(|| self.release(slot, Cause::Expired))
    }

    /// Entries without weight fit into any sum of weights: a capacity of zero holds none of them either.
    fn max_entries(&self) -> u64 {
        if self.limits.weight == 0 { 0 } else { self.limits.entries.min(slab::MAX_LEN) }
    }

    fn is_over(&self) -> bool {
        self.weight > u128::from(self.limits.weight) || self.len() as u64 > self.max_entries()
    }

    fn evict_over(&mut self, newest: Option<Slot>, left: &mut Vec<Departure<K, T>>) {
        while self.is_over() {
            let Some(victim) = self.policy.evict().or_else(|| self.pinned.front().copied()) else { return };
            let cause = if Some(victim) == newest { Cause::Refused } else { Cause::Capacity };
            left.push(self.release(victim, cause));
        }
    }
}

impl<K, T> Resident<K, T> {
    fn depart(self, cause: Cause) -> Departure<K, T> {
        Departure { key: self.key, value: self.value, weight: self.weight, cause }
    }
}

impl<K, T> fmt::Debug for Catalog<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("entries", &self.index.len())
            .field("weight", &self.weight)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
