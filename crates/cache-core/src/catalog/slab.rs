//! Storage of values in reusable slots.

use std::ops::{Index, IndexMut};

use crate::Slot;
use crate::policy::column::reserve;

/// The most values that an owner may keep at once; one more fits for a moment.
pub(super) const MAX_LEN: u64 = u32::MAX as u64 - 1;

/// Values in slots; freed slots are reused, last freed first.
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<Slot>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, value: T) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.places[slot.index()] = Some(value);
            return slot;
        }
        let slot = Slot(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        reserve(&mut self.places, 1);
        self.places.push(Some(value));
        slot
    }

    #[expect(clippy::expect_used, reason = "the catalog passes resident slots only")]
    pub(super) fn remove(&mut self, slot: Slot) -> T {
        let value = self.places[slot.index()].take().expect("a resident slot");
        self.free.push(slot);
        value
    }

    /// What every place held, free ones included.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Option<T>> + use<T> {
        self.free = Vec::new();
        std::mem::take(&mut self.places).into_iter()
    }

    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The values in the places from `start` to `end`, the latter excluded, as far as there are places.
    pub(super) fn range(&self, start: usize, end: usize) -> impl Iterator<Item = (Slot, &T)> {
        let end = end.min(self.places.len());
        let start = start.min(end);
        let slots = (start as u32..).map(Slot);
        slots.zip(&self.places[start..end]).filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }
}

impl<T> Index<Slot> for Slab<T> {
    type Output = T;

    #[inline]
    #[expect(clippy::expect_used, reason = "the catalog passes resident slots only")]
    fn index(&self, slot: Slot) -> &T {
        self.places[slot.index()].as_ref().expect("a resident slot")
    }
}

impl<T> IndexMut<Slot> for Slab<T> {
    #[expect(clippy::expect_used, reason = "the catalog passes resident slots only")]
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        self.places[slot.index()].as_mut().expect("a resident slot")
    }
}
