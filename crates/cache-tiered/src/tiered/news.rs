//! `News`: what other processes have told lately, set against what this one has stored meanwhile.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::{Key, Mark, Meta, Selector, Stamp};
use parking_lot::Mutex;

use crate::marks::{Marks, Whose};

/// The most own puts remembered; then all are forgotten, and count as fills.
const MOST_PUTS: usize = 65_536;
/// The most fills remembered, the newest.
const MOST_FILLS: usize = 1024;

/// What other processes have told, at the stamps of this one.
///
/// Stamps of two processes order what they do only as well as their clocks agree. But whatever this process has begun
/// before it heard of a write or an invalidation is not newer than that: each mark heard is in force here a second time,
/// at the stamp at which it was heard, for what this process holds of its own: near values, tiers that are not shared,
/// and loads under way. What is in a shared tier is judged by the mark's own stamp, and so is what a caller has put
/// here: of puts, the one with the newer stamp counts, wherever it was made.
///
/// A fill that was stored in a shared tier before the mark was heard, with a stamp ahead of it, may have taken the place
/// of what the other process has put: it is doomed, not served, and withdrawn.
#[derive(Debug, Default)]
pub(super) struct News {
    marks: Marks,
    puts: Mutex<HashMap<Key, Stamp>>,
    fills: Mutex<VecDeque<Fill>>,
    /// The stamps of what is to be withdrawn, and since when.
    doomed: Mutex<BTreeMap<Key, (Stamp, Stamp)>>,
    any_doomed: AtomicBool,
}

#[derive(Debug)]
struct Fill {
    key: Key,
    stamp: Stamp,
    tags: Arc<[Arc<str>]>,
}

impl News {
    /// The stamp of a mark heard that puts what this process holds out of date.
    pub(super) fn covering(&self, key: &Key, stamp: Stamp, tags: &[Arc<str>]) -> Option<Stamp> {
        self.marks.covering(key, stamp, tags).filter(|_| !self.has_put(key, stamp))
    }

    /// Whether something that this process has begun to load at `stamp` is out of date if it has the wrong tags.
    pub(super) fn may_cover(&self, key: &Key, stamp: Stamp) -> bool {
        self.marks.may_cover(key, stamp)
    }

    /// As [`Marks::epoch`].
    pub(super) fn epoch(&self) -> u64 {
        self.marks.epoch()
    }

    /// Until which stamp this process's own copies of what `mark` selects are out of date.
    pub(super) fn until(&self, mark: &Mark) -> Stamp {
        self.marks.stamp_of(&mark.selector).unwrap_or_default().max(mark.stamp)
    }

    /// Takes in a mark that was heard at the stamp `heard`; the fills that are doomed by it.
    pub(super) fn take_in(&self, mark: &Mark, heard: Stamp, is_used: impl Fn(&Key) -> bool) -> Vec<(Key, Stamp)> {
        let local = Mark { selector: mark.selector.clone(), stamp: heard };
        self.marks.add(local, None, Whose::Others, is_used);
        let mut fills = self.fills.lock();
        let is_doomed = |fill: &Fill| {
            mark.stamp <= fill.stamp && fill.stamp < heard && mark.selector.selects(&fill.key, &fill.tags)
        };
        let found: Vec<(Key, Stamp)> =
            fills.iter().filter(|fill| is_doomed(fill)).map(|fill| (fill.key.clone(), fill.stamp)).collect();
        if !found.is_empty() {
            fills.retain(|fill| !is_doomed(fill));
            let mut doomed = self.doomed.lock();
            doomed.extend(found.iter().map(|(key, stamp)| (key.clone(), (*stamp, heard))));
            self.any_doomed.store(true, Ordering::Release);
        }
        found
    }

    /// Notes that every tier here has dropped what a mark heard of `key` covers: see [`Marks::settle`].
    pub(super) fn settle(&self, key: &Key, lingers: Stamp, is_used: impl Fn(&Key) -> bool) {
        if let Some(stamp) = self.marks.stamp_of(&Selector::Key(key.clone())) {
            self.marks.settle(key, stamp, lingers, is_used);
        }
    }

    /// Forgets what is settled and no longer used.
    pub(super) fn tidy(&self, now: Stamp, is_used: impl Fn(&Key) -> bool) {
        self.marks.tidy(now, is_used);
    }

    /// Notes that this process stores a caller's write.
    pub(super) fn note_put(&self, key: &Key, stamp: Stamp) {
        let mut puts = self.puts.lock();
        if puts.len() >= MOST_PUTS {
            puts.clear();
        }
        puts.insert(key.clone(), stamp);
    }

    /// Whether a caller of this process has put the entry with this stamp.
    pub(super) fn has_put(&self, key: &Key, stamp: Stamp) -> bool {
        self.puts.lock().get(key) == Some(&stamp)
    }

    /// Notes that this process stores what it has loaded.
    pub(super) fn note_fill(&self, key: &Key, meta: &Meta) {
        let fill = Fill { key: key.clone(), stamp: meta.stamp, tags: meta.tags.clone() };
        let mut fills = self.fills.lock();
        if fills.len() >= MOST_FILLS {
            fills.pop_front();
        }
        fills.push_back(fill);
    }

    /// Whether the entry with this stamp is one that is to be withdrawn.
    pub(super) fn is_doomed(&self, key: &Key, stamp: Stamp) -> bool {
        self.any_doomed.load(Ordering::Acquire) && self.doomed.lock().get(key).is_some_and(|doomed| doomed.0 == stamp)
    }

    /// What is to be withdrawn.
    pub(super) fn doomed(&self) -> Vec<(Key, Stamp)> {
        if !self.any_doomed.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.doomed.lock().iter().map(|(key, doomed)| (key.clone(), doomed.0)).collect()
    }

    /// Notes that the entry with this stamp was withdrawn. One that was doomed after `late` may be on its way still.
    pub(super) fn withdrawn(&self, key: &Key, stamp: Stamp, late: Stamp) {
        let mut doomed = self.doomed.lock();
        if doomed.get(key).is_some_and(|(fill, since)| *fill == stamp && *since < late) {
            doomed.remove(key);
        }
        self.any_doomed.store(!doomed.is_empty(), Ordering::Release);
    }
}
