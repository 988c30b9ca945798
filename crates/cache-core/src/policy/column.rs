//! `Column`: one fact of each slot, taking no memory where it is the usual one.

use super::Slot;

/// Growth adds one part in this many, so that little is idle.
const SPARE: usize = 8;
/// Growth adds this many at least.
const MIN_SPARE: usize = 64;

/// One fact of each slot. As long as all are the usual one, nothing is allocated.
#[derive(Debug)]
pub(crate) struct Column<C> {
    facts: Vec<C>,
    usual: C,
}

impl<C: Copy + PartialEq> Column<C> {
    pub(crate) const fn new(usual: C) -> Self {
        Self { facts: Vec::new(), usual }
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> C {
        self.facts.get(slot.index()).copied().unwrap_or(self.usual)
    }

    #[inline]
    pub(crate) fn set(&mut self, slot: Slot, fact: C) {
        match self.facts.get_mut(slot.index()) {
            Some(place) => *place = fact,
            None if fact == self.usual => {}
            None => self.append(slot, fact),
        }
    }

    /// Bytes allocated.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.facts.capacity() * size_of::<C>()
    }

    pub(crate) fn clear(&mut self) {
        self.facts = Vec::new();
    }

    fn append(&mut self, slot: Slot, fact: C) {
        let missing = slot.index() + 1 - self.facts.len();
        reserve(&mut self.facts, missing);
        self.facts.resize(slot.index(), self.usual);
        self.facts.push(fact);
    }
}

/// Makes room for `more`, and for as little beyond as keeps the time of an addition constant on average.
pub(crate) fn reserve<T>(values: &mut Vec<T>, more: usize) {
    if values.capacity() - values.len() < more {
        values.reserve_exact(more.max(values.len() / SPARE).max(MIN_SPARE));
    }
}

/// Makes `values` at least `len` long with `usual` ones, growing as [`reserve`] does.
#[inline]
pub(crate) fn lengthen<T>(values: &mut Vec<T>, len: usize, usual: impl FnMut() -> T) {
    if values.len() < len {
        reserve(values, len - values.len());
        values.resize_with(len, usual);
    }
}
