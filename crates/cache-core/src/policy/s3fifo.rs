//! `S3Fifo`: three queues that filter one-hit wonders.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};

use hashbrown::HashTable;

use super::{Facts, Policy, Slot, queues::Queues};

const SMALL: usize = 0;
const MAIN: usize = 1;
/// Hits beyond this are not counted.
const MAX_HITS: u8 = 3;
/// The small queue's share of the resident weight is one in this many.
const SMALL_SHARE: u128 = 10;

/// S3-FIFO: newcomers wait in a small queue of a tenth of the weight; those hit more than once there move to the
/// main queue, the rest leave and are remembered by hash, and a remembered key that comes back enters the main
/// queue at once. Every operation takes amortised constant time; a hit is one atomic addition.
///
/// After Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction" (SOSP 2023). Weights
/// instead of counts decide the small queue's share, of what is resident rather than of the capacity, so the
/// policy needs to know no capacity.
#[derive(Debug)]
pub struct S3Fifo {
    queues: Queues<2>,
    slots: Vec<Resident>,
    weights: [u128; 2],
    ghosts: Ghosts,
}

#[derive(Debug, Default)]
struct Resident {
    hash: u64,
    weight: u64,
    hits: AtomicU8,
}

impl S3Fifo {
    /// An empty policy.
    pub fn new() -> Self {
        Self { queues: Queues::new(), slots: Vec::new(), weights: [0; 2], ghosts: Ghosts::default() }
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

    /// Evicts from the small queue, moving what earned it to the main queue.
    fn evict_small(&mut self) -> Option<Slot> {
        while let Some(slot) = self.pop(SMALL) {
            let resident = &mut self.slots[slot.index()];
            if *resident.hits.get_mut() <= 1 {
                let hash = resident.hash;
                self.ghosts.remember(hash, self.len());
                return Some(slot);
            }
            *resident.hits.get_mut() = 0;
            self.push(MAIN, slot);
        }
        None
    }

    /// Evicts from the main queue, giving each entry one more round per hit.
    fn evict_main(&mut self) -> Option<Slot> {
        while let Some(slot) = self.pop(MAIN) {
            let hits = self.slots[slot.index()].hits.get_mut();
            if *hits == 0 {
                return Some(slot);
            }
            *hits -= 1;
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
        if slot.index() >= self.slots.len() {
            self.slots.resize_with(slot.index() + 1, Resident::default);
        }
        self.slots[slot.index()] = Resident { hash: facts.hash, weight: facts.weight, hits: AtomicU8::new(0) };
        let queue = if self.ghosts.forget(facts.hash) { MAIN } else { SMALL };
        self.push(queue, slot);
    }

    fn touch(&self, slot: Slot) {
        if self.queues.queue_of(slot).is_some() {
            let hits = &self.slots[slot.index()].hits;
            // Most hits find the counter full; those must not write to a shared cache line.
            if hits.load(Ordering::Relaxed) < MAX_HITS {
                hits.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(queue) = self.queues.remove(slot) {
            self.weights[queue] -= u128::from(self.slots[slot.index()].weight);
            self.ghosts.trim(self.len());
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let victim = if self.small_is_over_its_share() { self.evict_small() } else { None };
        let victim = victim.or_else(|| self.evict_main()).or_else(|| self.evict_small());
        self.ghosts.trim(self.len());
        victim
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        self.queues.len(SMALL) + self.queues.len(MAIN)
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
