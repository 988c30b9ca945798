//! `Agd`: an adaptive policy that tries several on a sample of the keys.

mod ring;
mod trials;

use ring::{Mode, Ring};
use trials::Trials;

use super::{Facts, Policy, Slot, sketch::Sketch};

/// Capacities from here on bound nothing: the number of entries is what the owner bounds.
const UNBOUNDED: u64 = 1 << 56;
/// Additions to the sketch until it is halved, for each resident.
const PERIOD: usize = 8;

/// Adaptive `GreedyDual`.
#[derive(Debug)]
pub struct Agd {
    ring: Ring,
    sketch: Sketch,
    trials: Trials,
    capacity: u64,
}

impl Agd {
    /// An empty policy.
    pub fn new() -> Self {
        let (ring, sketch, trials) = (Ring::new(Mode::Filter), Sketch::new(PERIOD), Trials::new());
        Self { ring, sketch, trials, capacity: u64::MAX }
    }
}

impl Default for Agd {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Agd {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if self.ring.find(slot).is_some() {
            return;
        }
        let weight = if self.capacity < UNBOUNDED { facts.weight.max(1) } else { 1 };
        let facts = Facts { weight, ..facts };
        self.sketch.reserve(2 * (self.ring.len() + 1));
        self.sketch.add(facts.hash, 1);
        self.ring.insert(slot, facts, self.sketch.count(facts.hash));
        if self.trials.samples(facts.hash) {
            let mode = self.trials.insert(slot, facts, &mut self.ring, &self.sketch);
            self.ring.set_mode(mode);
        }
    }

    fn touch(&self, slot: Slot) {
        self.ring.hits.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        if let Some((hash, _)) = self.ring.find(slot) {
            self.ring.remove(slot);
            if self.trials.samples(hash) {
                self.trials.remove(slot, hash);
            }
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let victim = self.ring.evict(&mut self.sketch)?;
        if self.trials.samples(self.ring.hash(victim)) {
            self.trials.evict(victim);
        }
        Some(victim)
    }

    fn resize(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    fn clear(&mut self) {
        let capacity = self.capacity;
        *self = Self { capacity, ..Self::new() };
    }

    fn len(&self) -> usize {
        self.ring.len()
    }
}
