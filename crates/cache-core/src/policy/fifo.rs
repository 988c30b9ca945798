//! `Fifo`: the oldest insertion goes first.

use super::{Facts, Policy, Slot, queues::Queues};

/// First in, first out: hits change nothing. Every operation takes constant time.
#[derive(Debug)]
pub struct Fifo(Queues<1>);

impl Fifo {
    /// An empty policy.
    pub const fn new() -> Self {
        Self(Queues::new())
    }
}

impl Default for Fifo {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Fifo {
    fn insert(&mut self, slot: Slot, _facts: Facts) {
        if self.0.queue_of(slot).is_none() {
            self.0.push_back(0, slot);
        }
    }

    fn touch(&self, _slot: Slot) {}

    fn remove(&mut self, slot: Slot) {
        self.0.remove(slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        self.0.pop_front(0)
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        self.0.clear();
    }

    fn len(&self) -> usize {
        self.0.len(0)
    }
}
