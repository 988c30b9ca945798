//! `Shelves`: what is served, in two catalogs, since the index and the volumes give space back each to their own.

use cache_core::{Catalog, Departure, Key, Limits, Offer, PolicyKind, Timestamp};

use super::Ref;

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
}

/// What left a catalog.
pub(super) type Left = Departure<Key, Ref>;

impl Shelves {
    /// Empty ones, with `weight` for each.
    pub(super) fn new(weight: u64, entries: u64, policy: PolicyKind) -> Self {
        let index = Catalog::new(Limits::weight(weight).and_entries(entries), policy);
        let volumes = index.successor();
        Self { index, volumes, entries }
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
        let (mine, other) = match side {
            Side::Index => (&mut self.index, &mut self.volumes),
            Side::Volumes => (&mut self.volumes, &mut self.index),
        };
        let mut left: Vec<Left> = other.remove(offer.hash, &offer.key, now).into_iter().collect();
        if (mine.len() + other.len()) as u64 >= self.entries && other.len() > mine.len() {
            // The one with more entries gives way, so that neither keeps the other out.
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
        left
    }

    pub(super) fn remove(&mut self, key: &Key, now: Timestamp) -> Option<Left> {
        let hash = key.hash64();
        self.volumes.remove(hash, key, now).or_else(|| self.index.remove(hash, key, now))
    }

    pub(super) fn expire(&mut self, now: Timestamp, limit: usize) -> Vec<Left> {
        let mut left = self.volumes.expire(now, limit);
        left.extend(self.index.expire(now, limit.saturating_sub(left.len())));
        left
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

    /// Bounds the weight on one of them; what left for it.
    pub(super) fn bound(&mut self, side: Side, weight: u64, now: Timestamp) -> Vec<Left> {
        let mine = match side {
            Side::Index => &mut self.index,
            Side::Volumes => &mut self.volumes,
        };
        let limits = Limits { weight, ..mine.limits() };
        if limits == mine.limits() { Vec::new() } else { mine.resize(limits, now).into_iter().collect() }
    }
}
