//! `Catalog`: a policy joined with keys, deadlines and exact accounting.

mod chosen;
mod departures;
mod index;
mod offer;
mod rings;
mod room;
mod slab;
mod view;
mod wheel;

use std::borrow::Borrow;
use std::fmt;

pub use departures::{Departure, Departures};
pub use offer::{Limits, Offer};

use chosen::Chosen;
use index::Index;
use rings::{NIL, Rings};
use slab::Slab;
use wheel::Wheel;

use crate::policy::column::Column;
use crate::{Cause, PolicyKind, Slot, Timestamp};

/// How often one call may move an entry within the wheel of deadlines: what bounds its time.
const MOVES: usize = 64;

/// Keys and values with a budget: the one place where admission, eviction and expiry are decided.
///
/// A catalog is synchronous, reads no clock and makes no hashes: callers pass both in. Weights are added up
/// exactly, and [`weight`](Self::weight) and [`len`](Self::len) are within the limits after every call. An entry
/// heavier than the whole budget is refused and evicts nothing. Expired entries make room before live ones do, as far as
/// a bounded search finds them: deadlines far ahead are sorted roughly, and each call sorts 64 of them further at most,
/// so where many lie close together and nobody calls [`expire`](Self::expire), a few live ones may go first. Everything
/// that leaves is handed back.
///
/// ```
/// # use cache_core::{Catalog, Limits, Offer, PolicyKind, Timestamp};
/// # use std::time::Duration;
/// let mut catalog = Catalog::new(Limits::weight(10), PolicyKind::Lru);
/// let (weight, cost, expires) = (4, Duration::ZERO, Timestamp::NEVER);
/// let offer = Offer { key: "a", value: 1, hash: 7, weight, cost, expires, pinned: false };
/// assert!(catalog.insert(offer, Timestamp::EPOCH).is_empty());
/// assert_eq!(catalog.get(7, "a", Timestamp::EPOCH), Some(&1));
/// assert_eq!(catalog.weight(), 4);
/// ```
pub struct Catalog<K, T> {
    index: Index,
    /// All that a hit needs of most entries: what else is known of them stands apart.
    slots: Slab<Resident<K, T>>,
    weights: Column<u64>,
    deadlines: Column<Timestamp>,
    /// Entries that have a deadline.
    wheel: Wheel,
    kind: PolicyKind,
    policy: Chosen,
    /// Entries that the policy does not know.
    pinned: Rings,
    /// The one of them that has been held longest.
    first_pinned: u32,
    pinned_len: usize,
    limits: Limits,
    /// Whether the policy is told weights: the same for all entries that it knows.
    weighs: bool,
    /// Wider than any limit: the sum passes the limit between an admission and the evictions that pay for it.
    weight: u128,
}

struct Resident<K, T> {
    key: K,
    value: T,
}

impl<K: Eq, T> Catalog<K, T> {
    /// An empty catalog.
    pub fn new(limits: Limits, policy: PolicyKind) -> Self {
        Self::with(limits, policy, Chosen::new(policy, limits.planned()))
    }

    /// An empty catalog for another part of the same cache: its policy goes by the trials that this one's makes.
    pub fn sibling(&self, limits: Limits) -> Self {
        Self::with(limits, self.kind, self.policy.sibling(self.kind, limits.planned()))
    }

    /// An empty catalog in the place of this one, with the same limits and the same part in trials.
    pub fn successor(&self) -> Self {
        Self::with(self.limits, self.kind, self.policy.successor(self.kind, self.limits.planned()))
    }

    fn with(limits: Limits, kind: PolicyKind, policy: Chosen) -> Self {
        Self {
            index: Index::new(),
            slots: Slab::new(),
            weights: Column::new(1),
            deadlines: Column::new(Timestamp::NEVER),
            wheel: Wheel::new(),
            kind,
            policy,
            pinned: Rings::new(),
            first_pinned: NIL,
            pinned_len: 0,
            limits,
            weighs: limits.weighs(),
            weight: 0,
        }
    }

