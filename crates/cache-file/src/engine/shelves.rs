//! `Shelves`: what is served, in two catalogs, since the index and the volumes give space back each to their own.

use cache_core::{Catalog, Departure, Key, Limits, Offer, PolicyKind, Timestamp};

use super::Ref;

/// Entries that leave at most when a bound is lowered once: readers wait for the catalog meanwhile.
const STEP: usize = 512;
/// Weight of what leaves at most, but for one entry.
const STEP_WEIGHT: u64 = 256 << 20;
/// By how much a bound is lowered before those that left are counted.
const SLICE: u64 = 64 << 10;

/// Where the body of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Index,
    Volumes,
}

/// Two catalogs; a key is in one of them at most. The bound on entries is one on their sum.
#[derive(Debug)]
pub(super) struct Shelves {
    index: Catalog<Key, Ref>,
    volumes: Catalog<Key, Ref>,
    entries: u64,
    /// How many marks there are, which never are in the index, and what they weigh.
    marks: (u64, u64),
}

/// What left a catalog.
pub(super) type Left = Departure<Key, Ref>;

impl Shelves {
    /// Empty ones, with `weight` for each.
    pub(super) fn new(weight: u64, entries: u64, policy: PolicyKind) -> Self {
        let index = Catalog::new(Limits::weight(weight).and_entries(entries), policy);
        let volumes = index.successor();
        Self { index, volumes, entries, marks: (0, 0) }
    }

    pub(super) fn get(&self, key: &Key, now: Timestamp) -> Option<&Ref> {
        let hash = key.hash64();
        self.volumes.get(hash, key, now).or_else(|| self.index.get(hash, key, now))
    }

    pub(super) fn peek(&self, key: &Key, now: Timestamp) -> Option<&Ref> {
        let hash = key.hash64();
        self.volumes.peek(hash, key, now).or_else(|| self.index.peek(hash, key, now))
    }

    /// Offers an entry; what left for it.
    pub(super) fn insert(&mut self, side: Side, offer: Offer<Key, Ref>, now: Timestamp) -> Vec<Left> {
        let marks = self.marks.0 as usize;
        if offer.pinned {
            self.marks = (self.marks.0 + 1, self.marks.1 + offer.weight);
        }
        let [short, long] = [self.index.len(), self.volumes.len().saturating_sub(marks)];
        let (mine, other, is_fewer) = match side {
            Side::Index => (&mut self.index, &mut self.volumes, short < long),
            Side::Volumes => (&mut self.volumes, &mut self.index, long < short),
        };
        let mut left: Vec<Left> = other.remove(offer.hash, &offer.key, now).into_iter().collect();
        if (mine.len() + other.len()) as u64 >= self.entries && is_fewer {
            // The one with more entries that may be evicted gives way, so that neither keeps the other out.
            left.extend(other.resize(other.limits().and_entries(other.len() as u64 - 1), now));
        }
        let room = self.entries.saturating_sub(other.len() as u64);
        let limits = mine.limits();
        if mine.len() as u64 >= room.min(limits.entries) && limits.entries != room {
            left.extend(mine.resize(limits.and_entries(room), now));
        }
        let more = mine.insert(offer, now);
        if !more.is_empty() {
            left.extend(more);
        }
        self.note(left)
    }

    pub(super) fn remove(&mut self, key: &Key, now: Timestamp) -> Option<Left> {
        let hash = key.hash64();
        let left = self.volumes.remove(hash, key, now).or_else(|| self.index.remove(hash, key, now));
        self.note(left.into_iter().collect()).pop()
    }

    pub(super) fn expire(&mut self, now: Timestamp, limit: usize) -> Vec<Left> {
        let mut left = self.volumes.expire(now, limit);
        left.extend(self.index.expire(now, limit.saturating_sub(left.len())));
        self.note(left)
    }

    pub(super) fn is_overdue(&mut self, now: Timestamp) -> bool {
        self.volumes.is_overdue(now) || self.index.is_overdue(now)
    }

    pub(super) fn iter(&self, now: Timestamp) -> impl Iterator<Item = (&Key, &Ref)> {
        self.volumes.iter(now).chain(self.index.iter(now))
    }

    pub(super) fn len(&self) -> usize {
        self.volumes.len() + self.index.len()
    }

    pub(super) fn count(&self, side: Side) -> u64 {
        match side {
            Side::Index => self.index.len() as u64,
            Side::Volumes => self.volumes.len() as u64,
        }
    }

    /// Weight of both.
    pub(super) const fn total(&self) -> u64 {
        self.volumes.weight() + self.index.weight()
    }

    pub(super) const fn weight(&self, side: Side) -> u64 {
        match side {
            Side::Index => self.index.weight(),
            Side::Volumes => self.volumes.weight(),
        }
    }

    /// Weight of what may be evicted from volumes: all but the marks.
    pub(super) const fn values(&self) -> u64 {
        self.volumes.weight().saturating_sub(self.marks.1)
    }

    /// Bounds the weight on one of them; what left for it. Where that would be very many, a part leaves, and the bound is
    /// what the others weigh.
    pub(super) fn bound(&mut self, side: Side, weight: u64, now: Timestamp) -> Vec<Left> {
        let mine = match side {
            Side::Index => &mut self.index,
            Side::Volumes => &mut self.volumes,
        };
        let (mut left, before) = (Vec::new(), mine.weight());
        loop {
            let next = mine.weight().saturating_sub(SLICE).max(weight);
            let limits = Limits { weight: next, ..mine.limits() };
            if limits != mine.limits() {
                left.extend(mine.resize(limits, now));
            }
            if next == weight || left.len() >= STEP || before - mine.weight() >= STEP_WEIGHT {
                return self.note(left);
            }
        }
    }

    /// Takes note of what left.
    fn note(&mut self, left: Vec<Left>) -> Vec<Left> {
        for mark in left.iter().filter(|departure| departure.value.pinned) {
            self.marks = (self.marks.0.saturating_sub(1), self.marks.1.saturating_sub(mark.weight));
        }
        left
    }
}
