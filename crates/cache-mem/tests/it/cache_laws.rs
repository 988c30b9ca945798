//! What holds for the cache after every operation, whatever its policy and shards.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache_core::{Catalog, Cause, Clock, Limits, ManualClock, Offer, PolicyKind, Timestamp};
use cache_mem::{Admission, MemCache, Secrets, Terms};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::laws;

const KEYS: u8 = 12;
/// What the cache folds hashes with.
const MIX: u128 = 0x9E37_79B9_7F4A_7C15;

#[derive(Debug, Clone, Copy)]
enum Op {
    Insert { key: u8, weight: u64, lives: Option<u64>, accepts: bool },
    Get(u8),
    Peek(u8),
    Remove { key: u8, agrees: bool },
    Sweep(usize),
    Advance(u64),
    Clear,
    Resize(Limits),
}

/// A key whose hash tells nothing: all are in one shard and one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Alike(u8);

impl Hash for Alike {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Key, value and cause of what left, in order.
type Left = Arc<Mutex<Vec<(u8, usize, Cause)>>>;

fn take(left: &Left) -> Vec<(u8, usize, Cause)> {
    std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What must be held, by what was offered and what was said to have left.
#[derive(Debug, Default)]
struct Ledger {
    held: BTreeMap<u8, (usize, u64, Timestamp)>,
    inserted: u64,
    departed: u64,
}

impl Ledger {
    fn live(&self, key: u8, now: Timestamp) -> Option<usize> {
        self.held.get(&key).filter(|(_, _, expires)| now < *expires).map(|(value, _, _)| *value)
    }

    fn depart(&mut self, left: &[(u8, usize, Cause)], now: Timestamp) -> TestCaseResult {
        for &(key, value, cause) in left {
            self.departed += 1;
            let Some((held, _, expires)) = self.held.remove(&key) else {
                return Err(TestCaseError::fail(format!("{key} left ({cause:?}) but was not held")));
            };
            prop_assert_eq!(held, value);
            prop_assert!(cause != Cause::Expired || now >= expires);
        }
        Ok(())
    }
}

struct Run<K> {
    cache: MemCache<K, usize>,
    clock: Arc<ManualClock>,
    hasher: Secrets,
    left: Left,
    ledger: Ledger,
    key: fn(u8) -> K,
}

impl<K: Hash + Eq + Clone + 'static> Run<K> {
    fn new(limits: Limits, policy: PolicyKind, shards: usize, key: fn(u8) -> K, number: fn(&K) -> u8) -> Self {
        let (clock, left) = (Arc::new(ManualClock::new(Timestamp::from_millis(1_000))), Left::default());
        let (sink, hasher) = (left.clone(), Secrets::new());
        let cache = MemCache::builder()
            .capacity(limits.weight)
            .entries(limits.entries)
            .policy(policy)
            .shards(shards)
            .clock(clock.clone())
            .hasher(hasher.clone())
            .listener(move |key, value, cause| {
                sink.lock().unwrap_or_else(PoisonError::into_inner).push((number(key), *value, cause));
            })
            .build();
        Self { cache, clock, hasher, left, ledger: Ledger::default(), key }
    }

    fn insert(&mut self, number: usize, key: u8, terms: (u64, Timestamp), accepts: bool) -> TestCaseResult {
        let (weight, expires) = terms;
        let now = self.clock.now();
        let present = self.ledger.live(key, now);
        let mut seen = None;
        let see = |value: Option<&usize>| {
            seen = Some(value.copied());
            accepts
        };
        let terms = Terms::new().weight(weight).expires(expires);
        let admission = self.cache.insert_if((self.key)(key), number, terms, see);
        prop_assert_eq!(seen, Some(present), "what the condition saw");
        let mut left = take(&self.left);
        if !accepts {
            prop_assert_eq!((admission, left), (Admission::Declined, Vec::new()));
            return Ok(());
        }
        self.ledger.inserted += 1;
        if self.ledger.held.contains_key(&key) {
            let first = left.remove(0);
            prop_assert_eq!(first.2, if present.is_some() { Cause::Replaced } else { Cause::Expired });
            self.ledger.depart(&[first], now)?;
        }
        self.ledger.held.insert(key, (number, weight, expires));
        self.ledger.depart(&left, now)?;
        let own = left.iter().find(|(left, _, _)| *left == key).map(|&(_, _, cause)| cause);
        let expected = match own {
            None => Admission::Stored,
            Some(Cause::Expired) => Admission::Expired,
            Some(_) => Admission::Refused,
        };
        prop_assert_eq!(admission, expected);
        Ok(())
    }

    fn apply(&mut self, number: usize, op: Op) -> TestCaseResult {
        let now = self.clock.now();
        match op {
            Op::Insert { key, weight, lives, accepts } => {
                let expires = lives.map_or(Timestamp::NEVER, |millis| now.after(Duration::from_millis(millis)));
                self.insert(number, key, (weight, expires), accepts)?;
            }
            Op::Get(key) => prop_assert_eq!(self.cache.get(&(self.key)(key)), self.ledger.live(key, now)),
            Op::Peek(key) => {
                let expected = self.ledger.live(key, now);
                prop_assert_eq!(self.cache.peek(&(self.key)(key)), expected);
                prop_assert_eq!(self.cache.contains(&(self.key)(key)), expected.is_some());
            }
            Op::Remove { key, agrees } => {
                let present = self.ledger.live(key, now);
                let removed = self.cache.remove_if(&(self.key)(key), |value| agrees && Some(*value) == present);
                prop_assert_eq!(removed, present.filter(|_| agrees));
            }
            Op::Sweep(limit) => {
                let overdue = self.ledger.held.values().filter(|(_, _, expires)| now >= *expires).count();
                let swept = self.cache.sweep(now, limit);
                prop_assert_eq!(swept.expired, overdue.min(limit) as u64);
                prop_assert_eq!(swept.more, overdue > limit);
            }
            Op::Advance(millis) => self.clock.advance(Duration::from_millis(millis)),
            Op::Clear => prop_assert_eq!(self.cache.clear(), self.ledger.held.len() as u64),
            Op::Resize(limits) => self.cache.resize(limits),
        }
        let left = take(&self.left);
        self.ledger.depart(&left, self.clock.now())
    }

    fn check(&self) -> TestCaseResult {
        prop_assert_eq!(self.cache.validate(), Ok(()));
        let (stats, limits) = (self.cache.stats(), self.cache.limits());
        let weight: u128 = self.ledger.held.values().map(|(_, weight, _)| u128::from(*weight)).sum();
        prop_assert_eq!(u128::from(stats.weight), weight);
        prop_assert_eq!(stats.entries, self.ledger.held.len() as u64);
        prop_assert!(stats.weight <= limits.weight && stats.entries <= limits.entries);
        prop_assert_eq!((stats.inserted, stats.departed()), (self.ledger.inserted, self.ledger.departed));
        let now = self.clock.now();
        let mut scanned: Vec<usize> = self.cache.scan(|_, value| Some(*value)).collect();
        scanned.sort_unstable();
        let mut live: Vec<usize> = (0..KEYS).filter_map(|key| self.ledger.live(key, now)).collect();
        live.sort_unstable();
        prop_assert_eq!(scanned, live);
        Ok(())
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let weight = prop_oneof![1 => Just(0), 8 => 1..60_u64, 1 => Just(u64::MAX)];
    let entries = prop_oneof![1 => Just(0), 4 => 1..10_u64, 4 => Just(u64::MAX)];
    (weight, entries).prop_map(|(weight, entries)| Limits { weight, entries })
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = || 0..KEYS;
    let weight = prop_oneof![1 => Just(0), 12 => 1..9_u64, 1 => 9..70_u64, 1 => Just(u64::MAX)];
    let lives = prop_oneof![3 => Just(None), 2 => (0..12_u64).prop_map(Some)];
    let mostly = || prop::bool::weighted(0.85);
    let insert = (key(), weight, lives, mostly());
    let op = prop_oneof![
        18 => insert.prop_map(|(key, weight, lives, accepts)| Op::Insert { key, weight, lives, accepts }),
        8 => key().prop_map(Op::Get),
        2 => key().prop_map(Op::Peek),
        4 => (key(), mostly()).prop_map(|(key, agrees)| Op::Remove { key, agrees }),
        2 => prop_oneof![0..4_usize, Just(usize::MAX)].prop_map(Op::Sweep),
        4 => (0..6_u64).prop_map(Op::Advance),
        1 => Just(Op::Clear),
        1 => limits().prop_map(Op::Resize),
    ];
    prop::collection::vec(op, 1..40)
}

fn policy() -> impl Strategy<Value = PolicyKind> {
    prop::sample::select(PolicyKind::ALL.to_vec())
}

fn keeps_its_ledger<K: Hash + Eq + Clone + 'static>(mut run: Run<K>, ops: &[Op]) -> TestCaseResult {
    for (number, op) in ops.iter().enumerate() {
        run.apply(number, *op).map_err(|error| TestCaseError::fail(format!("{op:?}: {error}")))?;
        run.check().map_err(|error| TestCaseError::fail(format!("after {op:?}: {error}")))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn the_cache_keeps_its_ledger(limits in limits(), policy in policy(), shards in 1..6_usize, ops in ops()) {
        keeps_its_ledger(Run::new(limits, policy, shards, |key| key, |key| *key), &ops)?;
    }

    #[test]
    fn keys_of_equal_hashes_are_different_keys(limits in limits(), policy in policy(), ops in ops()) {
        keeps_its_ledger(Run::new(limits, policy, 4, Alike, |key| key.0), &ops)?;
    }

    #[test]
    fn one_shard_is_exactly_its_catalog(limits in limits(), policy in policy(), ops in ops()) {
        let run = Run::new(limits, policy, 1, |key| key, |key| *key);
        let mut catalog = Catalog::new(limits, policy);
        // The same as the cache's: policies sample and count keys by their hashes.
        let hash = |key: u8| {
            let wide = u128::from(run.hasher.hash_one(key)) * MIX;
            wide as u64 ^ (wide >> 64) as u64
        };
        let mut deadlines = 0;
        for (value, op) in ops.iter().enumerate() {
            let now = run.clock.now();
            let expected = match *op {
                Op::Insert { key, weight, lives, .. } => {
                    // Deadlines of different values differ: of equal ones, either may go first.
                    deadlines += 1;
                    let expires = lives.map_or(Timestamp::NEVER, |_| now.after(Duration::from_millis(deadlines)));
                    run.cache.insert_with(key, value, Terms::new().weight(weight).expires(expires));
                    let cost = Duration::ZERO;
                    catalog.insert(Offer { key, value, hash: hash(key), weight, cost, expires, pinned: false }, now).into_iter().collect()
                }
                Op::Get(key) => {
                    prop_assert_eq!(run.cache.get(&key), catalog.get(hash(key), &key, now).copied());
                    Vec::new()
                }
                Op::Advance(millis) => {
                    run.clock.advance(Duration::from_millis(millis));
                    Vec::new()
                }
                Op::Resize(limits) => {
                    run.cache.resize(limits);
                    catalog.resize(limits, now).into_iter().collect()
                }
                Op::Peek(_) | Op::Remove { .. } | Op::Sweep(_) | Op::Clear => Vec::new(),
            };
            let expected: Vec<_> = expected.iter().map(|left| (left.key, left.value, left.cause)).collect();
            prop_assert_eq!(take(&run.left), expected);
        }
    }
}