    /// Offers an entry at `now`; what left for it, the offer itself included when it was not admitted.
    ///
    /// The entry present under the key leaves in any case: it is out of date. The new one takes over its place and,
    /// when they weigh the same, what the policy knows of its use; the replacement itself counts as a hit. Amortised
    /// logarithmic time, plus one step for each departure.
    pub fn insert(&mut self, offer: Offer<K, T>, now: Timestamp) -> Departures<K, T> {
        let mut left = Departures::new();
        let present = self.find(offer.hash, &offer.key);
        let refused = match offer {
            Offer { weight, .. } if weight > self.limits.weight || self.max_entries() == 0 => Some(Cause::Refused),
            Offer { expires, .. } if !is_ahead(expires, now) => Some(Cause::Expired),
            _ => None,
        };
        if let Some(cause) = refused {
            if let Some(slot) = present {
                left.push(self.release(slot, Cause::Replaced, now));
            }
            left.push(Departure { key: offer.key, value: offer.value, weight: offer.weight, cause });
            return left;
        }
        let before = self.weight;
        let slot = if let Some(slot) = present {
            left.push(self.replace(slot, offer, now));
            slot
        } else {
            self.admit(offer, now)
        };
        if present.is_none() || self.weight > before {
            self.make_room(Some(slot), now, &mut left);
        }
        left
    }

