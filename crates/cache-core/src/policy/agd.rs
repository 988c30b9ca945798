//! `Agd`: an adaptive policy that tries several on a sample of the keys.

mod ring;
mod trials;

use ring::{Mode, Ring};
use trials::Trials;

use super::{Facts, Policy, Slot, sketch::Sketch, sketch::mix};

/// Additions to the sketch until it is halved, for each resident.
const PERIOD: usize = 32;

/// Adaptive `GreedyDual`: one clock in four modes, of which the one goes on that would have missed least lately.
///
/// Residents wait in a ring of queues under a hand; how far ahead of the hand an entry is put says how long it
/// stays unless it is hit. By *recency* all entries go equally far. By *value* they go as far as they were asked for
/// often, times mean weight by own weight, so that heavy entries earn their place. As a *filter*, newcomers pass a
/// window first and enter the ring only if a sketch says that they are asked for more often than its victim. To
/// *keep* what there is, they have to be asked for more often by two. All modes share residents, ring and sketch:
/// a change of mode moves a window's worth of entries at most.
///
/// Four miniature caches of 96 to 192 entries, one in each mode, are fed with the requests of a sample of the keys
/// chosen by hash: of up to half of them in a smaller cache, of all in one of 64. After every 128 sampled requests the mode changes if
/// another one missed less by a thirtieth, past misses fading by a tenth each time. Hits of sampled residents are
/// read from their bytes in turn, so a hit is one atomic load and at most one store, whether sampled or not.
///
/// Every operation takes amortised constant time. Of keys that are gone it remembers counts only, in 12 to 18 bytes
/// for each resident that there was at the peak. The miniature caches take about 300 for each in the sample, 56 KiB
/// at most. Costs are ignored: it saves requests; [`Gdsf`](super::Gdsf) is the one that saves time.
///
/// After Young, "The k-server dual and loose competitiveness for paging" (1994), for `GreedyDual`; Einziger,
/// Friedman and Manes, "`TinyLFU`" (2017), for the filter; Waldspurger, Saemundsson, Ahmad and Park, "Cache modeling
/// and optimization using miniature simulations" (USENIX ATC 2017), for the choice.
#[derive(Debug)]
pub struct Agd {
    ring: Ring,
    sketch: Sketch,
    /// Apart: what a hit reads stays together.
    trials: Box<Trials>,
}

impl Agd {
    /// An empty policy.
    pub fn new() -> Self {
        Self { ring: Ring::new(Mode::Filter), sketch: Sketch::new(PERIOD), trials: Box::new(Trials::new()) }
    }
}

impl Default for Agd {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Agd {
    fn insert(&mut self, slot: Slot, facts: Facts) {
        if self.ring.find(slot).is_some() {
            return;
        }
        // As many bits as the ring keeps: a key has to look the same when it leaves.
        let hash = mix(facts.hash) >> 32;
        let facts = Facts { hash, weight: facts.weight.max(1), ..facts };
        self.sketch.reserve(self.ring.len() + 1);
        self.sketch.add(facts.hash, 1);
        self.ring.insert(slot, facts, self.sketch.count(facts.hash));
        if self.trials.samples(facts.hash) {
            let mode = self.trials.insert(slot, facts, &mut self.ring, &self.sketch);
            self.ring.set_mode(mode);
        }
    }

    #[inline]
    fn touch(&self, slot: Slot) {
        self.ring.hits.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        if let Some((hash, _)) = self.ring.find(slot) {
            self.ring.remove(slot);
            if self.trials.samples(hash) {
                self.trials.remove(slot, hash);
            }
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let victim = self.ring.evict(&mut self.sketch)?;
        if self.trials.samples(self.ring.hash(victim)) {
            self.trials.evict(victim);
        }
        Some(victim)
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn len(&self) -> usize {
        self.ring.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        for residents in [10, 1_000, 20_000] {
            let mut policy = Agd::new();
            for key in 0..200_000_u64 {
                let slot = Slot((key % (residents + 1)) as u32);
                policy.remove(slot);
                policy.insert(slot, Facts { hash: key, weight: 1, cost: Duration::ZERO });
                if policy.len() as u64 > residents {
                    policy.evict();
                }
            }
            let bytes = policy.sketch.bytes();
            assert!(bytes <= 18 * (residents as usize + 1) + 128, "{bytes} bytes for {residents} residents");
            let trials = policy.trials.bytes();
            assert!(trials <= 56 << 10, "{trials} bytes of miniature caches");
        }
    }
}
