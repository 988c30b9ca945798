//! `Index`: slots by the hash of their keys.

use hashbrown::HashTable;

use crate::Slot;
use crate::policy::column::Column;

/// Slots by the hash of their keys.
///
/// A slot needs only as many bits as there are slots; the rest of its 32 hold bits of the hash, so that looking for one
/// key hardly ever touches the entry of another one, and the table stays as small as one of bare slots.
pub(super) struct Index {
    table: HashTable<u32>,
    /// The bits of a place that are its slot; above them are those of its hash.
    mask: u32,
    /// Half of the hash of each slot, to find its place again.
    halves: Column<u32>,
}

/// The mask of an empty index.
const MIN_MASK: u32 = 0xff;

impl Index {
    pub(super) const fn new() -> Self {
        Self { table: HashTable::new(), mask: MIN_MASK, halves: Column::new(0) }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The slot under `hash` that `is_meant`.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_meant: impl Fn(Slot) -> bool) -> Option<Slot> {
        let (half, mask) = (hash as u32, self.mask);
        let is_found = |&place: &u32| (place ^ half) & !mask == 0 && is_meant(Slot(place & mask));
        self.table.find(widened(half), is_found).map(|&place| Slot(place & mask))
    }

    /// Adds `slot`, which is absent. Amortised constant time.
    pub(super) fn insert(&mut self, hash: u64, slot: Slot) {
        if slot.0 > self.mask {
            self.widen(slot);
        }
        let (half, mask, halves) = (hash as u32, self.mask, &mut self.halves);
        halves.set(slot, half);
        let place = half & !mask | slot.0;
        self.table.insert_unique(widened(half), place, |&place| widened(halves.get(Slot(place & mask))));
    }

    /// Takes `slot` out, if it is there.
    pub(super) fn remove(&mut self, slot: Slot) {
        let mask = self.mask;
        if let Ok(place) = self.table.find_entry(widened(self.halves.get(slot)), |&place| place & mask == slot.0) {
            place.remove();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives the slot of each place as many bits as `slot` needs.
    fn widen(&mut self, slot: Slot) {
        let old = self.mask;
        self.mask = u32::MAX >> slot.0.leading_zeros();
        for place in &mut self.table {
            let slot = *place & old;
            *place = self.halves.get(Slot(slot)) & !self.mask | slot;
        }
    }
}

/// The table takes bits from both ends of a hash.
const fn widened(half: u32) -> u64 {
    (half as u64) << u32::BITS | half as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that differ in all bits.
    fn hash(slot: u32) -> u64 {
        u64::from(slot + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    }

    #[test]
    fn every_slot_is_found_however_many_there_are() {
        let mut index = Index::new();
        for slot in 0..5_000 {
            index.insert(hash(slot), Slot(slot));
            assert_eq!(index.find(hash(slot / 2), |found| found.0 == slot / 2), Some(Slot(slot / 2)));
        }
        for slot in (0..5_000).step_by(3) {
            index.remove(Slot(slot));
        }
        for slot in 0..5_000 {
            let found = index.find(hash(slot), |found| found.0 == slot);
            assert_eq!(found, (slot % 3 != 0).then_some(Slot(slot)));
        }
        assert_eq!(index.len(), 3_333);
    }

    #[test]
    fn entries_of_other_hashes_are_hardly_looked_at() {
        let mut index = Index::new();
        (0..5_000).for_each(|slot| index.insert(hash(slot), Slot(slot)));
        let looks = std::cell::Cell::new(0);
        for slot in 5_000..105_000 {
            index.find(hash(slot), |_| {
                looks.set(looks.get() + 1);
                false
            });
        }
        // Thirteen bits are the slot's, nineteen the hash's: by chance alone, some hundred looks are to be expected.
        assert!(looks.get() < 1_000, "{} looks", looks.get());
    }
}
