//! The laws of `Policy`, each policy alone.

use std::time::Duration;

use cache_core::{Facts, Fifo, Lru, Policy, PolicyKind, S3Fifo, Slot};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::laws;
use crate::policy_custom::WRONG;

#[derive(Debug, Clone, Copy)]
enum Op {
    Insert(Slot, Facts),
    Touch(Slot),
    Update(Slot, Facts),
    Remove(Slot),
    Evict,
    Resize(u64),
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let slot = || (0..10_u32).prop_map(Slot);
    let weight = || prop_oneof![8 => 0..10_u64, 1 => Just(u64::MAX)];
    // Two bits of hash: different slots meet the same ghosts.
    let facts = || (0..4_u64, weight()).prop_map(|(hash, weight)| Facts { hash, weight, cost: Duration::ZERO });
    let op = prop_oneof![
        12 => (slot(), facts()).prop_map(|(slot, facts)| Op::Insert(slot, facts)),
        12 => slot().prop_map(Op::Touch),
        2 => (slot(), facts()).prop_map(|(slot, facts)| Op::Update(slot, facts)),
        3 => slot().prop_map(Op::Remove),
        8 => Just(Op::Evict),
        1 => any::<u64>().prop_map(Op::Resize),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 1..40)
}

fn apply(policy: &mut dyn Policy, op: Op) -> Option<Slot> {
    match op {
        Op::Insert(slot, facts) => policy.insert(slot, facts),
        Op::Touch(slot) => policy.touch(slot),
        Op::Update(slot, facts) => policy.update(slot, facts),
        Op::Remove(slot) => policy.remove(slot),
        Op::Evict => return policy.evict(),
        Op::Resize(capacity) => policy.resize(capacity),
        Op::Clear => policy.clear(),
    }
    None
}

/// The residents, in order of insertion, or of use where `hits_refresh`.
#[derive(Debug, Default)]
struct Residents {
    order: Vec<Slot>,
    hits_refresh: bool,
}

impl Residents {
    fn apply(&mut self, op: Op, evicted: Option<Slot>) -> TestCaseResult {
        let resident = |slot: Slot| self.order.contains(&slot);
        match op {
            Op::Insert(slot, _) if !resident(slot) => self.order.push(slot),
            Op::Touch(slot) | Op::Update(slot, _) if resident(slot) && self.hits_refresh => {
                self.order.retain(|&other| other != slot);
                self.order.push(slot);
            }
            Op::Remove(slot) => self.order.retain(|&other| other != slot),
            Op::Evict => {
                prop_assert_eq!(evicted.is_none(), self.order.is_empty(), "an answer exactly when there is a resident");
                prop_assert!(evicted.is_none_or(resident), "{:?} is not resident", evicted);
                self.order.retain(|&other| Some(other) != evicted);
            }
            Op::Clear => self.order.clear(),
            Op::Insert(..) | Op::Touch(_) | Op::Update(..) | Op::Resize(_) => {}
        }
        Ok(())
    }

    /// Whether the laws say that `op` changes nothing at all.
    fn makes_idle(&self, op: Op) -> bool {
        match op {
            Op::Insert(slot, _) => self.order.contains(&slot),
            Op::Touch(slot) | Op::Update(slot, _) | Op::Remove(slot) => !self.order.contains(&slot),
            _ => false,
        }
    }
}

/// Evicts until nothing is left.
fn drain(policy: &mut dyn Policy) -> Vec<Slot> {
    std::iter::from_fn(|| policy.evict()).collect()
}

fn keeps_the_laws(policy: &mut dyn Policy, ops: &[Op]) -> TestCaseResult {
    let mut residents = Residents::default();
    for &op in ops {
        let evicted = apply(policy, op);
        residents.apply(op, evicted)?;
        prop_assert_eq!(policy.len(), residents.order.len());
        prop_assert_eq!(policy.is_empty(), residents.order.is_empty());
    }
    let mut left = drain(policy);
    left.sort_unstable();
    residents.order.sort_unstable();
    prop_assert_eq!(left, residents.order);
    Ok(())
}

