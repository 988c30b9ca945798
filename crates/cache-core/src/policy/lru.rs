//! `Lru`: the entry unused for longest goes first.

use std::collections::BTreeSet;

use super::{Facts, Policy, Slot, ticks::Ticks};

/// Exact least recently used.
///
/// A hit only stamps its slot with a tick, so it runs under a shared lock. The order is put right lazily: eviction
/// moves slots whose tick is newer than their place says, until the first one is in place. Insertion, removal and
/// eviction take logarithmic time, the latter amortised over the hits before it: an exact order has to place all that
/// were hit before it knows who is next, so the first eviction after all of them were hit moves all of them.
#[derive(Debug, Default)]
pub struct Lru {
    /// Places in the order: a lower bound of the slot's tick, and the slot.
    order: BTreeSet<(u64, Slot)>,
    ticks: Ticks,
}

impl Lru {
    /// An empty policy.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Policy for Lru {
    fn insert(&mut self, slot: Slot, _facts: Facts) {
        if self.ticks.placed(slot).is_none() {
            self.order.insert((self.ticks.start(slot), slot));
        }
    }

    fn touch(&self, slot: Slot) {
        self.ticks.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(placed) = self.ticks.placed(slot) {
            self.order.remove(&(placed, slot));
            self.ticks.stop(slot);
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        loop {
            let (_, slot) = self.order.pop_first()?;
            let Some(used) = self.ticks.replace(slot) else {
                self.ticks.stop(slot);
                return Some(slot);
            };
            self.order.insert((used, slot));
        }
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        self.order.len()
    }
}
