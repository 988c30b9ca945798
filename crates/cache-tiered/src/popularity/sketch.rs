//! `Sketch`: the keys hit most, with decayed counts, in bounded memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use cache_core::{Key, Timestamp};

/// After how many half-lives the landmark moves: far from where a sum of weights loses its last digits.
const FAR: f64 = 64.0;

/// Space-Saving over forward-decayed weights.
///
/// A hit weighs 2^(half-lives since a landmark), fixed when it is counted, so that the order of keys never changes by
/// waiting; what a weight is worth at an instant is that weight over the weight of a hit at that instant.
pub(super) struct Sketch {
    capacity: usize,
    half_life: f64,
    landmark: Timestamp,
    /// The latest instant seen; a clock set back counts as standing there.
    latest: Timestamp,
    /// Weight of a hit at `latest`.
    unit: f64,
    slots: Vec<Slot>,
    /// By the hash of the key. Of two keys that share one, the second is not counted while the first is here.
    places: HashMap<u64, usize>,
    /// Each slot once, under a weight that it has or has outgrown: the least is put right when it is asked for.
    order: BinaryHeap<Reverse<(u64, usize)>>,
}

/// A key with the most that it can weigh, and how much of that may belong to keys whose place it took.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) key: Key,
    pub(super) weight: f64,
    pub(super) error: f64,
}

impl Sketch {
    /// An empty sketch of at most `capacity` keys, at least one.
    pub(super) fn new(capacity: usize, half_life: Duration, now: Timestamp) -> Self {
        Self {
            capacity: capacity.max(1),
            half_life: (half_life.as_secs_f64() * 1e3).max(1.0),
            landmark: now,
            latest: now,
            unit: 1.0,
            slots: Vec::new(),
            places: HashMap::new(),
            order: BinaryHeap::new(),
        }
    }

    /// Counts one hit at `now`.
    pub(super) fn hit(&mut self, key: &Key, now: Timestamp) {
        self.advance(now);
        self.add(key, self.unit, 0.0);
    }

    /// Counts what another sketch knew of a key, in hits worth at `now`.
    pub(super) fn merge(&mut self, saved: &Slot, now: Timestamp) {
        self.advance(now);
        self.add(&saved.key, saved.weight * self.unit, saved.error * self.unit);
    }

    /// The slot of `key`, in hits worth at `now`.
    pub(super) fn get(&mut self, key: &Key, now: Timestamp) -> Option<Slot> {
        self.advance(now);
        let slot = &self.slots[*self.places.get(&key.hash64())?];
        (slot.key == *key).then(|| self.worth(slot))
    }

    /// Every slot, in hits worth at `now`.
    pub(super) fn slots(&mut self, now: Timestamp) -> impl Iterator<Item = Slot> {
        self.advance(now);
        self.slots.iter().map(|slot| self.worth(slot))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn worth(&self, slot: &Slot) -> Slot {
        Slot { key: slot.key.clone(), weight: slot.weight / self.unit, error: slot.error / self.unit }
    }

    fn advance(&mut self, now: Timestamp) {
        if now <= self.latest {
            return;
        }
        self.latest = now;
        let half_lives = self.half_lives();
        self.unit = half_lives.exp2();
        if half_lives > FAR {
            self.move_landmark();
        }
    }

    fn half_lives(&self) -> f64 {
        self.latest.since(self.landmark).as_secs_f64() * 1e3 / self.half_life
    }

    fn move_landmark(&mut self) {
        // A product, not a quotient: the unit may be infinite after a very long pause.
        let factor = (-self.half_lives()).exp2();
        for slot in &mut self.slots {
            slot.weight *= factor;
            slot.error *= factor;
        }
        (self.landmark, self.unit) = (self.latest, 1.0);
        self.order = self.slots.iter().enumerate().map(|(place, slot)| Reverse((rank(slot.weight), place))).collect();
    }

    fn add(&mut self, key: &Key, weight: f64, error: f64) {
        if let Some(&place) = self.places.get(&key.hash64()) {
            let slot = &mut self.slots[place];
            if slot.key == *key {
                slot.weight += weight;
                slot.error += error;
            }
        } else if self.slots.len() < self.capacity {
            let place = self.slots.len();
            self.places.insert(key.hash64(), place);
            self.order.push(Reverse((rank(weight), place)));
            self.slots.push(Slot { key: key.clone(), weight, error });
        } else {
            self.replace_least(key, weight, error);
        }
    }

    /// Gives `key` the place of the lightest slot. Every hit makes at most one rank out of date, so that putting them
    /// right costs O(log keys) per hit over time.
    fn replace_least(&mut self, key: &Key, weight: f64, error: f64) {
        while let Some(mut least) = self.order.peek_mut() {
            let Reverse((ranked, place)) = *least;
            let slot = &mut self.slots[place];
            let current = rank(slot.weight);
            if current == ranked {
                self.places.remove(&slot.key.hash64());
                self.places.insert(key.hash64(), place);
                *slot = Slot { key: key.clone(), weight: slot.weight + weight, error: slot.weight + error };
                return;
            }
            *least = Reverse((current, place));
        }
    }
}

/// A number that orders like `weight`, which is not negative.
const fn rank(weight: f64) -> u64 {
    weight.to_bits()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these weights are exact")]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_mins(1);

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn at(half_lives: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + half_lives * 60_000)
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_lightest_and_says_what_is_not_its_own() {
        let mut sketch = Sketch::new(2, HALF, at(0));
        for name in ["a", "a", "a", "b", "b", "c"] {
            sketch.hit(&key(name), at(0));
        }
        assert!(sketch.get(&key("b"), at(0)).is_none());
        let newcomer = sketch.get(&key("c"), at(0)).unwrap();
        assert_eq!((newcomer.weight, newcomer.error), (3.0, 2.0));
        assert_eq!((sketch.len(), sketch.places.len(), sketch.order.len()), (2, 2, 2));
    }

    #[test]
    fn moving_the_landmark_changes_no_worth() {
        let (mut moved, mut still) = (Sketch::new(8, HALF, at(0)), Sketch::new(8, HALF, at(40)));
        for half_lives in 41..=90 {
            for sketch in [&mut moved, &mut still] {
                sketch.hit(&key("a"), at(half_lives));
                sketch.hit(&key(&half_lives.to_string()), at(half_lives));
            }
        }
        assert!(moved.landmark > at(60) && still.landmark == at(40));
        for half_lives in 84..=90 {
            let name = key(&half_lives.to_string());
            let (moved, still) = (moved.get(&name, at(90)).unwrap(), still.get(&name, at(90)).unwrap());
            assert!((moved.weight / still.weight - 1.0).abs() < 1e-9, "{moved:?} {still:?}");
        }
    }

    #[test]
    fn a_pause_beyond_the_range_of_numbers_leaves_nothing_and_breaks_nothing() {
        let mut sketch = Sketch::new(2, HALF, at(0));
        sketch.hit(&key("a"), at(0));
        assert_eq!(sketch.get(&key("a"), at(1_000_000)).unwrap().weight, 0.0);
        sketch.hit(&key("a"), at(1_000_000));
        assert_eq!(sketch.get(&key("a"), at(1_000_000)).unwrap().weight, 1.0);
        assert!(sketch.get(&key("a"), Timestamp::NEVER).unwrap().weight.is_finite());
    }
}
