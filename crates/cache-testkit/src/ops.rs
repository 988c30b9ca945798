//! Operations as values: the same workload run on two backends must be answered the same.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::{Entry, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Timestamp};

use crate::{Bench, Case, Rng, body_of};

/// One step of a workload. Deadlines in it are absolute, counted from [`Bench::START`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Puts one entry.
    Put(Key, Entry),
    /// Puts many.
    PutMany(Vec<(Key, Entry)>),
    /// Gets one entry.
    Get(Key),
    /// Gets many.
    GetMany(Vec<Key>),
    /// Reads meta.
    Stat(Key),
    /// Renews the entry of a stamp with a meta.
    Renew(Key, Stamp, Meta),
    /// Removes a key.
    Remove(Key),
    /// Scans a prefix.
    Scan(KeyPrefix),
    /// Moves the clock forward.
    Advance(Duration),
    /// Sweeps with a limit. What it drops is no observation: when expired entries leave is the backend's choice.
    Sweep(usize),
}

/// What one step answered, in a form that equal backends answer equally.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// It was done, with nothing to see.
    Done,
    /// An entry, or none.
    Entry(Option<Entry>),
    /// A meta, or none.
    Meta(Option<Meta>),
    /// Whether something was removed.
    Removed(bool),
    /// Whether something was renewed.
    Renewed(bool),
    /// What a scan found, sorted; a key that it found twice is there twice.
    Found(Vec<(Key, Meta)>),
    /// One answer for each of many.
    Many(Vec<Self>),
    /// It failed.
    Failed(ErrorKind),
}

/// Does one step on `case` and says what was seen. Cancelling it is as cancelling the call that the step stands for.
pub async fn apply(case: &Case, op: &Op) -> Observation {
    let backend = &case.backend;
    match op {
        Op::Put(key, entry) => observe(backend.put(key, entry.clone()).await, |()| Observation::Done),
        Op::PutMany(entries) => many(backend.put_many(entries.clone()).await, |()| Observation::Done),
        Op::Get(key) => observe(backend.get(key).await, Observation::Entry),
        Op::GetMany(keys) => many(backend.get_many(keys).await, Observation::Entry),
        Op::Stat(key) => observe(backend.stat(key).await, Observation::Meta),
        Op::Renew(key, present, meta) => {
            observe(backend.renew(key, *present, meta.clone()).await, Observation::Renewed)
        }
        Op::Remove(key) => observe(backend.remove(key).await, Observation::Removed),
        Op::Scan(prefix) => observe(case.scan(prefix).await, |mut found| {
            found.sort_by(|left, right| left.0.cmp(&right.0));
            Observation::Found(found)
        }),
        Op::Advance(span) => {
            case.clock.advance(*span);
            Observation::Done
        }
        Op::Sweep(limit) => observe(backend.sweep(case.now(), *limit).await, |_| Observation::Done),
    }
}

