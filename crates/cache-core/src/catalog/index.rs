//! `Index`: slots by the hash of their keys.

use hashbrown::HashTable;

use super::column::Column;
use crate::Slot;

/// Slots by the hash of their keys.
///
/// Half of the hash stands beside each slot, so that looking for one key never touches the entry of another one, short
/// of a collision in 32 bits, and growing touches no entry at all.
pub(super) struct Index {
    table: HashTable<Slot>,
    /// Half of the hash of each slot, to find its place again.
    halves: Column<u32>,
}

impl Index {
    pub(super) const fn new() -> Self {
        Self { table: HashTable::new(), halves: Column::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The slot under `hash` that `is_meant`.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_meant: impl Fn(Slot) -> bool) -> Option<Slot> {
        let half = hash as u32;
        self.table.find(widened(half), |&slot| is_meant(slot)).copied()
    }

    /// Adds `slot`, which is absent.
    pub(super) fn insert(&mut self, hash: u64, slot: Slot) {
        let half = hash as u32;
        self.halves.set(slot, half);
        let halves = &self.halves;
        self.table.insert_unique(widened(half), slot, |&slot| widened(halves.get(slot)));
    }

    /// Takes `slot` out, if it is there.
    pub(super) fn remove(&mut self, slot: Slot) {
        if let Ok(place) = self.table.find_entry(widened(self.halves.get(slot)), |&place| place == slot) {
            place.remove();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}

/// The table takes bits from both ends.
const fn widened(half: u32) -> u64 {
    (half as u64) << u32::BITS | half as u64
}
