//! Looks at everything that a catalog holds.

use super::Catalog;
use crate::Timestamp;

impl<K: Eq, T> Catalog<K, T> {
    /// Keys and values unexpired at `now`, in no promised order.
    pub fn iter(&self, now: Timestamp) -> impl Iterator<Item = (&K, &T)> {
        self.page(0, self.places(), now)
    }

    /// Number of places: an upper bound for [`page`](Self::page).
    pub fn places(&self) -> usize {
        self.slots.places()
    }

    /// Keys and values unexpired at `now` in the places from `start` to `end`, the latter excluded.
    ///
    /// A key keeps its place as long as it is held, replacements included. Who reads a catalog in pages, changed
    /// in between, sees each key that is held all the time exactly once.
    pub fn page(&self, start: usize, end: usize, now: Timestamp) -> impl Iterator<Item = (&K, &T)> {
        let residents = self.slots.range(start, end).filter(move |(slot, _)| self.is_live(*slot, now));
        residents.map(|(_, resident)| (&resident.key, &resident.value))
    }

    /// Recounts everything; the first disagreement found, for tests.
    ///
    /// # Errors
    /// A description of what does not add up.
    #[doc(hidden)]
    pub fn validate(&self) -> Result<(), String> {
        let slots = || self.slots.range(0, self.places()).map(|(slot, _)| slot);
        let weight: u128 = slots().map(|slot| u128::from(self.weights.get(slot))).sum();
        let deadlines = slots().filter(|&slot| self.deadlines.get(slot) != Timestamp::NEVER).count();
        let counts = [self.slots.len(), self.policy.len() + self.pinned_len];
        if weight != self.weight {
            return Err(format!("weights sum to {weight}, accounted {}", self.weight));
        }
        if counts != [self.index.len(); 2] {
            return Err(format!("[slots, policy] hold {counts:?}, the index {}", self.index.len()));
        }
        if deadlines != self.wheel.len() {
            return Err(format!("{deadlines} entries have deadlines, {} are noted", self.wheel.len()));
        }
        if self.is_over() {
            return Err(format!("weight {weight}, entries {} exceed {:?}", self.len(), self.limits));
        }
        Ok(())
    }
}
