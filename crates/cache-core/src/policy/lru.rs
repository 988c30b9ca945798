//! `Lru`: the entry unused for longest goes first.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Facts, Policy, Slot};

/// Exact least recently used.
///
/// A hit only stamps its slot with a tick, so it runs under a shared lock. The order is put right lazily: eviction
/// moves slots whose tick is newer than their place says, until the first one is in place. Insertion, removal and
/// eviction take logarithmic time, the latter amortised over the hits before it.
#[derive(Debug, Default)]
pub struct Lru {
    /// Places in the order: a lower bound of the slot's tick, and the slot.
    order: BTreeSet<(u64, Slot)>,
    slots: Vec<Ticks>,
    clock: AtomicU64,
}

/// The ticks of one slot. `placed` is zero when the slot is not resident.
#[derive(Debug, Default)]
struct Ticks {
    placed: u64,
    used: AtomicU64,
}

impl Lru {
    /// An empty policy.
    pub fn new() -> Self {
        Self::default()
    }

    fn tick(&self) -> u64 {
        // Relaxed: ticks order hits, they publish nothing.
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn resident(&self, slot: Slot) -> Option<&Ticks> {
        self.slots.get(slot.index()).filter(|ticks| ticks.placed > 0)
    }
}

impl Policy for Lru {
    fn insert(&mut self, slot: Slot, _facts: Facts) {
        if self.resident(slot).is_some() {
            return;
        }
        if slot.index() >= self.slots.len() {
            self.slots.resize_with(slot.index() + 1, Ticks::default);
        }
        let tick = self.tick();
        self.slots[slot.index()] = Ticks { placed: tick, used: AtomicU64::new(tick) };
        self.order.insert((tick, slot));
    }

    fn touch(&self, slot: Slot) {
        if let Some(ticks) = self.resident(slot) {
            ticks.used.fetch_max(self.tick(), Ordering::Relaxed);
        }
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(placed) = self.resident(slot).map(|ticks| ticks.placed) {
            self.order.remove(&(placed, slot));
            self.slots[slot.index()].placed = 0;
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        loop {
            let (placed, slot) = self.order.pop_first()?;
            let ticks = &mut self.slots[slot.index()];
            let used = *ticks.used.get_mut();
            if used == placed {
                ticks.placed = 0;
                return Some(slot);
            }
            ticks.placed = used;
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
