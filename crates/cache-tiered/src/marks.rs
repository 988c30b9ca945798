//! `Marks`: the invalidations in force in this process.

mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Key, Mark, Selector, Stamp};
use parking_lot::RwLock;

use state::State;

/// The marks in force, shared by a stack and its caches.
///
/// Bounded: of too many, the oldest are folded into one for everything, at their stamp. That costs misses; what a mark
/// has covered stays covered. Marks of keys that no tier holds are folded into one that no tier holds either: what one
/// process has not kept up with costs no other one anything. No other mark is ever forgotten but that of a key which
/// every tier has dropped: one that no tier holds once nobody is reading the key, one that tiers hold when it is
/// [released](Self::release).
///
/// Its lock is held for a few instructions, or for one look at each mark, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The newest stamp of all: what is not older is covered by none.
    newest: AtomicU64,
    epoch: AtomicU64,
    state: RwLock<State>,
}

/// A mark with the key of the entry that holds it in the tiers, if they hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) mark: Mark,
    pub(crate) name: Option<Key>,
}

/// Who has made a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This process, for an operation that drops what the mark covers.
    Own,
    /// Another process, or an earlier life of this one: the tiers here have still to drop what it covers.
    Others,
}

/// What became of a mark that was added.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Whether it was not in force before.
    pub(crate) new: bool,
    /// Names of entries in the tiers that nobody needs any more.
    pub(crate) needless: Vec<Key>,
    /// A mark that took the place of others, and has no entry in the tiers yet.
    pub(crate) folded: Option<Mark>,
    /// Whether others were folded that have no entry in the tiers, so that neither has what took their place.
    pub(crate) folded_here: bool,
}

impl Added {
    /// What may be removed from the tiers at once: nothing before a mark is there that takes its place.
    pub(crate) fn needless_now(&self) -> &[Key] {
        if self.folded.is_some() { &[] } else { &self.needless }
    }
}

/// The marks at one time.
#[derive(Debug)]
pub(crate) struct Frozen(State);

impl Frozen {
    /// Whether a mark covered such an entry then.
    pub(crate) fn covers(&self, key: &Key, stamp: Stamp, tags: &[Arc<str>]) -> bool {
        self.0.covering(key, stamp, tags).is_some()
    }
}

impl Marks {
    /// Whether the entry of `key` with this stamp and these tags is out of date. One atomic load for an entry newer
    /// than every mark.
    pub(crate) fn covers(&self, key: &Key, stamp: Stamp, tags: &[Arc<str>]) -> bool {
        self.covering(key, stamp, tags).is_some()
    }

    /// The stamp of a mark that covers such an entry.
    pub(crate) fn covering(&self, key: &Key, stamp: Stamp, tags: &[Arc<str>]) -> Option<Stamp> {
        if stamp.as_u64() >= self.newest.load(Ordering::Acquire) {
            return None;
        }
        self.state.read().covering(key, stamp, tags)
    }

    /// Whether an entry of `key` with this stamp is out of date if it has the wrong tags, which nobody knows yet.
    pub(crate) fn may_cover(&self, key: &Key, stamp: Stamp) -> bool {
        stamp.as_u64() < self.newest.load(Ordering::Acquire) && self.state.read().may_cover(key, stamp)
    }

    /// Whether there never was a mark.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load(Ordering::Acquire) == 0
    }

    /// The marks as they are now.
    pub(crate) fn frozen(&self) -> Frozen {
        Frozen(self.state.read().clone())
    }

    /// Grows with every mark added that is not a single key's.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Puts a mark in force; `name` is the key of the entry that holds it in the tiers, or will. `is_used` tells
    /// whether anybody is reading or loading a key, so that its mark has to stay.
    pub(crate) fn add(&self, mark: Mark, name: Option<Key>, whose: Whose, is_used: impl Fn(&Key) -> bool) -> Added {
        let stamp = mark.stamp.as_u64();
        let is_key = matches!(mark.selector, Selector::Key(_));
        let mut state = self.state.write();
        let added = state.add(mark, name, whose, &is_used);
        // Under the lock, so that whoever sees the new figures sees the mark.
        self.newest.fetch_max(stamp, Ordering::Release);
        if (added.new && !is_key) || added.folded.is_some() || added.folded_here {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        added
    }

    /// Notes that every tier has dropped what the mark of `key` covers: it goes, if nobody is reading the key, and not
    /// before `lingers` unless it has to make room; zero does not.
    pub(crate) fn settle(&self, key: &Key, stamp: Stamp, lingers: Stamp, is_used: impl Fn(&Key) -> bool) {
        self.state.write().settle(key, stamp, lingers, &is_used);
    }

    /// Forgets the mark of `key` at `stamp`, and answers with the name of its entry in the tiers. One of somebody else
    /// stays until it is [settled](Self::settle).
    pub(crate) fn release(&self, key: &Key, stamp: Stamp) -> Option<Key> {
        self.state.write().release(key, stamp)
    }

    /// The stamp of the mark with exactly this selection.
    pub(crate) fn stamp_of(&self, selector: &Selector) -> Option<Stamp> {
        self.state.read().stamp_of(selector)
    }

    /// Forgets the settled marks of keys that nobody reads, no tier holds, and that need not linger.
    pub(crate) fn tidy(&self, now: Stamp, is_used: impl Fn(&Key) -> bool) {
        self.state.write().tidy(now, &is_used);
    }

    /// The mark of a key.
    pub(crate) fn of_key(&self, key: &Key) -> Option<Known> {
        self.state.read().of_key(key)
    }

    /// Up to `limit` marks of keys that tiers have still to drop.
    pub(crate) fn open(&self, limit: usize) -> Vec<Mark> {
        self.state.read().open(limit)
    }

    /// The marks that entries in the tiers hold.
    pub(crate) fn named(&self) -> Vec<(Key, Mark)> {
        self.state.read().named()
    }

    /// The mark that the entry `name` holds, if it is in force.
    pub(crate) fn find(&self, name: &Key) -> Option<Mark> {
        self.state.read().find(name)
    }
}

#[cfg(test)]
mod tests;
