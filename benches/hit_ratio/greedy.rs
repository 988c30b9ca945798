//! The textbook's Greedy-Dual-Size-Frequency for hits, as a yardstick for caches with weights.

use std::collections::{BTreeSet, HashMap};

use benches::replay::Replayed;
use benches::trace::Request;

/// Evicts the least of *age + uses / weight*, where the age is the last victim's value; with an exact order, updated at
/// each hit, and room made before the newcomer is valued. After Cherkasova (1998), as in libCacheSim.
pub(crate) struct Greedy {
    held: HashMap<u32, Held>,
    /// Values as ordered bits.
    order: BTreeSet<(u64, u32)>,
    age: f64,
    weight: u64,
    capacity: u64,
}

struct Held {
    value: u64,
    uses: f64,
    weight: u64,
}

impl Greedy {
    pub(crate) fn new(capacity: u64) -> Self {
        Self { held: HashMap::new(), order: BTreeSet::new(), age: 0.0, weight: 0, capacity }
    }

    fn place(&mut self, key: u32, uses: f64, weight: u64) {
        // The bits of floats that are not negative are in the order of the floats.
        let value = (self.age + uses / weight as f64).to_bits();
        self.order.insert((value, key));
        self.held.insert(key, Held { value, uses, weight });
    }
}

impl Replayed for Greedy {
    fn request(&mut self, request: &Request) -> bool {
        if let Some(Held { value, uses, weight }) = self.held.remove(&request.key) {
            self.order.remove(&(value, request.key));
            self.place(request.key, uses + 1.0, weight);
            return true;
        }
        if request.bytes > self.capacity {
            return false;
        }
        while self.weight + request.bytes > self.capacity {
            let Some((value, key)) = self.order.pop_first() else { break };
            self.age = f64::from_bits(value);
            self.weight -= self.held.remove(&key).map_or(0, |held| held.weight);
        }
        self.weight += request.bytes;
        self.place(request.key, 1.0, request.bytes);
        false
    }
}
