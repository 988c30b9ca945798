//! `Slru`: entries hit once are kept apart from those never hit.

use std::collections::BTreeSet;

use super::{Facts, Policy, Slot, ticks::Ticks};

/// The protected segment's share of the weight, in fifths.
const PROTECTED_FIFTHS: u128 = 4;

/// Segmented least recently used: newcomers are on probation; those hit there are protected, up to four fifths of
/// the weight. Who falls out of the protected segment gets another probation as the most recently used there.
///
/// As in [`Lru`](super::Lru) a hit only stamps its slot with a tick, and takes effect when eviction gets to the
/// slot. Insertion, removal and eviction take logarithmic time, the latter amortised over the hits before it: the first
/// one after all entries were hit moves all of them.
///
/// After Karedla, Love and Wherry, "Caching strategies to improve disk system performance" (1994).
#[derive(Debug, Default)]
pub struct Slru {
    probation: BTreeSet<(u64, Slot)>,
    protected: BTreeSet<(u64, Slot)>,
    ticks: Ticks,
    /// Weights of slots; an entry without weight counts as one, because it takes a place.
    weights: Vec<u64>,
    weight: u128,
    protected_weight: u128,
}

impl Slru {
    /// An empty policy.
    pub fn new() -> Self {
        Self::default()
    }

    fn weight_of(&self, slot: Slot) -> u128 {
        u128::from(self.weights[slot.index()])
    }

    fn protect(&mut self, slot: Slot, used: u64) {
        self.protected.insert((used, slot));
        self.protected_weight += self.weight_of(slot);
        while self.protected_weight * 5 > self.weight * PROTECTED_FIFTHS {
            let Some(slot) = self.pop_protected() else { return };
            self.probation.insert((self.ticks.start(slot), slot));
        }
    }

    /// Takes the least recently used out of the protected segment.
    fn pop_protected(&mut self) -> Option<Slot> {
        loop {
            let (_, slot) = self.protected.pop_first()?;
            let Some(used) = self.ticks.replace(slot) else {
                self.protected_weight -= self.weight_of(slot);
                return Some(slot);
            };
            self.protected.insert((used, slot));
        }
    }

    fn pop_probation(&mut self) -> Option<Slot> {
        loop {
            let (_, slot) = self.probation.pop_first()?;
            let Some(used) = self.ticks.replace(slot) else { return Some(slot) };
            self.protect(slot, used);
        }
    }
}

impl Policy for Slru {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if self.ticks.placed(slot).is_some() {
            return;
        }
        if slot.index() >= self.weights.len() {
            self.weights.resize(slot.index() + 1, 0);
        }
        self.weights[slot.index()] = facts.weight.max(1);
        self.weight += self.weight_of(slot);
        self.probation.insert((self.ticks.start(slot), slot));
    }

    fn touch(&self, slot: Slot) {
        self.ticks.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        let Some(placed) = self.ticks.placed(slot) else { return };
        if !self.probation.remove(&(placed, slot)) {
            self.protected.remove(&(placed, slot));
            self.protected_weight -= self.weight_of(slot);
        }
        self.weight -= self.weight_of(slot);
        self.ticks.stop(slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        let victim = self.pop_probation().or_else(|| self.pop_protected())?;
        self.weight -= self.weight_of(victim);
        self.ticks.stop(victim);
        Some(victim)
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        self.probation.len() + self.protected.len()
    }
}
