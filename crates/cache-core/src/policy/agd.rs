//! `Agd`: an adaptive policy that tries several on a sample of the keys.

mod ring;
mod trials;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ring::{Mode, Ring};
use trials::Trials;

use super::{Facts, Policy, Slot, sketch::Sketch, sketch::mix};

/// The mode before there is a verdict.
const FIRST: Mode = Mode::Filter;
/// Additions to the sketch until it is halved, for each resident.
const PERIOD: usize = 32;

/// Adaptive `GreedyDual`: one clock in four modes, of which the one goes on that would have missed least lately.
///
/// Residents wait in a ring of queues under a hand; how far ahead of the hand an entry is put says how long it
/// stays unless it is hit. By *recency* they go equally far, from where the hand was when they were last used. By
/// *value* they go as far as they were asked for often, times mean weight by own weight, so that heavy entries earn
/// their place. As a *filter*, newcomers pass a window first and enter the ring only if a sketch says that they are asked for more often than its victim. To
/// *keep* what there is, they have to be asked for more often by two. All modes share residents, ring and sketch:
/// a change of mode moves a window's worth of entries at most, some with each insertion.
///
/// Four miniature caches of 96 to 192 entries, one in each mode, are fed with the requests of a sample of the keys
/// chosen by hash: of up to half of them in a smaller cache, of all in one of 64. After every 128 sampled requests the
/// mode changes if another one missed less by a thirtieth, past misses fading by a tenth each time. Hits of sampled
/// residents are read from their bytes in turn, so a hit is one atomic load and at most one store, whether sampled or not.
///
/// Every operation takes constant time, save where a table grows or the sketch halves its counts: one eviction spares or
/// moves 256 entries at most. Of keys that are gone it remembers counts only, in 12 to 18 bytes for each resident that
/// there was at the peak. The miniature caches take about 300 for each in the sample: 56 KiB at most where weights are
/// alike, 112 where they are not. Costs are ignored: it saves requests; [`Gdsf`](super::Gdsf) is the one that saves time.
///
/// After Young, "The k-server dual and loose competitiveness for paging" (1994), for `GreedyDual`; Einziger,
/// Friedman and Manes, "`TinyLFU`" (2017), for the filter; Waldspurger, Saemundsson, Ahmad and Park, "Cache modeling
/// and optimization using miniature simulations" (USENIX ATC 2017), for the choice.
#[derive(Debug)]
pub struct Agd {
    ring: Ring,
    sketch: Sketch,
    /// Apart: what a hit reads stays together. A follower has none.
    trials: Option<Box<Trials>>,
    /// The mode that the last verdict chose, for the followers.
    verdict: Arc<AtomicU8>,
}

impl Agd {
    /// An empty policy.
    pub fn new() -> Self {
        Self::with(Some(Box::new(Trials::new())), Arc::default())
    }

    /// An empty policy that makes no trials: it goes on in the mode that the trials of this one choose.
    ///
    /// For the other shards of a cache: keys are spread over shards by their hashes, so the keys of one shard are as
    /// good a sample as any, and one set of miniature caches is enough for all.
    pub fn follower(&self) -> Self {
        Self::with(None, self.verdict.clone())
    }

    /// An empty policy in the place of this one: it leads those who follow this one, or follows whom this one follows.
    pub(crate) fn successor(&self) -> Self {
        Self::with(self.trials.as_ref().map(|_| Box::new(Trials::new())), self.verdict.clone())
    }

    fn with(trials: Option<Box<Trials>>, verdict: Arc<AtomicU8>) -> Self {
        if trials.is_some() {
            verdict.store(FIRST as u8, Ordering::Relaxed);
        }
        Self { ring: Ring::new(FIRST), sketch: Sketch::new(PERIOD), trials, verdict }
    }

