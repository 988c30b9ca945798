//! Random operations on a catalog.

use std::time::Duration;

use cache_core::{Catalog, Departure, Limits, Offer, PolicyKind, Timestamp};
use proptest::prelude::*;

/// Few keys, so that operations meet.
pub(crate) const KEYS: u8 = 8;

/// Every value is unique: the number of the operation that made it.
pub(crate) type Left = Vec<Departure<u8, usize>>;

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Insert { key: u8, weight: u64, lives: Option<u64> },
    Get(u8),
    Peek(u8),
    Remove(u8),
    Expire { limit: usize },
    Advance(u64),
    Clear,
    Resize(Limits),
}

/// A sequence of operations on a catalog that starts with `limits`.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) limits: Limits,
    /// How many bits of a key its hash tells apart: with few of them different keys collide.
    pub(crate) hash_bits: u32,
    pub(crate) ops: Vec<Op>,
}

impl Script {
    pub(crate) fn hash(&self, key: u8) -> u64 {
        u64::from(key) & ((1 << self.hash_bits) - 1)
    }
}

/// A catalog, the instant it lives in and the answers it gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) catalog: Catalog<u8, usize>,
    pub(crate) now: Timestamp,
    pub(crate) read: Option<usize>,
}

impl Run {
    pub(crate) fn new(limits: Limits, policy: PolicyKind) -> Self {
        Self { catalog: Catalog::new(limits, policy), now: Timestamp::from_millis(1_000), read: None }
    }

    /// Applies one operation; what left for it.
    pub(crate) fn apply(&mut self, script: &Script, number: usize, op: &Op) -> Left {
        self.read = None;
        match *op {
            Op::Insert { key, weight, lives } => {
                let (hash, expires) = (script.hash(key), deadline(self.now, lives));
                let offer = Offer { key, value: number, hash, weight, cost: Duration::ZERO, expires, pinned: false };
                return self.catalog.insert(offer, self.now).into_iter().collect();
            }
            Op::Get(key) => self.read = self.catalog.get(script.hash(key), &key, self.now).copied(),
            Op::Peek(key) => self.read = self.catalog.peek(script.hash(key), &key, self.now).copied(),
            Op::Remove(key) => return self.catalog.remove(script.hash(key), &key, self.now).into_iter().collect(),
            Op::Expire { limit } => return self.catalog.expire(self.now, limit),
            Op::Advance(millis) => self.now = self.now.after(Duration::from_millis(millis)),
            Op::Clear => return self.catalog.clear(self.now),
            Op::Resize(limits) => return self.catalog.resize(limits, self.now).into_iter().collect(),
        }
        Vec::new()
    }

    /// Unexpired keys and values, sorted.
    pub(crate) fn contents(&self) -> Vec<(u8, usize)> {
        let mut contents: Vec<_> = self.catalog.iter(self.now).map(|(key, value)| (*key, *value)).collect();
        contents.sort_unstable();
        contents
    }
}

pub(crate) fn deadline(now: Timestamp, lives: Option<u64>) -> Timestamp {
    lives.map_or(Timestamp::NEVER, |millis| now.after(Duration::from_millis(millis)))
}

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    let hash_bits = prop_oneof![1 => Just(0), 2 => Just(2), 1 => Just(8)];
    let ops = prop::collection::vec(op(), 1..60);
    (limits(), hash_bits, ops).prop_map(|(limits, hash_bits, ops)| Script { limits, hash_bits, ops })
}

fn limits() -> impl Strategy<Value = Limits> {
    let weight = prop_oneof![1 => Just(0), 6 => 1..40_u64, 1 => Just(u64::MAX), 1 => u64::MAX - 20..u64::MAX];
    let entries = prop_oneof![1 => Just(0), 4 => 1..7_u64, 4 => Just(u64::MAX)];
    (weight, entries).prop_map(|(weight, entries)| Limits { weight, entries })
}

fn weight() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 12 => 1..8_u64, 2 => 8..45_u64, 1 => Just(u64::MAX), 1 => u64::MAX - 20..u64::MAX]
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    let lives = prop_oneof![3 => Just(None), 2 => (0..12_u64).prop_map(Some)];
    prop_oneof![
        20 => (key(), weight(), lives).prop_map(|(key, weight, lives)| Op::Insert { key, weight, lives }),
        14 => key().prop_map(Op::Get),
        3 => key().prop_map(Op::Peek),
        4 => key().prop_map(Op::Remove),
        3 => prop_oneof![0..4_usize, Just(usize::MAX)].prop_map(|limit| Op::Expire { limit }),
        4 => (0..6_u64).prop_map(Op::Advance),
        1 => Just(Op::Clear),
        2 => limits().prop_map(Op::Resize),
    ]
}