fn evicts_in_the_order_of_a_list(policy: &mut dyn Policy, hits_refresh: bool, ops: &[Op]) -> TestCaseResult {
    let mut residents = Residents { order: Vec::new(), hits_refresh };
    for &op in ops {
        let oldest = residents.order.first().copied();
        let evicted = apply(policy, op);
        if matches!(op, Op::Evict) {
            prop_assert_eq!(evicted, oldest);
        }
        residents.apply(op, evicted)?;
    }
    prop_assert_eq!(drain(policy), residents.order);
    Ok(())
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn fifo_evicts_in_order_of_insertion(ops in ops()) {
        evicts_in_the_order_of_a_list(&mut Fifo::new(), false, &ops)?;
    }

    #[test]
    fn lru_evicts_in_order_of_use(ops in ops()) {
        evicts_in_the_order_of_a_list(&mut Lru::new(), true, &ops)?;
    }

    #[test]
    fn every_policy_keeps_the_laws(ops in ops()) {
        for kind in PolicyKind::ALL.into_iter().chain([PolicyKind::Custom(WRONG)]) {
            keeps_the_laws(&mut *kind.build(20), &ops)?;
        }
    }

    #[test]
    fn operations_on_the_wrong_slot_change_nothing(ops in ops()) {
        for kind in PolicyKind::ALL {
            let (mut all, mut effective) = (kind.build(20), kind.build(20));
            let mut residents = Residents::default();
            for &op in &ops {
                let evicted = apply(&mut *all, op);
                if !residents.makes_idle(op) {
                    prop_assert_eq!(apply(&mut *effective, op), evicted);
                }
                residents.apply(op, evicted)?;
            }
            prop_assert_eq!(drain(&mut *all), drain(&mut *effective));
        }
    }

    #[test]
    fn a_cleared_policy_is_as_a_new_one(past in ops(), future in ops()) {
        for kind in PolicyKind::ALL {
            let (mut used, mut new) = (kind.build(20), kind.build(20));
            for &op in past.iter().filter(|op| !matches!(op, Op::Resize(_))) {
                apply(&mut *used, op);
            }
            used.clear();
            for &op in &future {
                prop_assert_eq!(apply(&mut *used, op), apply(&mut *new, op));
            }
            prop_assert_eq!(drain(&mut *used), drain(&mut *new));
        }
    }

    #[test]
    fn s3fifo_remembers_no_more_than_it_holds(ops in ops()) {
        let mut policy = S3Fifo::new();
        for &op in &ops {
            apply(&mut policy, op);
            prop_assert!(policy.ghosts() <= policy.len() + 1, "{} ghosts of {}", policy.ghosts(), policy.len());
        }
    }

    #[test]
    fn s3fifo_evicts_the_newest_only_when_it_is_the_last(ops in ops()) {
        let mut policy = S3Fifo::new();
        let mut newest = None;
        for &op in &ops {
            let len = policy.len();
            let evicted = apply(&mut policy, op);
            match op {
                Op::Insert(slot, _) if policy.len() > len => newest = Some(slot),
                Op::Evict => prop_assert!(evicted.is_none() || evicted != newest || len == 1),
                Op::Remove(slot) if newest == Some(slot) => newest = None,
                Op::Clear => newest = None,
                _ => {}
            }
        }
    }
}

fn facts(hash: u64) -> Facts {
    Facts { hash, weight: 1, cost: Duration::ZERO }
}

#[test]
fn s3fifo_admits_a_key_that_comes_back_to_the_main_queue() {
    let mut policy = S3Fifo::new();
    for slot in 0..5 {
        policy.insert(Slot(slot), facts(u64::from(slot)));
    }
    assert_eq!(policy.evict(), Some(Slot(0)));
    // It comes back as a main resident: all those that were never hit go before it.
    policy.insert(Slot(0), facts(0));
    assert_eq!(drain(&mut policy), [1, 2, 3, 4, 0].map(Slot));
}

#[test]
fn policies_are_chosen_by_name() {
    for kind in PolicyKind::ALL {
        assert_eq!(kind.to_string().parse::<PolicyKind>().unwrap(), kind);
    }
    assert!(
        "LRU-ish"
            .parse::<PolicyKind>()
            .unwrap_err()
            .to_string()
            .contains("fifo, lru, slru, sieve, s3fifo, tinylfu, gdsf, agd")
    );
}