    /// The value of `key`, counted as a hit. Constant time; takes `&self` so that hits run under a shared lock.
    pub fn get<Q: Eq + ?Sized>(&self, hash: u64, key: &Q, now: Timestamp) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        self.get_if(hash, key, |expires| now < expires)
    }

    /// The value of `key`, counted as a hit, if its deadline `is_ahead`, which is asked only where there is one: who
    /// reads a clock for it reads none for the others.
    #[inline]
    pub fn get_if<Q: Eq + ?Sized>(&self, hash: u64, key: &Q, is_ahead: impl FnOnce(Timestamp) -> bool) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        let slot = self.find(hash, key)?;
        let expires = self.deadlines.get(slot);
        (expires == Timestamp::NEVER || is_ahead(expires)).then(|| {
            // A pinned entry is not the policy's; that touches nothing.
            self.policy.touch(slot);
            &self.slots[slot].value
        })
    }

    /// The value of `key`, without counting a hit.
    pub fn peek<Q: Eq + ?Sized>(&self, hash: u64, key: &Q, now: Timestamp) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        let slot = self.find(hash, key)?;
        self.is_live(slot, now).then(|| &self.slots[slot].value)
    }

    /// Takes `key` out at `now`: as removed, or as expired when its time has come.
    pub fn remove<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q, now: Timestamp) -> Option<Departure<K, T>>
    where
        K: Borrow<Q>,
    {
        let slot = self.find(hash, key)?;
        Some(self.release(slot, Cause::Removed, now))
    }

    /// Takes out up to `limit` entries whose time has come at `now`, the longest overdue first.
    ///
    /// The time it takes is bounded by `limit`. It may therefore stop early among many deadlines that lie far apart:
    /// all are out when [`next_expiry`](Self::next_expiry) is after `now`.
    pub fn expire(&mut self, now: Timestamp, limit: usize) -> Vec<Departure<K, T>> {
        let mut moves = limit.saturating_add(1).saturating_mul(MOVES);
        std::iter::from_fn(|| self.release_overdue(now, &mut moves)).take(limit).collect()
    }

    /// An instant before which [`expire`](Self::expire) finds nothing, past ones included; none without deadlines.
    ///
    /// It is at most the first deadline, and after every instant at which [`expire`](Self::expire) left nothing behind.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.wheel.next()
    }

    /// Whether [`expire`](Self::expire) has something to do at `now`. The time it takes is bounded; where that does not
    /// suffice to know, it has.
    pub fn is_overdue(&mut self, now: Timestamp) -> bool {
        let (mut moves, deadlines) = (MOVES, &self.deadlines);
        self.wheel.overdue(now, &mut moves, &|slot| deadlines.get(slot)).is_some() || moves == 0
    }

    /// Takes everything out at `now`: as cleared, or as expired when its time has come.
    pub fn clear(&mut self, now: Timestamp) -> Vec<Departure<K, T>> {
        self.index.clear();
        self.policy.clear();
        self.wheel.clear();
        self.pinned.clear();
        (self.first_pinned, self.pinned_len) = (NIL, 0);
        self.weight = 0;
        let weights = std::mem::replace(&mut self.weights, Column::new(1));
        let deadlines = std::mem::replace(&mut self.deadlines, Column::new(Timestamp::NEVER));
        let slots = (0..).map(Slot);
        let residents = slots.zip(self.slots.drain()).filter_map(|(slot, resident)| {
            let cause = if is_ahead(deadlines.get(slot), now) { Cause::Cleared } else { Cause::Expired };
            Some(resident?.depart(weights.get(slot), cause))
        });
        residents.collect()
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
        self.len() == 0
    }

    #[inline]
    fn find<Q: Eq + ?Sized>(&self, hash: u64, key: &Q) -> Option<Slot>
    where
        K: Borrow<Q>,
    {
        self.index.find(hash, |slot| self.slots[slot].key.borrow() == key)
    }

    fn is_live(&self, slot: Slot, now: Timestamp) -> bool {
        is_ahead(self.deadlines.get(slot), now)
    }

    /// Makes a resident of an offer whose key is absent.
    fn admit(&mut self, offer: Offer<K, T>, now: Timestamp) -> Slot {
        self.choose_unit();
        let Offer { key, value, hash, weight, cost, expires, pinned } = offer;
        let slot = self.slots.insert(Resident { key, value });
        self.index.insert(hash, slot);
        self.weights.set(slot, weight);
        self.weight += u128::from(weight);
        self.set_deadline(slot, expires, now);
        if pinned {
            self.pin(slot);
        } else {
            self.policy.insert(slot, self.facts(hash, weight, cost));
        }
        slot
    }

    /// Makes a resident of an offer in the place of the one under the same key.
    fn replace(&mut self, slot: Slot, offer: Offer<K, T>, now: Timestamp) -> Departure<K, T> {
        let Offer { key, value, hash, weight, cost, expires, pinned } = offer;
        let cause = self.cause(slot, Cause::Replaced, now);
        let old_weight = self.weights.get(slot);
        let old = std::mem::replace(&mut self.slots[slot], Resident { key, value });
        self.weights.set(slot, weight);
        self.weight = self.weight - u128::from(old_weight) + u128::from(weight);
        if self.deadlines.get(slot) != expires {
            self.set_deadline(slot, expires, now);
        }
        let facts = self.facts(hash, weight, cost);
        if !pinned && weight == old_weight && !self.pinned.contains(slot) {
            self.policy.update(slot, facts);
        } else {
            self.forget(slot);
            if pinned {
                self.pin(slot);
            } else {
                self.policy.insert(slot, facts);
            }
        }
        old.depart(old_weight, cause)
    }

    fn set_deadline(&mut self, slot: Slot, expires: Timestamp, now: Timestamp) {
        self.wheel.remove(slot);
        self.deadlines.set(slot, expires);
        if expires != Timestamp::NEVER {
            self.wheel.insert(slot, expires, now);
        }
    }

    fn pin(&mut self, slot: Slot) {
        self.pinned.push(&mut self.first_pinned, slot);
        self.pinned_len += 1;
    }

    /// Leaves `slot` neither to the policy nor pinned.
    fn forget(&mut self, slot: Slot) {
        if self.pinned.contains(slot) {
            self.pinned.unlink(&mut self.first_pinned, slot);
            self.pinned_len -= 1;
        } else {
            self.policy.remove(slot);
        }
    }

    /// Why a resident leaves at `now` for `cause`: its time may have come unnoticed.
    fn cause(&self, slot: Slot, cause: Cause, now: Timestamp) -> Cause {
        if self.is_live(slot, now) { cause } else { Cause::Expired }
    }

    /// Takes a resident out of everything.
    fn release(&mut self, slot: Slot, cause: Cause, now: Timestamp) -> Departure<K, T> {
        self.forget(slot);
        self.take(slot, cause, now)
    }

    /// Takes a resident out that is neither the policy's nor pinned.
    fn take(&mut self, slot: Slot, cause: Cause, now: Timestamp) -> Departure<K, T> {
        let cause = self.cause(slot, cause, now);
        let weight = self.weights.get(slot);
        self.index.remove(slot);
        self.wheel.remove(slot);
        self.weights.set(slot, 1);
        self.deadlines.set(slot, Timestamp::NEVER);
        self.weight -= u128::from(weight);
        self.slots.remove(slot).depart(weight, cause)
    }

    /// Takes out the longest overdue entry, if `moves` within the wheel suffice to find it.
    fn release_overdue(&mut self, now: Timestamp, moves: &mut usize) -> Option<Departure<K, T>> {
        let deadlines = &self.deadlines;
        let slot = self.wheel.overdue(now, moves, &|slot| deadlines.get(slot))?;
        Some(self.release(slot, Cause::Expired, now))
    }
}

impl<K, T> Resident<K, T> {
    fn depart(self, weight: u64, cause: Cause) -> Departure<K, T> {
        Departure { key: self.key, value: self.value, weight, cause }
    }
}

/// Whether a deadline has not come at `now`. The one that never comes does not even come then.
fn is_ahead(expires: Timestamp, now: Timestamp) -> bool {
    expires == Timestamp::NEVER || now < expires
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
