//! The wheel finds what a sorted set finds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Insert { slot: u32, delay: u64 },
    Remove(u32),
    Advance(u64),
    GoBack(u64),
    Take { moves: usize },
}

/// Spans of every order of magnitude.
fn span() -> impl Strategy<Value = u64> {
    (0..64_u32, any::<u64>()).prop_map(|(bits, noise)| noise & ((1 << bits) - 1))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..24_u32, span()).prop_map(|(slot, delay)| Op::Insert { slot, delay }),
        1 => (0..24_u32).prop_map(Op::Remove),
        2 => span().prop_map(Op::Advance),
        1 => span().prop_map(Op::GoBack),
        4 => prop_oneof![0..3_usize, Just(usize::MAX)].prop_map(|moves| Op::Take { moves }),
    ]
}

/// Takes the next overdue slot out of both, and compares.
fn take(wheel: &mut Wheel, model: &mut BTreeMap<u32, u64>, now: u64, mut moves: usize) -> TestCaseResult {
    let instant = Timestamp::from_millis(now);
    let allowed = moves;
    let found = wheel.overdue(instant, &mut moves, &|slot| Timestamp::from_millis(model[&slot.0]));
    let due = model.values().copied().min().filter(|&deadline| deadline <= now);
    match found {
        Some(slot) => {
            prop_assert_eq!(model.remove(&slot.0), due, "the longest overdue comes first");
            wheel.remove(slot);
        }
        None if moves > 0 || allowed == 0 && due.is_none() => prop_assert_eq!(due, None),
        None => prop_assert_eq!(moves, 0),
    }
    if found.is_none() && moves > 0 {
        prop_assert!(wheel.next().is_none_or(|next| next > instant), "nothing is due, and the wheel says so");
    }
    Ok(())
}

fn run(start: u64, ops: Vec<Op>) -> TestCaseResult {
    let (mut wheel, mut model, mut now) = (Wheel::new(), BTreeMap::new(), start);
    for op in ops {
        match op {
            Op::Insert { slot, delay } => {
                let deadline = now.saturating_add(delay);
                wheel.remove(Slot(slot));
                wheel.insert(Slot(slot), Timestamp::from_millis(deadline), Timestamp::from_millis(now));
                model.insert(slot, deadline);
            }
            Op::Remove(slot) => {
                wheel.remove(Slot(slot));
                model.remove(&slot);
            }
            Op::Advance(span) => now = now.saturating_add(span),
            Op::GoBack(span) => now = now.saturating_sub(span),
            Op::Take { moves } => take(&mut wheel, &mut model, now, moves)?,
        }
        prop_assert_eq!(wheel.len(), model.len());
        let first = model.values().copied().min();
        prop_assert_eq!(wheel.next().is_some(), first.is_some());
        prop_assert!(wheel.next().map(Timestamp::as_millis) <= first, "it never sleeps past a deadline");
    }
    while !model.is_empty() {
        take(&mut wheel, &mut model, u64::MAX, usize::MAX)?;
    }
    prop_assert_eq!(wheel.next(), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5_000) })]

    #[test]
    fn it_finds_what_a_sorted_set_finds(start in span(), ops in prop::collection::vec(op(), 1..80)) {
        run(start, ops)?;
    }
}

#[test]
fn a_deadline_moves_ten_times_at_most() {
    let mut wheel = Wheel::new();
    let deadline = Timestamp::from_millis(u64::MAX - 1);
    wheel.insert(Slot(0), deadline, Timestamp::EPOCH);
    let mut moves = LEVELS - 1;
    assert_eq!(wheel.overdue(Timestamp::NEVER, &mut moves, &|_| deadline), Some(Slot(0)));
}

#[test]
fn what_was_late_when_it_came_is_found_at_once() {
    let mut wheel = Wheel::new();
    let at = Timestamp::from_millis;
    wheel.insert(Slot(0), at(500), at(100));
    assert_eq!(wheel.overdue(at(400), &mut usize::MAX.clone(), &|_| at(500)), None);
    wheel.insert(Slot(1), at(200), at(300));
    let deadlines = [at(500), at(200)];
    assert_eq!(wheel.overdue(at(400), &mut usize::MAX.clone(), &|slot| deadlines[slot.index()]), Some(Slot(1)));
}

#[test]
fn after_a_jump_ahead_and_back_what_is_due_is_found() {
    let (mut wheel, at) = (Wheel::new(), Timestamp::from_millis);
    let deadlines = [at(1 << 50), at(1_100), at(1_050), at(1 << 41)];
    let overdue = |wheel: &mut Wheel, now| wheel.overdue(now, &mut usize::MAX.clone(), &|slot| deadlines[slot.index()]);
    wheel.insert(Slot(0), deadlines[0], at(1_000));
    assert_eq!(overdue(&mut wheel, at(1 << 40)), None);
    for slot in [1, 2, 3] {
        wheel.insert(Slot(slot), deadlines[slot as usize], at(1_000));
    }
    for due in [2, 1, 3, 0] {
        assert_eq!(overdue(&mut wheel, at(1 << 51)), Some(Slot(due)));
        wheel.remove(Slot(due));
    }
    assert_eq!((wheel.len(), wheel.next()), (0, None));
}
