//! `Sieve`: a hand that spares what was hit, over a queue that nothing moves in.

use super::{CHANCES, Facts, Policy, Slot, hits::Hits, queues::Queues};

const QUEUE: usize = 0;
/// Holds the newest resident alone, until the next one comes.
const NEWEST: usize = 1;

/// SIEVE: a hand goes from old to new, evicts the first entry not hit since it last passed, and stays there; hits
/// move nothing. Every operation takes constant time: one eviction spares 256 entries at most. A hit is one atomic load
/// and at most one store.
///
/// After Zhang, Yang, Yue, Vigfusson, Rashmi: "SIEVE is simpler than LRU" (NSDI 2024), where room is made before
/// the newcomer is queued; here the newest resident is a victim only when it is the last one, which is the same.
#[derive(Debug)]
pub struct Sieve {
    queues: Queues<2>,
    hits: Hits,
    /// The next slot to look at; the oldest one where this is none.
    hand: Option<Slot>,
}

impl Sieve {
    /// An empty policy.
    pub const fn new() -> Self {
        Self { queues: Queues::new(), hits: Hits::new(), hand: None }
    }
}

impl Default for Sieve {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Sieve {
    fn insert(&mut self, slot: Slot, _facts: Facts) {
        if self.queues.queue_of(slot).is_some() {
            return;
        }
        if let Some(last) = self.queues.pop_front(NEWEST) {
            self.queues.push_back(QUEUE, last);
        }
        self.hits.start(slot);
        self.queues.push_back(NEWEST, slot);
    }

    fn touch(&self, slot: Slot) {
        self.hits.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        if self.hand == Some(slot) {
            self.hand = self.queues.newer(slot);
        }
        self.queues.remove(slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        let mut chances = CHANCES;
        while let Some(slot) = self.hand.or_else(|| self.queues.front(QUEUE)) {
            self.hand = self.queues.newer(slot);
            if self.hits.take(slot) == 0 || chances == 0 {
                self.queues.remove(slot);
                return Some(slot);
            }
            chances -= 1;
        }
        self.queues.pop_front(NEWEST)
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        self.queues.len(QUEUE) + self.queues.len(NEWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::hits::spares_few;

    #[test]
    fn one_eviction_spares_a_bounded_number() {
        spares_few(Sieve::new(), |policy| &policy.hits);
    }
}
