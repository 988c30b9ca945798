//! SLRU and SIEVE do exactly what a list does.

use std::collections::HashMap;
use std::time::Duration;

use cache_core::{Facts, Policy, Sieve, Slot, Slru};
use proptest::prelude::*;

use crate::laws;

#[derive(Debug, Clone, Copy)]
enum Op {
    Insert(Slot, u64),
    Touch(Slot),
    Remove(Slot),
    Evict,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let slot = || (0..10_u32).prop_map(Slot);
    let op = prop_oneof![
        12 => (slot(), 1..5_u64).prop_map(|(slot, weight)| Op::Insert(slot, weight)),
        12 => slot().prop_map(Op::Touch),
        2 => slot().prop_map(Op::Remove),
        8 => Just(Op::Evict),
    ];
    prop::collection::vec(op, 1..60)
}

fn apply(policy: &mut dyn Policy, op: Op) -> Option<Slot> {
    match op {
        Op::Insert(slot, weight) => policy.insert(slot, Facts { hash: slot.0.into(), weight, cost: Duration::ZERO }),
        Op::Touch(slot) => policy.touch(slot),
        Op::Remove(slot) => policy.remove(slot),
        Op::Evict => return policy.evict(),
    }
    None
}

/// Two lists, the next to go first in each; a hit waits in `hit` until eviction finds the slot in front.
#[derive(Debug, Default)]
struct SlruModel {
    probation: Vec<Slot>,
    /// Slots with the time of the use that each is known for.
    protected: Vec<(u64, Slot)>,
    hit: HashMap<Slot, u64>,
    weights: HashMap<Slot, u64>,
    now: u64,
}

impl SlruModel {
    fn apply(&mut self, op: Op) -> Option<Slot> {
        self.now += 1;
        match op {
            Op::Insert(slot, weight) if !self.weights.contains_key(&slot) => {
                self.probation.push(slot);
                self.weights.insert(slot, weight);
            }
            Op::Touch(slot) if self.weights.contains_key(&slot) => {
                self.hit.insert(slot, self.now);
            }
            Op::Remove(slot) => self.forget(slot),
            Op::Evict => return self.evict(),
            Op::Insert(..) | Op::Touch(_) => {}
        }
        None
    }

    fn forget(&mut self, slot: Slot) {
        self.probation.retain(|&other| other != slot);
        self.protected.retain(|&(_, other)| other != slot);
        self.hit.remove(&slot);
        self.weights.remove(&slot);
    }

    /// The least recently used protected slot, once those in front that were hit have moved back.
    fn oldest_protected(&mut self) -> Option<Slot> {
        loop {
            self.protected.sort_unstable();
            let slot = self.protected.first()?.1;
            let Some(used) = self.hit.remove(&slot) else { return Some(slot) };
            self.protected[0].0 = used;
        }
    }

    fn protected_weight(&self) -> u64 {
        self.protected.iter().map(|(_, slot)| self.weights[slot]).sum()
    }

    fn evict(&mut self) -> Option<Slot> {
        while let Some(&slot) = self.probation.first() {
            let Some(used) = self.hit.remove(&slot) else {
                self.forget(slot);
                return Some(slot);
            };
            self.probation.remove(0);
            self.protected.push((used, slot));
            while self.protected_weight() * 5 > self.weights.values().sum::<u64>() * 4 {
                let oldest = self.oldest_protected()?;
                self.protected.retain(|&(_, other)| other != oldest);
                self.probation.push(oldest);
            }
        }
        let victim = self.oldest_protected()?;
        self.forget(victim);
        Some(victim)
    }
}

/// Entries that one eviction passes over because they were hit, at most.
const CHANCES: usize = 256;

/// A list in order of insertion; the newest one is apart.
#[derive(Debug, Default)]
struct SieveModel {
    queue: Vec<(Slot, bool)>,
    newest: Option<(Slot, bool)>,
    hand: usize,
}

impl SieveModel {
    fn apply(&mut self, op: Op) -> Option<Slot> {
        let resident = |slot: Slot| self.queue.iter().chain(&self.newest).any(|&(other, _)| other == slot);
        match op {
            Op::Insert(slot, _) if !resident(slot) => {
                let wrapped = self.hand == self.queue.len();
                self.queue.extend(self.newest.replace((slot, false)));
                if wrapped {
                    // Past the end means at the start, whatever is appended.
                    self.hand = 0;
                }
            }
            Op::Touch(slot) => {
                for (_, hit) in self.queue.iter_mut().chain(&mut self.newest).filter(|(other, _)| *other == slot) {
                    *hit = true;
                }
            }
            Op::Remove(slot) => {
                if let Some(at) = self.queue.iter().position(|&(other, _)| other == slot) {
                    self.take(at);
                }
                self.newest.take_if(|(other, _)| *other == slot);
            }
            Op::Evict => return self.evict(),
            Op::Insert(..) => {}
        }
        None
    }

    fn take(&mut self, at: usize) -> Slot {
        if at < self.hand {
            self.hand -= 1;
        }
        self.queue.remove(at).0
    }

    fn evict(&mut self) -> Option<Slot> {
        let mut passed = 0;
        while !self.queue.is_empty() {
            let at = self.hand % self.queue.len();
            let was_hit = std::mem::take(&mut self.queue[at].1);
            if !was_hit || passed == CHANCES {
                self.hand = at;
                return Some(self.take(at));
            }
            self.hand = at + 1;
            passed += 1;
        }
        self.newest.take().map(|(slot, _)| slot)
    }
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn slru_is_two_lists_in_order_of_use(ops in ops()) {
        let (mut policy, mut model) = (Slru::new(), SlruModel::default());
        for &op in ops.iter().chain(&[Op::Evict; 10]) {
            prop_assert_eq!(apply(&mut policy, op), model.apply(op), "{:?}", op);
            prop_assert_eq!(policy.len(), model.weights.len());
        }
    }

    #[test]
    fn sieve_is_a_list_under_a_hand(ops in ops()) {
        let (mut policy, mut model) = (Sieve::new(), SieveModel::default());
        for &op in ops.iter().chain(&[Op::Evict; 10]) {
            prop_assert_eq!(apply(&mut policy, op), model.apply(op), "{:?}", op);
        }
    }
}

#[test]
fn sieve_is_that_list_when_more_were_hit_than_one_eviction_passes_over() {
    let (mut policy, mut model) = (Sieve::new(), SieveModel::default());
    let mut both = |op| {
        let victim = apply(&mut policy, op);
        assert_eq!(victim, model.apply(op), "{op:?}");
        victim
    };
    (0..1_000).for_each(|slot| _ = both(Op::Insert(Slot(slot), 1)));
    (0..900).for_each(|slot| _ = both(Op::Touch(Slot(slot))));
    assert_eq!(both(Op::Evict), Some(Slot(256)));
    assert_eq!(both(Op::Evict), Some(Slot(513)));
    (0..998).for_each(|_| _ = both(Op::Evict));
    assert_eq!(both(Op::Evict), None);
}
