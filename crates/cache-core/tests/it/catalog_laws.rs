//! What holds for the catalog whatever the order of its policy.

use std::collections::BTreeMap;

use cache_core::{Cause, Departure, Limits, PolicyKind, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::catalog_ops::{KEYS, Left, Op, Run, Script, deadline, scripts};
use crate::laws;

/// What must be resident, by what was offered and what was said to have left.
#[derive(Debug)]
struct Ledger {
    held: BTreeMap<u8, (usize, u64, Timestamp)>,
    limits: Limits,
}

impl Ledger {
    fn weight(&self) -> u128 {
        self.held.values().map(|&(_, weight, _)| u128::from(weight)).sum()
    }

    fn is_over(&self) -> bool {
        let entries = if self.limits.weight == 0 { 0 } else { self.limits.entries };
        self.weight() > u128::from(self.limits.weight) || self.held.len() as u64 > entries
    }

    fn contents(&self, now: Timestamp) -> Vec<(u8, usize)> {
        let live = self.held.iter().filter(|(_, (_, _, expires))| now < *expires);
        live.map(|(&key, &(value, _, _))| (key, value)).collect()
    }

    /// Books one departure: it was held, with that value and weight, and had reason to leave.
    fn depart(&mut self, left: &Departure<u8, usize>, now: Timestamp) -> Result<(), TestCaseError> {
        let was_over = self.is_over();
        let overdue = self.held.values().any(|&(_, _, expires)| now >= expires);
        let Some((value, weight, expires)) = self.held.remove(&left.key) else {
            return Err(TestCaseError::fail(format!("{left:?} was not held")));
        };
        prop_assert_eq!((left.value, left.weight), (value, weight));
        match left.cause {
            Cause::Capacity => prop_assert!(was_over && !overdue, "{:?} had no need to leave", left),
            Cause::Expired => prop_assert!(now >= expires, "{:?} had time left", left),
            Cause::Removed => prop_assert!(now < expires, "{:?} had no time left", left),
            _ => {}
        }
        Ok(())
    }

    fn insert(&mut self, key: u8, held: (usize, u64, Timestamp), left: &Left, now: Timestamp) -> TestCaseResult {
        let (value, weight, expires) = held;
        let mut left = left.as_slice();
        if self.held.contains_key(&key) {
            let Some((old, rest)) = left.split_first() else {
                return Err(TestCaseError::fail("the old value stayed"));
            };
            prop_assert_eq!(old.key, key);
            prop_assert!(matches!(old.cause, Cause::Replaced | Cause::Expired));
            self.depart(old, now)?;
            left = rest;
        }
        let refused = weight > self.limits.weight || self.limits.weight == 0 || self.limits.entries == 0;
        if refused || now >= expires {
            let cause = if refused { Cause::Refused } else { Cause::Expired };
            prop_assert_eq!(left, &[Departure { key, value, weight, cause }]);
            return Ok(());
        }
        self.held.insert(key, held);
        for departure in left {
            prop_assert!(departure.key != key, "a newcomer that fits is admitted: {departure:?}");
            prop_assert!(matches!(departure.cause, Cause::Capacity | Cause::Expired));
            prop_assert!(self.is_over(), "{departure:?} left although there was room");
            self.depart(departure, now)?;
        }
        Ok(())
    }

    fn apply(&mut self, number: usize, op: &Op, left: &Left, now: Timestamp) -> TestCaseResult {
        let expected = match *op {
            Op::Insert { key, weight, lives } => {
                return self.insert(key, (number, weight, deadline(now, lives)), left, now);
            }
            Op::Get(_) | Op::Peek(_) | Op::Advance(_) => 0,
            Op::Remove(key) => usize::from(self.held.contains_key(&key)),
            Op::Expire { limit } => self.held.values().filter(|&&(_, _, expires)| now >= expires).count().min(limit),
            Op::Clear => self.held.len(),
            Op::Resize(limits) => {
                self.limits = limits;
                for departure in left {
                    prop_assert!(self.is_over() && matches!(departure.cause, Cause::Capacity | Cause::Expired));
                    self.depart(departure, now)?;
                }
                return Ok(());
            }
        };
        prop_assert_eq!(left.len(), expected);
        for departure in left {
            self.depart(departure, now)?;
        }
        Ok(())
    }
}

fn keeps_its_ledger(policy: PolicyKind, script: &Script) -> TestCaseResult {
    let mut run = Run::new(script.limits, policy);
    let mut ledger = Ledger { held: BTreeMap::new(), limits: script.limits };
    for (number, op) in script.ops.iter().enumerate() {
        let left = run.apply(script, number, op);
        ledger.apply(number, op, &left, run.now)?;
        if let Op::Get(key) | Op::Peek(key) = *op {
            let contents = ledger.contents(run.now);
            let expected = contents.iter().find(|(held, _)| *held == key).map(|&(_, value)| value);
            prop_assert_eq!(run.read, expected);
        }
        prop_assert_eq!(run.contents(), ledger.contents(run.now), "after operation {}: {:?}", number, op);
        prop_assert_eq!(u128::from(run.catalog.weight()), ledger.weight());
        prop_assert_eq!(run.catalog.len(), ledger.held.len());
        prop_assert!(!ledger.is_over());
        prop_assert_eq!(run.catalog.validate(), Ok(()));
    }
    Ok(())
}

/// Runs `refill` on a catalog that has seen `past` and was cleared, and on a new one: they answer alike.
fn cleared_is_as_new(policy: PolicyKind, past: &Script, refill: &Script) -> TestCaseResult {
    let mut used = Run::new(past.limits, policy);
    for (number, op) in past.ops.iter().enumerate() {
        used.apply(past, number, op);
    }
    used.catalog.clear(used.now);
    prop_assert_eq!((used.catalog.len(), used.catalog.weight()), (0, 0));
    let _ = used.catalog.resize(refill.limits, used.now);
    let mut new = Run::new(refill.limits, policy);
    new.now = used.now;
    for (number, op) in refill.ops.iter().enumerate() {
        prop_assert_eq!(used.apply(refill, number, op), new.apply(refill, number, op));
        prop_assert_eq!(used.read, new.read);
        prop_assert_eq!(used.contents(), new.contents());
    }
    Ok(())
}

/// Fills a catalog with entries of one weight, clears it and fills it again.
fn refill_holds_as_many(policy: PolicyKind, limits: Limits, weight: u64) -> TestCaseResult {
    let fill = |run: &mut Run| {
        let script = Script { limits, hash_bits: 8, ops: Vec::new() };
        for key in 0..KEYS {
            run.apply(&script, usize::from(key), &Op::Insert { key, weight, lives: None });
        }
        (run.catalog.len() as u64, run.catalog.weight())
    };
    let mut run = Run::new(limits, policy);
    let first = fill(&mut run);
    let room = if limits.weight == 0 { 0 } else { limits.weight.checked_div(weight).unwrap_or(u64::MAX) };
    let most = room.min(limits.entries).min(u64::from(KEYS));
    prop_assert_eq!(first, (most, most.saturating_mul(weight)));
    run.catalog.clear(run.now);
    prop_assert_eq!(fill(&mut run), first);
    Ok(())
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn s3fifo_keeps_its_ledger_and_its_budget(script in scripts()) {
        keeps_its_ledger(PolicyKind::S3Fifo, &script)?;
    }

    #[test]
    fn a_cleared_catalog_is_as_a_new_one(past in scripts(), refill in scripts(), kind in 0..PolicyKind::ALL.len()) {
        cleared_is_as_new(PolicyKind::ALL[kind], &past, &refill)?;
    }

    #[test]
    fn cleared_and_refilled_it_holds_as_many(capacity in 0..30_u64, entries in 0..12_u64, weight in 0..12_u64) {
        for policy in PolicyKind::ALL {
            refill_holds_as_many(policy, Limits { weight: capacity, entries }, weight)?;
        }
    }
}
