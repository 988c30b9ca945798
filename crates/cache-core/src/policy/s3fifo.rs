//! `S3Fifo`: three queues that filter one-hit wonders.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::{CHANCES, Facts, Policy, Slot, hits::Hits, queues::Queues};

const SMALL: usize = 0;
const MAIN: usize = 1;
/// Holds the newest resident alone, until the next one comes.
const NEWEST: usize = 2;
/// The small queue's share of the queued weight is one in this many.
const SMALL_SHARE: u128 = 10;

/// S3-FIFO: newcomers wait in a small queue of a tenth of the weight; those hit more than once there move to the
/// main queue, the rest leave and are remembered by hash, and a remembered key that comes back enters the main
/// queue at once. Every operation takes constant time, save where a table grows: one eviction spares 256 entries at most.
/// A hit is one atomic load and at most one store.
///
/// After Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction" (SOSP 2023), where room
/// is made before the newcomer is queued; here the newest resident is a victim only when it is the last one, which
/// is the same, so nobody is refused admission. Weights instead of counts decide the small queue's share, of what
/// is queued rather than of the capacity, so the policy needs to know no capacity.
#[derive(Debug)]
pub struct S3Fifo {
    /// The queue after [`NEWEST`] is noted beside the links.
    queues: Queues<3>,
    slots: Vec<Resident>,
    hits: Hits,
    /// Weights of [`SMALL`] and [`MAIN`]; an entry without weight counts as one, because it takes a place.
    weights: [u128; 2],
    ghosts: Ghosts,
}

#[derive(Debug, Default)]
struct Resident {
    hash: u64,
    weight: u64,
}

impl S3Fifo {
    /// An empty policy.
    pub fn new() -> Self {
        Self { queues: Queues::new(), slots: Vec::new(), hits: Hits::new(), weights: [0; 2], ghosts: Ghosts::default() }
    }

    /// Number of evicted keys remembered: at most one more than residents.
    pub fn ghosts(&self) -> usize {
        self.ghosts.seen.len()
    }

    fn push(&mut self, queue: usize, slot: Slot) {
        self.queues.push_back(queue, slot);
        self.weights[queue] += u128::from(self.slots[slot.index()].weight);
    }

    fn pop(&mut self, queue: usize) -> Option<Slot> {
        let slot = self.queues.pop_front(queue)?;
        self.weights[queue] -= u128::from(self.slots[slot.index()].weight);
        Some(slot)
    }

    fn small_is_over_its_share(&self) -> bool {
        self.weights[SMALL] * SMALL_SHARE > self.weights[SMALL] + self.weights[MAIN] || self.queues.len(MAIN) == 0
    }

    /// Evicts from the small queue while it is over its share, moving what earned it to the main queue.
    fn evict_small(&mut self, chances: &mut usize) -> Option<Slot> {
        while self.small_is_over_its_share() {
            let slot = self.pop(SMALL)?;
            if self.hits.take(slot) <= 1 || *chances == 0 {
                let hash = self.slots[slot.index()].hash;
                self.ghosts.remember(hash, self.len());
                return Some(slot);
            }
            *chances -= 1;
            self.push(MAIN, slot);
        }
        None
    }

    /// Evicts from the main queue, giving each entry one more round per hit.
    fn evict_main(&mut self, chances: &mut usize) -> Option<Slot> {
        while let Some(slot) = self.pop(MAIN) {
            if !self.hits.spend(slot) || *chances == 0 {
                return Some(slot);
            }
            *chances -= 1;
            self.push(MAIN, slot);
        }
        None
    }
}

