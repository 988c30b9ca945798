//! `Hits`: a byte for each slot, all that a hit touches.

use std::sync::atomic::{AtomicU8, Ordering};

use super::Slot;
use super::column::lengthen;

/// Hits beyond this are not counted.
pub(super) const MAX_HITS: u8 = 3;
/// Set by a hit, cleared by [`Hits::poll`] alone.
const FRESH: u8 = 0x80;
/// The bits of the count.
const COUNT: u8 = 0x03;
/// A hit can tell as many instants apart, in the bits between.
pub(super) const INSTANTS: u8 = 32;

/// Hit counts of slots, saturating at [`MAX_HITS`].
#[derive(Debug, Default)]
pub(super) struct Hits(Vec<AtomicU8>);

impl Hits {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Bytes allocated.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Starts the count of `slot` anew.
    #[inline]
    pub(super) fn start(&mut self, slot: Slot) {
        lengthen(&mut self.0, slot.index() + 1, AtomicU8::default);
        *self.0[slot.index()].get_mut() = 0;
    }

    /// Counts a hit. A slot that is not resident may count too: its count starts anew when it is.
    #[inline]
    pub(super) fn touch(&self, slot: Slot) {
        self.touch_at(slot, 0);
    }

    /// As [`touch`](Self::touch), at `now`, below [`INSTANTS`], on a clock of the caller's.
    #[inline]
    pub(super) fn touch_at(&self, slot: Slot, now: u8) {
        if let Some(hits) = self.0.get(slot.index()) {
            // Most hits find nothing to change; those must not write to a shared cache line. Hits that race may
            // count as one.
            let seen = hits.load(Ordering::Relaxed);
            let count = (seen & COUNT) + u8::from(seen & COUNT < MAX_HITS);
            let next = FRESH | now << 2 | count;
            if seen != next {
                hits.store(next, Ordering::Relaxed);
            }
        }
    }

    /// Takes the count of `slot`, which is zero afterwards.
    #[inline]
    pub(super) fn take(&mut self, slot: Slot) -> u8 {
        self.0.get_mut(slot.index()).map_or(0, |hits| {
            let seen = *hits.get_mut();
            *hits.get_mut() = seen & FRESH;
            seen & COUNT
        })
    }

    /// When `slot` was last hit, if it was since its count was taken.
    #[inline]
    pub(super) fn last(&self, slot: Slot) -> u8 {
        self.0.get(slot.index()).map_or(0, |hits| (hits.load(Ordering::Relaxed) & !FRESH) >> 2)
    }

    /// Takes one hit off the count of `slot`; whether there was one.
    pub(super) fn spend(&mut self, slot: Slot) -> bool {
        self.0.get_mut(slot.index()).is_some_and(|hits| {
            let had = *hits.get_mut() & COUNT > 0;
            *hits.get_mut() -= u8::from(had);
            had
        })
    }

    /// Whether `slot` was hit since this was last asked.
    pub(super) fn poll(&mut self, slot: Slot) -> bool {
        self.0.get_mut(slot.index()).is_some_and(|hits| {
            let fresh = *hits.get_mut() & FRESH != 0;
            *hits.get_mut() &= !FRESH;
            fresh
        })
    }
}

/// Asserts that one eviction takes hits of as many entries as it may spare, and of no more, after all were hit.
#[cfg(test)]
pub(super) fn spares_few<P: super::Policy>(mut policy: P, hits: impl Fn(&P) -> &Hits) {
    const RESIDENTS: u32 = 5_000;
    let left = |policy: &P| {
        let left = |hits: &AtomicU8| usize::from(hits.load(Ordering::Relaxed) & COUNT);
        hits(policy).0.iter().map(left).sum::<usize>()
    };
    for slot in (0..RESIDENTS).map(Slot) {
        policy.insert(slot, super::Facts { hash: slot.0.into(), weight: 1, cost: std::time::Duration::ZERO });
    }
    for _ in 0..100 {
        (0..RESIDENTS).map(Slot).for_each(|slot| policy.touch(slot));
        let before = left(&policy);
        assert!(policy.evict().is_some());
        let taken = before - left(&policy);
        assert!(taken <= 257 * usize::from(MAX_HITS), "{taken} hits were taken");
        assert!(policy.len() as u32 > RESIDENTS - 101);
    }
}
