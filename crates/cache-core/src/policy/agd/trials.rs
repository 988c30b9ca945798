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
/// Keys that a miniature cache holds at most. Where a few heavy residents make up the weight, and none of them is
/// sampled, the capacity alone would let it hold light ones without end.
const MAX_HELD: usize = 2 * MAX_SAMPLED;
/// Sampled residents asked for hits with each sampled newcomer.
const POLLED: usize = 8;
/// Slots of the real cache looked at with each sampled newcomer, after the sample grew, for those that belong to it.
const LOOKED_AT: usize = 1_024;
/// What is left of past misses after each verdict.
const FADING: f32 = 0.9;
/// Another mode has to save this share of the misses.
const MARGIN: f32 = 0.03;

const MODES: usize = Mode::ALL.len();

/// One miniature cache for each mode, fed with the requests of a sample of the keys.
#[derive(Debug)]
pub(super) struct Trials {
    caches: [Trial; MODES],
    /// Where the caches hold a key, by the 32 bits of hash that a ring keeps.
    index: HashTable<Place>,
    /// Keys with a mixed hash up to this are in the sample.
    limit: u32,
    /// Sampled residents of the real cache, in no order.
    sampled: Vec<Slot>,
    /// The next one of them to be asked for hits.
    next: usize,
    /// The next slot to be looked at since the sample grew; none when all were.
    unseen: Option<usize>,
    seen: u32,
}

/// A key that at least one of the caches holds.
#[derive(Debug)]
struct Place {
    hash: u32,
    /// [`ABSENT`] in those that do not.
    slots: [Slot; MODES],
}

const ABSENT: Slot = Slot(u32::MAX);

#[derive(Debug)]
struct Trial {
    ring: Ring,
    free: Vec<Slot>,
    /// Misses, past ones fading.
    misses: f32,
}

impl Trials {
    pub(super) fn new() -> Self {
        let caches = Mode::ALL.map(Trial::new);
        Self { caches, index: HashTable::new(), limit: u32::MAX, sampled: Vec::new(), next: 0, unseen: None, seen: 0 }
    }

    /// Whether the key of `hash` is in the sample.
    pub(super) const fn samples(&self, hash: u64) -> bool {
        sampled(self.limit, hash)
    }

    /// Notes that the real cache missed a sampled key and holds it in `slot`. The mode to go on with.
    pub(super) fn insert(&mut self, slot: Slot, facts: Facts, real: &mut Ring, sketch: &Sketch) -> Mode {
        self.poll(real, sketch);
        self.sampled.push(slot);
        self.look_for_more(real);
        self.request(facts, real, sketch);
        let most = (real.len() / SAMPLED_SHARE).clamp(MIN_SAMPLED, MAX_SAMPLED);
        if self.sampled.len() > most {
            self.limit /= 2;
            self.sampled.retain(|&slot| real.find(slot).is_some_and(|(hash, _)| sampled(self.limit, hash)));
            self.thin();
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
        self.forget(hash);
    }

    /// Bytes allocated, and those of the struct itself.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let slots = self.sampled.capacity() * size_of::<Slot>();
        size_of::<Self>() + slots + self.index.allocation_size() + self.caches.iter().map(Trial::bytes).sum::<usize>()
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

    /// Asks each cache for a key, which it holds from then on if it admits it.
    fn request(&mut self, facts: Facts, real: &Ring, sketch: &Sketch) {
        self.seen += 1;
        let capacity = (real.weight() * (u128::from(self.limit) + 1)) >> 32;
        let fits = u128::from(facts.weight) <= capacity;
        let found = self.index.find_mut(mix(facts.hash), |place| u64::from(place.hash) == facts.hash);
        let mut new = Place { hash: facts.hash as u32, slots: [ABSENT; MODES] };
        let is_new = found.is_none();
        let place = found.unwrap_or(&mut new);
        let (mut uses, mut grown) = (None, [false; MODES]);
        for (mode, (trial, slot)) in self.caches.iter_mut().zip(&mut place.slots).enumerate() {
            if *slot != ABSENT {
                trial.ring.touch(*slot);
                continue;
            }
            trial.misses += 1.0;
            if fits {
                grown[mode] = true;
                *slot = trial.insert(facts, *uses.get_or_insert_with(|| sketch.count(facts.hash)));
            }
        }
        if uses.is_none() {
            return;
        }
        if is_new {
            self.index.insert_unique(mix(facts.hash), new, |place| mix(place.hash.into()));
        }
        for mode in (0..MODES).filter(|&mode| grown[mode]) {
            self.shrink(mode, capacity, sketch);
        }
    }

    /// Evicts from the cache of a mode what does not fit into `capacity`.
    fn shrink(&mut self, mode: usize, capacity: u128, sketch: &Sketch) {
        let trial = &mut self.caches[mode];
        while trial.ring.weight() > capacity || trial.ring.len() > MAX_HELD {
            let Some(victim) = trial.ring.evict(sketch) else { return };
            trial.free.push(victim);
            let hash = mix(trial.ring.hash(victim));
            if let Ok(mut place) = self.index.find_entry(hash, |place| place.slots[mode] == victim) {
                place.get_mut().slots[mode] = ABSENT;
                if place.get().slots == [ABSENT; MODES] {
                    place.remove();
                }
            }
        }
    }

    /// Takes the key of `hash` out of every cache.
    fn forget(&mut self, hash: u64) {
        if let Ok(place) = self.index.find_entry(mix(hash), |place| u64::from(place.hash) == hash) {
            let (Place { slots, .. }, _) = place.remove();
            for (trial, slot) in self.caches.iter_mut().zip(slots).filter(|(_, slot)| *slot != ABSENT) {
                trial.ring.remove(slot);
                trial.free.push(slot);
            }
        }
    }

    /// Takes out keys that are no longer in the sample.
    fn thin(&mut self) {
        let hashes = self.index.iter().map(|place| u64::from(place.hash));
        let gone: Vec<u64> = hashes.filter(|&hash| !sampled(self.limit, hash)).collect();
        for hash in gone {
            self.forget(hash);
        }
    }

    /// Adds residents that belong to the sample since it grew. Not all at once: a lock is held meanwhile.
    fn look_for_more(&mut self, real: &Ring) {
        let Some(start) = self.unseen else { return };
        let end = (start + LOOKED_AT).min(real.slots());
        for slot in real.residents(start..end) {
            if sampled(self.limit, real.hash(slot)) && !self.sampled.contains(&slot) {
                self.sampled.push(slot);
            }
        }
        self.unseen = (end < real.slots()).then_some(end);
    }

    fn verdict(&mut self, real: &Ring) -> Mode {
        if self.seen < SESSION {
            return real.mode();
        }
        self.seen = 0;
        if self.sampled.len() < MAX_SAMPLED / 8 && self.limit < u32::MAX && self.unseen.is_none() {
            self.limit = self.limit * 2 + 1;
            self.sampled.clear();
            self.unseen = Some(0);
            self.look_for_more(real);
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
        Self { ring: Ring::new(mode), free: Vec::new(), misses: 0.0 }
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.ring.bytes() + self.free.capacity() * size_of::<Slot>()
    }

    fn insert(&mut self, facts: Facts, uses: u8) -> Slot {
        let slot = self.free.pop().unwrap_or(Slot(self.ring.len() as u32));
        self.ring.insert(slot, facts, uses);
        slot
    }
}

const fn sampled(limit: u32, hash: u64) -> bool {
    // Another product than the sketch's, lest the sample share its counters.
    (mix(hash).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32) as u32 <= limit
}
