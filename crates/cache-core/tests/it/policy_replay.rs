//! Replays requests through a policy alone, and makes requests of several kinds.

use std::collections::HashMap;
use std::time::Duration;

use cache_core::{Facts, Policy, PolicyKind, Slot};

/// A read-through cache of keys: a miss inserts.
#[derive(Debug)]
pub(crate) struct Replay {
    policy: Box<dyn Policy>,
    slots: HashMap<u64, (Slot, u64)>,
    keys: HashMap<Slot, u64>,
    free: Vec<Slot>,
    capacity: u64,
    pub(crate) weight: u64,
}

impl Replay {
    pub(crate) fn new(kind: PolicyKind, capacity: u64) -> Self {
        let (policy, slots, keys) = (kind.build(capacity), HashMap::new(), HashMap::new());
        Self { policy, slots, keys, free: Vec::new(), capacity, weight: 0 }
    }

    /// Whether `key` is there; it is offered otherwise.
    pub(crate) fn request(&mut self, key: u64, weight: u64, cost: Duration) -> bool {
        if let Some(&(slot, _)) = self.slots.get(&key) {
            self.policy.touch(slot);
            return true;
        }
        let slot = self.free.pop().unwrap_or(Slot(self.slots.len() as u32));
        self.slots.insert(key, (slot, weight));
        self.keys.insert(slot, key);
        self.weight += weight;
        self.policy.insert(slot, Facts { hash: spread(key), weight, cost });
        while self.weight > self.capacity {
            let victim = self.policy.evict();
            let key = victim.and_then(|victim| self.keys.remove(&victim));
            let left = key.and_then(|key| self.slots.remove(&key));
            let (slot, weight) = left.unwrap_or((Slot(u32::MAX), 0));
            assert_eq!(victim, Some(slot), "a resident leaves");
            self.weight -= weight;
            self.free.push(slot);
        }
        assert_eq!(self.policy.len(), self.slots.len());
        false
    }

    /// Hits per request of keys of one weight and cost.
    pub(crate) fn ratio(&mut self, keys: &[u64]) -> f64 {
        let hits = keys.iter().filter(|&&key| self.request(key, 1, Duration::ZERO)).count();
        hits as f64 / keys.len() as f64
    }
}

/// Hits per request of a new cache of `entries`.
pub(crate) fn ratio(kind: PolicyKind, entries: u64, keys: &[u64]) -> f64 {
    Replay::new(kind, entries).ratio(keys)
}

fn spread(key: u64) -> u64 {
    let mixed = (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ mixed >> 31
}

/// Numbers from nought to one, the same in every run.
pub(crate) fn randoms(seed: u64) -> impl Iterator<Item = f64> {
    (0_u64..).map(move |turn| (spread(seed << 32 | turn) >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Keys below `keys`, the first ones asked for most: Zipf's law with an exponent of `skew`.
pub(crate) fn zipf(keys: usize, skew: f64, requests: usize) -> Vec<u64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-skew);
            sum
        })
        .collect();
    let rank = |random: f64| sums.partition_point(|&below| below < random * sum) as u64;
    randoms(keys as u64).map(rank).take(requests).collect()
}

/// All keys below `keys` over and over again.
pub(crate) fn cycle(keys: u64, requests: usize) -> Vec<u64> {
    (0..keys).cycle().take(requests).collect()
}

/// Each key twice, `apart` requests lie between, and never again.
pub(crate) fn pairs(apart: u64, requests: u64) -> Vec<u64> {
    (apart..apart + requests / 2).flat_map(|turn| [turn, turn - apart]).collect()
}
