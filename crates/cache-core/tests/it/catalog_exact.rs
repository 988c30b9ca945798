//! The catalog with FIFO and LRU does exactly what a list does.

use cache_core::{Cause, Departure, Limits, PolicyKind, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::catalog_ops::{Left, Op, Run, Script, deadline, scripts};
use crate::laws;

/// Entries in the order in which they would be evicted.
#[derive(Debug)]
struct Model {
    held: Vec<Held>,
    limits: Limits,
    now: Timestamp,
    hits_refresh: bool,
    read: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    key: u8,
    value: usize,
    weight: u64,
    expires: Timestamp,
}

impl Held {
    fn depart(self, cause: Cause) -> Departure<u8, usize> {
        Departure { key: self.key, value: self.value, weight: self.weight, cause }
    }
}

impl Model {
    fn weight(&self) -> u128 {
        self.held.iter().map(|held| u128::from(held.weight)).sum()
    }

    fn is_over(&self) -> bool {
        let entries = if self.limits.weight == 0 { 0 } else { self.limits.entries };
        self.weight() > u128::from(self.limits.weight) || self.held.len() as u64 > entries
    }

    fn find(&self, key: u8) -> Option<usize> {
        self.held.iter().position(|held| held.key == key)
    }

    /// The longest overdue entry; of several, the one that the catalog named, which may choose among them.
    fn overdue(&self, named: Option<&Departure<u8, usize>>) -> Option<usize> {
        let first = self.held.iter().map(|held| held.expires).min().filter(|&expires| self.now >= expires)?;
        let tied = |held: &Held| held.expires == first;
        let named = self.held.iter().position(|held| tied(held) && named.is_some_and(|left| left.key == held.key));
        named.or_else(|| self.held.iter().position(tied))
    }

    /// Hits and replacements refresh the place of an entry, unless entries leave in the order of their insertion.
    fn insert(&mut self, offer: Held, named: &Left) -> Left {
        let mut left = Vec::new();
        let place = self.find(offer.key).map(|at| (at, self.held[at].weight));
        left.extend(place.map(|(at, _)| self.release(at, Cause::Replaced)));
        if offer.weight > self.limits.weight || self.limits.weight == 0 || self.limits.entries == 0 {
            left.push(offer.depart(Cause::Refused));
            return left;
        }
        if self.now >= offer.expires {
            left.push(offer.depart(Cause::Expired));
            return left;
        }
        match place.filter(|&(_, weight)| weight == offer.weight && !self.hits_refresh) {
            Some((at, _)) => self.held.insert(at, offer),
            None => self.held.push(offer),
        }
        self.make_room(&mut left, named);
        left
    }

    fn make_room(&mut self, left: &mut Left, named: &Left) {
        while self.is_over() {
            let overdue = self.overdue(named.get(left.len()));
            left.push(self.release(overdue.unwrap_or(0), Cause::Capacity));
        }
    }

    fn release(&mut self, at: usize, cause: Cause) -> Departure<u8, usize> {
        let held = self.held.remove(at);
        held.depart(if self.now < held.expires { cause } else { Cause::Expired })
    }

    fn apply(&mut self, number: usize, op: &Op, named: &Left) -> Left {
        self.read = None;
        let mut left = Vec::new();
        match *op {
            Op::Insert { key, weight, lives } => {
                let expires = deadline(self.now, lives);
                left = self.insert(Held { key, value: number, weight, expires }, named);
            }
            Op::Get(key) | Op::Peek(key) => {
                let found = self.find(key).filter(|&at| self.now < self.held[at].expires);
                self.read = found.map(|at| self.held[at].value);
                if let Some(at) = found.filter(|_| self.hits_refresh && matches!(op, Op::Get(_))) {
                    let hit = self.held.remove(at);
                    self.held.push(hit);
                }
            }
            Op::Remove(key) => left.extend(self.find(key).map(|at| self.release(at, Cause::Removed))),
            Op::Expire { limit } => {
                while left.len() < limit {
                    let Some(at) = self.overdue(named.get(left.len())) else { break };
                    left.push(self.held.remove(at).depart(Cause::Expired));
                }
            }
            Op::Advance(millis) => self.now = Timestamp::from_millis(self.now.as_millis() + millis),
            Op::Clear => {
                while !self.held.is_empty() {
                    left.push(self.release(0, Cause::Cleared));
                }
            }
            Op::Resize(limits) => {
                self.limits = limits;
                self.make_room(&mut left, named);
            }
        }
        left
    }

    fn contents(&self) -> Vec<(u8, usize)> {
        let live = self.held.iter().filter(|held| self.now < held.expires);
        let mut contents: Vec<_> = live.map(|held| (held.key, held.value)).collect();
        contents.sort_unstable();
        contents
    }
}

fn check(policy: PolicyKind, script: &Script) -> TestCaseResult {
    let mut run = Run::new(script.limits, policy);
    let hits_refresh = policy == PolicyKind::Lru;
    let mut model = Model { held: Vec::new(), limits: script.limits, now: run.now, hits_refresh, read: None };
    for (number, op) in script.ops.iter().enumerate() {
        let mut left = run.apply(script, number, op);
        let mut expected = model.apply(number, op, &left);
        if matches!(op, Op::Clear) {
            // Clearing promises no order.
            left.sort_by_key(|departure| departure.key);
            expected.sort_by_key(|departure| departure.key);
        }
        prop_assert_eq!(left, expected, "departures of operation {}: {:?}", number, op);
        prop_assert_eq!(run.read, model.read, "answer of operation {}: {:?}", number, op);
        prop_assert_eq!(run.contents(), model.contents(), "residents after operation {}: {:?}", number, op);
        prop_assert_eq!(u128::from(run.catalog.weight()), model.weight());
        prop_assert_eq!(run.catalog.len(), model.held.len());
        let deadlines = model.held.iter().map(|held| held.expires).filter(|&expires| expires != Timestamp::NEVER);
        let first = deadlines.min();
        prop_assert_eq!(run.catalog.next_expiry().is_some(), first.is_some());
        prop_assert!(run.catalog.next_expiry() <= first, "it never sleeps past a deadline");
        prop_assert_eq!(run.catalog.validate(), Ok(()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn fifo_is_a_list_in_order_of_insertion(script in scripts()) {
        check(PolicyKind::Fifo, &script)?;
    }

    #[test]
    fn lru_is_a_list_in_order_of_use(script in scripts()) {
        check(PolicyKind::Lru, &script)?;
    }
}
