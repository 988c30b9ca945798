//! `TinyLfu`: a newcomer has to be asked for more often than whom it replaces.

mod climber;

use climber::Climber;

use super::{CHANCES, Facts, Policy, Slot, hits::Hits, queues::Queues, sketch::Sketch};

const WINDOW: usize = 0;
const PROBATION: usize = 1;
const PROTECTED: usize = 2;
/// Holds the newest resident alone, until the next one comes.
const NEWEST: usize = 3;
/// The protected segment's share of the main weight, in fifths.
const PROTECTED_FIFTHS: u128 = 4;
/// Additions to the sketch until it is halved, for each resident.
const PERIOD: usize = 10;

/// W-TinyLFU: newcomers pass a window; who falls out of it takes the place of the main segment's victim only if a
/// sketch of recent requests says that it is asked for more often. The main segment is divided into probation and
/// protection as in [`Slru`](super::Slru). The window's share of the weight follows the hit ratio, uphill.
///
/// A doorkeeper spares the sketch the keys asked for only once. Recency is that of second-chance queues: a hit is one
/// atomic load and at most one store, and takes effect when eviction gets to the slot. Every operation takes
/// constant time, save where the sketch grows or halves its counts: one eviction spares or moves 256 entries at most.
///
/// After Einziger, Friedman and Manes, "`TinyLFU`: a highly efficient cache admission policy" (2017), and
/// Einziger, Eytan, Friedman and Manes, "Adaptive software cache management" (Middleware 2018).
#[derive(Debug)]
pub struct TinyLfu {
    queues: Queues<4>,
    slots: Vec<Resident>,
    hits: Hits,
    /// Weights of the queues; an entry without weight counts as one, because it takes a place.
    weights: [u128; 4],
    sketch: Sketch,
    climber: Climber,
    /// Whether there was no room since the newest came.
    full: bool,
    /// Whether the window is still to give up what is beyond its share.
    shrinking: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Resident {
    hash: u64,
    weight: u64,
}

impl TinyLfu {
    /// An empty policy.
    pub fn new() -> Self {
        Self {
            queues: Queues::new(),
            slots: Vec::new(),
            hits: Hits::new(),
            weights: [0; 4],
            sketch: Sketch::new(PERIOD),
            climber: Climber::new(),
            full: false,
            shrinking: false,
        }
    }

    fn push(&mut self, queue: usize, slot: Slot) {
        self.queues.push_back(queue, slot);
        self.weights[queue] += u128::from(self.slots[slot.index()].weight);
    }

    fn pop(&mut self, queue: usize) -> Option<Slot> {
        let slot = self.queues.front(queue)?;
        self.take(slot);
        Some(slot)
    }

    fn take(&mut self, slot: Slot) {
        if let Some(queue) = self.queues.remove(slot) {
            self.weights[queue] -= u128::from(self.slots[slot.index()].weight);
        }
    }

    fn window_is_over(&self, coming: u128) -> bool {
        let weight: u128 = self.weights.iter().sum();
        let none_in_main = self.queues.len(PROBATION) + self.queues.len(PROTECTED) == 0;
        self.weights[WINDOW] + coming > self.climber.share_of(weight) || none_in_main
    }

    fn count(&self, slot: Slot) -> u8 {
        self.sketch.count(self.slots[slot.index()].hash)
    }

    /// Takes the hits of `slot` into account; whether there were any.
    fn learn_hits(&mut self, slot: Slot) -> bool {
        let hits = self.hits.take(slot);
        self.sketch.add(self.slots[slot.index()].hash, hits);
        self.climber.hit(hits);
        hits > 0
    }

    /// The oldest on probation that was not hit, left in its place.
    fn victim(&mut self, chances: &mut usize) -> Option<Slot> {
        loop {
            let Some(slot) = self.queues.front(PROBATION) else {
                if self.queues.len(PROTECTED) == 0 {
                    return None;
                }
                self.demote(chances);
                continue;
            };
            if *chances == 0 || !self.learn_hits(slot) {
                return Some(slot);
            }
            *chances -= 1;
            self.take(slot);
            self.push(PROTECTED, slot);
            while *chances > 0 && self.protected_is_over() {
                *chances -= 1;
                self.demote(chances);
            }
        }
    }

    fn protected_is_over(&self) -> bool {
        let [_, probation, protected, _] = self.weights;
        protected * 5 > (probation + protected) * PROTECTED_FIFTHS
    }

    /// Puts the oldest protected slot that was not hit on probation.
    fn demote(&mut self, chances: &mut usize) {
        while let Some(slot) = self.pop(PROTECTED) {
            if *chances == 0 || !self.learn_hits(slot) {
                return self.push(PROBATION, slot);
            }
            *chances -= 1;
            self.push(PROTECTED, slot);
        }
    }

    /// Moves what is beyond the window's share on probation, without a contest; whether there is more of it.
    fn shrink_window(&mut self) -> bool {
        for _ in 0..CHANCES {
            let Some(slot) = self.queues.front(WINDOW).filter(|_| self.window_is_over(0)) else { return false };
            self.take(slot);
            self.push(PROBATION, slot);
        }
        true
    }
}

impl Default for TinyLfu {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for TinyLfu {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if self.queues.queue_of(slot).is_some() {
            return;
        }
        if let Some(last) = self.pop(NEWEST) {
            self.push(WINDOW, last);
        }
        self.shrinking |= self.climber.miss(self.len()) || !self.full;
        if self.shrinking {
            self.shrinking = self.shrink_window();
        }
        self.full = false;
        if slot.index() >= self.slots.len() {
            self.slots.resize_with(slot.index() + 1, Resident::default);
        }
        self.slots[slot.index()] = Resident { hash: facts.hash, weight: facts.weight.max(1) };
        self.hits.start(slot);
        self.sketch.reserve(self.len() + 1);
        self.sketch.add(facts.hash, 1);
        self.push(NEWEST, slot);
    }

    fn touch(&self, slot: Slot) {
        self.hits.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        self.take(slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        self.full = true;
        let mut chances = CHANCES;
        while self.window_is_over(self.weights[NEWEST]) {
            let Some(slot) = self.queues.front(WINDOW) else { break };
            if chances > 0 && self.learn_hits(slot) {
                chances -= 1;
                self.take(slot);
                self.push(WINDOW, slot);
                continue;
            }
            let rival = self.victim(&mut chances).filter(|&rival| self.count(slot) > self.count(rival));
            self.take(slot);
            let Some(rival) = rival else { return Some(slot) };
            self.push(PROBATION, slot);
            self.take(rival);
            return Some(rival);
        }
        let victim = self.victim(&mut chances).or_else(|| self.queues.front(NEWEST))?;
        self.take(victim);
        Some(victim)
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        (WINDOW..=NEWEST).map(|queue| self.queues.len(queue)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::hits::spares_few;

    #[test]
    fn one_eviction_spares_a_bounded_number() {
        spares_few(TinyLfu::new(), |policy| &policy.hits);
    }
}
