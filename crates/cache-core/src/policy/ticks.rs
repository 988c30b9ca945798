//! `Ticks`: when slots were last used, on a clock of hits.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Slot;

/// For each slot two ticks: of its last use, and of the use that its place in an order stands for.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    slots: Vec<Tick>,
    clock: AtomicU64,
}

/// `placed` is zero when the slot is not resident.
#[derive(Debug, Default)]
struct Tick {
    placed: u64,
    used: AtomicU64,
}

impl Ticks {
    fn tick(&self) -> u64 {
        // Relaxed: ticks order hits, they publish nothing.
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What the place of `slot` stands for, when it is resident.
    pub(super) fn placed(&self, slot: Slot) -> Option<u64> {
        self.slots.get(slot.index()).map(|tick| tick.placed).filter(|&placed| placed > 0)
    }

    /// Uses `slot`, which is resident from now on; its place.
    pub(super) fn start(&mut self, slot: Slot) -> u64 {
        if slot.index() >= self.slots.len() {
            self.slots.resize_with(slot.index() + 1, Tick::default);
        }
        let placed = self.tick();
        self.slots[slot.index()] = Tick { placed, used: AtomicU64::new(placed) };
        placed
    }

    /// Uses `slot`, if it is resident.
    pub(super) fn touch(&self, slot: Slot) {
        if let Some(tick) = self.slots.get(slot.index()).filter(|tick| tick.placed > 0) {
            tick.used.fetch_max(self.tick(), Ordering::Relaxed);
        }
    }

    /// The place that `slot`, which is resident, has earned since it was placed. It stands for that from now on.
    pub(super) fn replace(&mut self, slot: Slot) -> Option<u64> {
        let tick = &mut self.slots[slot.index()];
        let used = *tick.used.get_mut();
        (used != tick.placed).then(|| {
            tick.placed = used;
            used
        })
    }

    pub(super) fn stop(&mut self, slot: Slot) {
        self.slots[slot.index()].placed = 0;
    }
}