    /// Notes that a sampled key is in `slot`, as far as this policy makes trials; goes on in the mode found best.
    fn try_out(&mut self, slot: Slot, facts: Facts) {
        match &mut self.trials {
            Some(trials) if trials.samples(facts.hash) => {
                let mode = trials.insert(slot, facts, &mut self.ring, &self.sketch);
                // Relaxed: a mode is all that there is to know.
                self.verdict.store(mode as u8, Ordering::Relaxed);
                self.ring.set_mode(mode);
            }
            Some(_) => {}
            None => self.ring.set_mode(Mode::ALL[usize::from(self.verdict.load(Ordering::Relaxed)) % Mode::ALL.len()]),
        }
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
        let uses = self.sketch.note(facts.hash);
        self.ring.insert(slot, facts, uses);
        self.try_out(slot, facts);
    }

    #[inline]
    fn touch(&self, slot: Slot) {
        self.ring.touch(slot);
    }

    fn remove(&mut self, slot: Slot) {
        if let Some((hash, _)) = self.ring.find(slot) {
            self.ring.remove(slot);
            if let Some(trials) = self.trials.as_mut().filter(|trials| trials.samples(hash)) {
                trials.remove(slot, hash);
            }
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let victim = self.ring.evict(&mut self.sketch)?;
        let hash = self.ring.hash(victim);
        if let Some(trials) = self.trials.as_mut().filter(|trials| trials.samples(hash)) {
            trials.evict(victim);
        }
        Some(victim)
    }

    fn resize(&mut self, _capacity: u64) {}

    fn clear(&mut self) {
        *self = self.successor();
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
    fn one_eviction_spares_a_bounded_number() {
        for mode in Mode::ALL {
            let mut policy = Agd::new();
            policy.trials = None;
            policy.verdict.store(mode as u8, Ordering::Relaxed);
            crate::policy::hits::spares_few(policy, |policy| &policy.ring.hits);
        }
    }

    const FACTS: Facts = Facts { hash: 0, weight: 1, cost: Duration::ZERO };

    #[test]
    fn a_follower_goes_on_in_the_mode_that_its_leader_finds_best() {
        let mut leader = Agd::new();
        let mut follower = leader.follower();
        let mut resident = [false; 300];
        for key in (0..300).cycle().take(30_000) {
            let slot = Slot(key);
            if std::mem::replace(&mut resident[slot.index()], true) {
                leader.touch(slot);
                continue;
            }
            leader.insert(slot, Facts { hash: key.into(), ..FACTS });
            if leader.len() > 200 {
                let victim = leader.evict().unwrap();
                resident[victim.index()] = false;
            }
        }
        assert_ne!(leader.ring.mode(), FIRST, "in a loop, others do better");
        assert_eq!(follower.ring.mode(), FIRST);
        follower.insert(Slot(0), FACTS);
        assert_eq!(follower.ring.mode(), leader.ring.mode());
        let mut heir = follower.successor();
        follower.clear();
        heir.insert(Slot(0), FACTS);
        assert_eq!(heir.ring.mode(), leader.ring.mode(), "only the leader starts anew");
        leader.clear();
        heir.insert(Slot(1), FACTS);
        assert_eq!(heir.ring.mode(), FIRST);
    }

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
            let trials = policy.trials.as_ref().map_or(0, |trials| trials.bytes());
            assert!(trials <= 56 << 10, "{trials} bytes of miniature caches");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_when_few_residents_make_up_the_weight() {
        const HEAVY: u32 = 10;
        let mut policy = Agd::new();
        let weight = 1 << 30;
        for slot in 0..HEAVY {
            policy.insert(Slot(slot), Facts { hash: slot.into(), weight, cost: Duration::ZERO });
        }
        let mut next = Slot(HEAVY);
        for key in 0..200_000_u64 {
            policy.insert(next, Facts { hash: key << 8, ..FACTS });
            next = Slot(policy.len() as u32);
            while policy.len() > 1_000 {
                next = policy.evict().unwrap();
                if next.0 < HEAVY {
                    policy.insert(next, Facts { hash: next.0.into(), weight, cost: Duration::ZERO });
                }
            }
        }
        let trials = policy.trials.as_ref().map_or(0, |trials| trials.bytes());
        assert!(trials <= 112 << 10, "{trials} bytes of miniature caches");
    }
}