impl Default for S3Fifo {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for S3Fifo {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if self.queues.queue_of(slot).is_some() {
            return;
        }
        if let Some(last) = self.queues.pop_front(NEWEST) {
            self.push(usize::from(self.queues.note(last)), last);
        }
        if slot.index() >= self.slots.len() {
            self.slots.resize_with(slot.index() + 1, Resident::default);
        }
        let home = if self.ghosts.forget(facts.hash) { MAIN } else { SMALL };
        let weight = facts.weight.max(1);
        self.slots[slot.index()] = Resident { hash: facts.hash, weight };
        self.hits.start(slot);
        self.queues.push_back(NEWEST, slot);
        self.queues.set_note(slot, home as u8);
    }

    #[inline]
    fn touch(&self, slot: Slot) {
        self.hits.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(queue) = self.queues.remove(slot) {
            if let Some(weight) = self.weights.get_mut(queue) {
                *weight -= u128::from(self.slots[slot.index()].weight);
            }
            self.ghosts.trim(self.len());
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        // When the small queue is within its share, the main queue holds something.
        let mut chances = CHANCES;
        let queued = self.evict_small(&mut chances).or_else(|| self.evict_main(&mut chances));
        let victim = queued.or_else(|| self.queues.pop_front(NEWEST));
        self.ghosts.trim(self.len());
        victim
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        self.queues.len(SMALL) + self.queues.len(MAIN) + self.queues.len(NEWEST)
    }
}

/// Hashes of evicted keys, oldest first, each with the turn in which it was remembered.
#[derive(Debug, Default)]
struct Ghosts {
    order: VecDeque<(u64, u64)>,
    seen: HashTable<(u64, u64)>,
    turn: u64,
}

impl Ghosts {
    fn remember(&mut self, hash: u64, residents: usize) {
        // Keys of equal hashes share one memory.
        self.forget(hash);
        self.turn += 1;
        self.order.push_back((hash, self.turn));
        self.seen.insert_unique(hash, (hash, self.turn), |&(hash, _)| hash);
        self.trim(residents);
    }

    /// Whether `hash` was remembered; it is not afterwards. Its place in the order is dropped by trimming.
    fn forget(&mut self, hash: u64) -> bool {
        match self.seen.find_entry(hash, |&(seen, _)| seen == hash) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    fn trim(&mut self, residents: usize) {
        while self.order.len() > residents + 1 {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Ok(entry) = self.seen.find_entry(oldest.0, |&seen| seen == oldest) {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::hits::spares_few;

    #[test]
    fn one_eviction_spares_a_bounded_number() {
        spares_few(S3Fifo::new(), |policy| &policy.hits);
    }

    fn facts(hash: u64) -> Facts {
        Facts { hash, weight: 1, cost: Duration::ZERO }
    }

    #[test]
    fn a_remembered_key_that_comes_back_outlives_newcomers() {
        let mut policy = S3Fifo::new();
        for slot in (0..20).map(Slot) {
            policy.insert(slot, facts(slot.0.into()));
        }
        let gone = policy.evict().expect("a victim");
        policy.insert(gone, facts(gone.0.into()));
        for newcomer in (100..130).map(Slot) {
            policy.insert(newcomer, facts(newcomer.0.into()));
            assert_ne!(policy.evict(), Some(gone), "it was asked for twice, the others once");
        }
    }

    #[test]
    fn weights_are_zero_when_the_last_resident_has_left() {
        let mut policy = S3Fifo::new();
        for slot in (0..20).map(Slot) {
            policy.insert(slot, Facts { hash: slot.0.into(), weight: slot.0.into(), cost: Duration::ZERO });
            policy.touch(slot);
            policy.touch(slot);
        }
        // Pressure moves the first ones to the main queue, so that both queues have something to lose.
        policy.evict();
        policy.insert(Slot(30), Facts { hash: 30, weight: u64::MAX, cost: Duration::ZERO });
        policy.insert(Slot(31), Facts { hash: 31, weight: 1, cost: Duration::ZERO });
        assert!(policy.weights.iter().all(|weight| *weight > 0));
        for slot in (0..32).map(Slot) {
            policy.remove(slot);
        }
        assert_eq!((policy.len(), policy.weights), (0, [0, 0]));
    }
}
