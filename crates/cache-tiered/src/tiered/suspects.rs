//! `Suspects`: what a tier still holds although it should not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::{Hlc, Key, Meta, Stamp, Timestamp};
use parking_lot::Mutex;

/// Keys whose entry in one tier is out of date because a write to the tier failed: entries below a key's floor are
/// not served from it.
///
/// Bounded: when there are too many keys, they are forgotten and the whole tier gets a floor instead, ahead of every
/// plausible stamp at that time. What it holds is lost as a cache then, and so is what it takes in the next
/// [`Hlc::MAX_AHEAD`]; what should have been dropped is never served.
///
/// A suspicion ends with the process: see [`Tiered`](crate::Tiered) on what a failed remove means for durable tiers.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    state: Mutex<State>,
    /// Whether anything is suspect, so that reads of a sound tier take no lock.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<Key, Stamp>,
    tier: Stamp,
}

impl Suspects {
    /// The most keys remembered one by one.
    pub(super) const MOST: usize = 4096;

    /// Newer than every stamp: nothing under a key with this floor is served.
    pub(super) const EVERYTHING: Stamp = Stamp::from_u64(u64::MAX);

    /// Raises the floor of `key`.
    pub(super) fn add(&self, key: &Key, floor: Stamp, now: Timestamp) {
        let mut state = self.state.lock();
        self.any.store(true, Ordering::Release);
        if state.keys.len() >= Self::MOST && !state.keys.contains_key(key) {
            state.tier = state.tier.max(Stamp::first_of(now.after(Hlc::MAX_AHEAD)));
            state.keys.clear();
        }
        let known = state.keys.entry(key.clone()).or_default();
        *known = floor.max(*known);
    }

    /// Forgets `key`: the tier has done what failed before.
    pub(super) fn clear(&self, key: &Key) {
        if self.any.load(Ordering::Acquire) {
            let mut state = self.state.lock();
            state.keys.remove(key);
            self.any.store(!state.keys.is_empty() || state.tier > Stamp::ZERO, Ordering::Release);
        }
    }

    /// Whether `key` has a floor of its own.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.any.load(Ordering::Acquire) && self.state.lock().keys.contains_key(key)
    }

    /// Whether an entry with this meta may be served.
    pub(super) fn trusts(&self, key: &Key, meta: &Meta) -> bool {
        meta.stamp >= self.floor(key)
    }

    /// The stamp below which an entry of `key` is not served.
    pub(super) fn floor(&self, key: &Key) -> Stamp {
        if !self.any.load(Ordering::Acquire) {
            return Stamp::ZERO;
        }
        let state = self.state.lock();
        state.keys.get(key).copied().unwrap_or_default().max(state.tier)
    }

    /// Number of keys with a floor of their own.
    pub(super) fn len(&self) -> usize {
        self.state.lock().keys.len()
    }

    /// Up to `limit` of the keys.
    pub(super) fn some(&self, limit: usize) -> Vec<Key> {
        self.state.lock().keys.keys().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(stamp: u64) -> Meta {
        Meta::new(Stamp::from_u64(stamp), Timestamp::EPOCH)
    }

    #[test]
    fn entries_below_the_floor_are_not_trusted() {
        let suspects = Suspects::default();
        let key = Key::parse("a").unwrap();
        suspects.add(&key, Stamp::from_u64(5), Timestamp::EPOCH);
        assert!(!suspects.trusts(&key, &meta(4)));
        assert!(suspects.trusts(&key, &meta(5)));
        assert!(suspects.trusts(&Key::parse("b").unwrap(), &meta(4)));
        suspects.clear(&key);
        assert!(suspects.trusts(&key, &meta(4)));
    }

    #[test]
    fn too_many_suspects_make_the_tier_suspect() {
        let suspects = Suspects::default();
        let now = Timestamp::from_millis(1_000_000);
        let keys: Vec<Key> = (0..=Suspects::MOST).map(|number| Key::of(number).build().unwrap()).collect();
        for key in &keys {
            suspects.add(key, Suspects::EVERYTHING, now);
        }
        assert_eq!(suspects.len(), 1);
        let old = Meta::new(Stamp::first_of(now), now);
        let new = Meta::new(Stamp::first_of(now.after(2 * Hlc::MAX_AHEAD)), now);
        assert!(keys.iter().all(|key| !suspects.trusts(key, &old)));
        assert!(suspects.trusts(&keys[0], &new));
        assert!(!suspects.trusts(&keys[Suspects::MOST], &new));
    }
}
