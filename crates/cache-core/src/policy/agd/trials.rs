//! `Trials`: miniature caches that show which mode would miss least.

use std::time::Duration;

use hashbrown::HashTable;

use super::ring::{Mode, Ring};
use crate::policy::{Facts, Slot, sketch::Sketch, sketch::mix};

/// Sampled residents at most; half as many at least, when there are enough.
const MAX_SAMPLED: usize = 192;
/// One resident in this many is sampled at most: what is kept of samples stays small beside what is kept of residents.
const SAMPLED_SHARE: usize = 2;
/// As many may always be sampled: with fewer, trials cannot tell merit from chance.
const MIN_SAMPLED: usize = 64;
/// Requests of sampled keys between two verdicts.
const SESSION: u32 = 128;
/// Sampled residents asked for hits with each sampled newcomer.
const POLLED: usize = 8;
/// What is left of past misses after each verdict.
const FADING: f32 = 0.9;
/// Another mode has to save this share of the misses.
const MARGIN: f32 = 0.03;

/// One miniature cache for each mode, fed with the requests of a sample of the keys.
#[derive(Debug)]
pub(super) struct Trials {
    caches: [Trial; Mode::ALL.len()],
    /// Keys with a mixed hash up to this are in the sample.
    limit: u32,
    /// Sampled residents of the real cache, in no order.
    sampled: Vec<Slot>,
    /// The next one of them to be asked for hits.
    next: usize,
    seen: u32,
}

#[derive(Debug)]
struct Trial {
    ring: Ring,
    /// Slots by the 32 bits of hash that a ring keeps.
    index: HashTable<(u32, Slot)>,
    free: Vec<Slot>,
    /// Misses, past ones fading.
    misses: f32,
}

impl Trials {
    pub(super) fn new() -> Self {
        let caches = Mode::ALL.map(Trial::new);
        Self { caches, limit: u32::MAX, sampled: Vec::new(), next: 0, seen: 0 }
    }

    /// Whether the key of `hash` is in the sample.
    pub(super) const fn samples(&self, hash: u64) -> bool {
        sampled(self.limit, hash)
    }

    /// Notes that the real cache missed a sampled key and holds it in `slot`. The mode to go on with.
    pub(super) fn insert(&mut self, slot: Slot, facts: Facts, real: &mut Ring, sketch: &Sketch) -> Mode {
        self.poll(real, sketch);
        self.sampled.push(slot);
        self.request(facts, real, sketch);
        let most = (real.len() / SAMPLED_SHARE).clamp(MIN_SAMPLED, MAX_SAMPLED);
        if self.sampled.len() > most {
            self.limit /= 2;
            self.sampled.retain(|&slot| real.find(slot).is_some_and(|(hash, _)| sampled(self.limit, hash)));
            self.caches.iter_mut().for_each(|trial| trial.thin(self.limit));
        }
        self.verdict(real)
    }

    /// Notes that the real cache evicted the sampled key in `slot`.
    pub(super) fn evict(&mut self, slot: Slot) {
        if let Some(at) = self.sampled.iter().position(|&other| other == slot) {
            self.sampled.swap_remove(at);
        }
    }

    /// Notes that a sampled key is gone for other reasons.
    pub(super) fn remove(&mut self, slot: Slot, hash: u64) {
        self.evict(slot);
        self.caches.iter_mut().for_each(|trial| trial.remove(hash));
    }

    /// Bytes allocated, and those of the struct itself.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let slots = self.sampled.capacity() * size_of::<Slot>();
        size_of::<Self>() + slots + self.caches.iter().map(Trial::bytes).sum::<usize>()
    }

    /// Passes on the hits of some sampled residents.
    fn poll(&mut self, real: &mut Ring, sketch: &Sketch) {
        for _ in 0..POLLED.min(self.sampled.len()) {
            self.next = (self.next + 1) % self.sampled.len();
            let slot = self.sampled[self.next];
            if let Some((hash, weight)) = real.find(slot).filter(|_| real.hits.poll(slot)) {
                self.request(Facts { hash, weight, cost: Duration::ZERO }, real, sketch);
            }
        }
    }

    /// Asks each trial for a key.
    fn request(&mut self, facts: Facts, real: &Ring, sketch: &Sketch) {
        let capacity = (real.weight() * (u128::from(self.limit) + 1)) >> 32;
        self.caches.iter_mut().for_each(|trial| trial.request(facts, capacity, sketch));
        self.seen += 1;
    }

    fn verdict(&mut self, real: &Ring) -> Mode {
        if self.seen < SESSION {
            return real.mode();
        }
        self.seen = 0;
        if self.sampled.len() < MAX_SAMPLED / 8 && self.limit < u32::MAX {
            self.limit = self.limit * 2 + 1;
            self.sampled = real.residents().filter(|&slot| sampled(self.limit, real.hash(slot))).collect();
        }
        let misses = |mode: Mode| self.caches[mode as usize].misses;
        let best = Mode::ALL.into_iter().min_by(|a, b| misses(*a).total_cmp(&misses(*b))).unwrap_or(real.mode());
        let better = misses(best) + 1.0 < misses(real.mode()) * (1.0 - MARGIN);
        self.caches.iter_mut().for_each(|trial| trial.misses *= FADING);
        if better { best } else { real.mode() }
    }
}

impl Trial {
    fn new(mode: Mode) -> Self {
        Self { ring: Ring::new(mode), index: HashTable::new(), free: Vec::new(), misses: 0.0 }
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.ring.bytes() + self.index.allocation_size() + self.free.capacity() * size_of::<Slot>()
    }

    fn find(&self, hash: u64) -> Option<Slot> {
        self.index.find(mix(hash), |&(other, _)| u64::from(other) == hash).map(|&(_, slot)| slot)
    }

    fn request(&mut self, facts: Facts, capacity: u128, sketch: &Sketch) {
        if let Some(slot) = self.find(facts.hash) {
            return self.ring.hits.touch(slot);
        }
        self.misses += 1.0;
        if u128::from(facts.weight) > capacity {
            return;
        }
        let slot = self.free.pop().unwrap_or(Slot(self.ring.len() as u32));
        self.ring.insert(slot, facts, sketch.count(facts.hash));
        self.index.insert_unique(mix(facts.hash), (facts.hash as u32, slot), |&(hash, _)| mix(hash.into()));
        while self.ring.weight() > capacity {
            let Some((victim, hash)) = self.evict(sketch) else { return };
            self.forget(victim, hash);
        }
    }

    fn evict(&mut self, sketch: &Sketch) -> Option<(Slot, u64)> {
        let victim = self.ring.evict(sketch)?;
        Some((victim, self.ring.hash(victim)))
    }

    fn remove(&mut self, hash: u64) {
        if let Some(slot) = self.find(hash) {
            self.ring.remove(slot);
            self.forget(slot, hash);
        }
    }

    /// Forgets keys that are no longer in the sample.
    fn thin(&mut self, limit: u32) {
        let gone: Vec<u64> =
            self.index.iter().map(|&(hash, _)| hash.into()).filter(|&hash| !sampled(limit, hash)).collect();
        for hash in gone {
            self.remove(hash);
        }
    }

    fn forget(&mut self, slot: Slot, hash: u64) {
        if let Ok(place) = self.index.find_entry(mix(hash), |&(_, other)| other == slot) {
            place.remove();
        }
        self.free.push(slot);
    }
}

const fn sampled(limit: u32, hash: u64) -> bool {
    // Another product than the sketch's, lest the sample share its counters.
    (mix(hash).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32) as u32 <= limit
}