/// Runs `ops` on both cases, each with a clock of its own.
///
/// # Errors
/// The first step that they answer differently, with both answers.
pub async fn compare(subject: &Case, model: &Case, ops: &[Op]) -> std::result::Result<(), String> {
    for (step, op) in ops.iter().enumerate() {
        let (seen, expected) = (apply(subject, op).await, apply(model, op).await);
        if seen != expected {
            return Err(format!("step {step}, {op:?}: answered {seen:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

/// `count` steps that belong to `seed`: few keys, so that they meet; old, equal and new stamps; deadlines that pass.
///
/// Made for backends opened with [`Bench::START`] that have room for about 64 KiB under each of 24 keys.
pub fn workload(seed: u64, count: usize) -> Vec<Op> {
    let mut script =
        Script { rng: Rng::new(seed), now: Bench::START, stamp: 1 << 40, keys: keys(), put: BTreeMap::new() };
    (0..count).map(|_| script.op()).collect()
}

struct Script {
    rng: Rng,
    now: Timestamp,
    stamp: u64,
    keys: Vec<Key>,
    /// The stamp of the last put or renewal of each key.
    put: BTreeMap<Key, Stamp>,
}

impl Script {
    fn op(&mut self) -> Op {
        match self.rng.below(100) {
            0..24 => {
                let (key, entry) = self.put();
                Op::Put(key, entry)
            }
            24..30 => self.renew(),
            30..35 => Op::PutMany((0..self.rng.below(6)).map(|_| self.put()).collect()),
            35..60 => Op::Get(self.key()),
            60..65 => Op::GetMany((0..self.rng.below(8)).map(|_| self.key()).collect()),
            65..72 => Op::Stat(self.key()),
            72..82 => Op::Remove(self.key()),
            82..88 => Op::Scan(self.prefix()),
            88..97 => self.advance(),
            _ => Op::Sweep(self.rng.below(5) as usize),
        }
    }

    fn key(&mut self) -> Key {
        let at = self.rng.below(self.keys.len() as u64) as usize;
        self.keys[at].clone()
    }

    fn prefix(&mut self) -> KeyPrefix {
        if self.rng.chance(1, 3) { KeyPrefix::all() } else { KeyPrefix::below(&self.key()) }
    }

    fn advance(&mut self) -> Op {
        let span = Duration::from_millis(self.rng.below(15));
        self.now = self.now.after(span);
        Op::Advance(span)
    }

    fn put(&mut self) -> (Key, Entry) {
        let (key, meta) = (self.key(), self.meta());
        self.put.insert(key.clone(), meta.stamp);
        let len = match self.rng.below(10) {
            0 => 0,
            1..8 => self.rng.below(200),
            8 => 4_000 + self.rng.below(300),
            _ => self.rng.below(64 << 10),
        };
        (key, Entry::new(meta, body_of(self.rng.next_u64(), len as usize)))
    }

    fn renew(&mut self) -> Op {
        let (key, meta) = (self.key(), self.meta());
        let present = self.put.get(&key).copied().unwrap_or(meta.stamp);
        self.put.insert(key.clone(), meta.stamp);
        Op::Renew(key, present, meta)
    }

    fn meta(&mut self) -> Meta {
        self.stamp += 1;
        let age = if self.rng.chance(1, 3) { self.rng.below(20) } else { 0 };
        let mut meta = Meta::new(Stamp::from_u64(self.stamp - age), self.now);
        if self.rng.chance(2, 3) {
            meta.fresh_until = self.soon();
            meta.stale_until = meta.fresh_until.after(Duration::from_millis(self.rng.below(20)));
        }
        if self.rng.chance(1, 6) {
            meta.valid_until = self.soon();
        }
        meta
    }

    /// An instant that is near, and sometimes past.
    fn soon(&mut self) -> Timestamp {
        let millis = self.now.as_millis() + self.rng.below(60);
        Timestamp::from_millis(millis - 5)
    }
}

/// 24 keys in four trees, some below others, the name of each tree being the start of the next one's.
fn keys() -> Vec<Key> {
    let build = |number: u64| {
        let tree = Key::of("a".repeat(number as usize % 4 + 1));
        match number / 4 {
            0 => tree.build(),
            1..4 => tree.part(number).build(),
            _ => tree.part(number - 8).param("p", number).build(),
        }
    };
    (0..24).filter_map(|number| build(number).ok()).collect()
}

fn observe<T>(answer: Result<T>, seen: impl FnOnce(T) -> Observation) -> Observation {
    answer.map_or_else(|error| Observation::Failed(error.kind()), seen)
}

fn many<T>(answers: Vec<Result<T>>, seen: impl Fn(T) -> Observation) -> Observation {
    Observation::Many(answers.into_iter().map(|answer| observe(answer, &seen)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_workload() {
        assert_eq!(workload(1, 200), workload(1, 200));
        assert_ne!(workload(1, 200), workload(2, 200));
    }

    #[test]
    fn there_are_as_many_keys_as_promised() {
        assert_eq!(BTreeSet::from_iter(keys()).len(), 24);
    }
}
