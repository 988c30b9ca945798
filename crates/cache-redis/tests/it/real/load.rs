//! Reads and writes of several tasks that go on while something happens to the servers, every answer judged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::{Backend, Entry, Error, Key, Result};
use cache_redis::RedisBackend;
use cache_testkit::{eventually, writer_of};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::support::{LIMIT, assert_outage, entry, key, timed};

/// Tasks, each with keys of its own.
const TASKS: u64 = 8;
/// Keys of one task.
pub(crate) const KEYS: u64 = 25;

/// What a server promises about a write that it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    Kept,
    /// A replica that takes over may not have heard of it.
    MayBeLost,
}

/// A load that goes on until it is ended.
#[derive(Debug)]
pub(crate) struct Load {
    tasks: JoinSet<Calls>,
    ends: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
}

/// What became of the calls of a load.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) made: u64,
    pub(crate) failed: u64,
    /// Reads that found nothing, or less than what was acknowledged.
    pub(crate) lost: u64,
    pub(crate) slowest: Duration,
    /// From the first failure to the last one.
    outage: Option<(Instant, Instant)>,
}

impl Load {
    pub(crate) fn on(backend: &Arc<RedisBackend>, promise: Promise) -> Self {
        let (ends, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(work(backend.clone(), task, promise, ends.clone(), made.clone()));
        }
        Self { tasks, ends, made }
    }

    /// Waits for `count` more calls.
    pub(crate) async fn goes_on(&self, count: u64) {
        let until = self.made.load(Ordering::Relaxed) + count;
        assert!(eventually(LIMIT, || async { self.made.load(Ordering::Relaxed) >= until }).await, "calls hang");
    }

    pub(crate) async fn end(mut self) -> Calls {
        self.ends.store(true, Ordering::Relaxed);
        let mut all = Calls::default();
        while let Some(calls) = self.tasks.join_next().await {
            all.add(&calls.unwrap());
        }
        all
    }
}

impl Calls {
    /// From the first failed call to the last one.
    pub(crate) fn outage(&self) -> Duration {
        self.outage.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    fn failed(&mut self, error: Error, began: Instant) {
        assert_outage::<()>(&Err(error));
        self.failed += 1;
        self.outage = Some((self.outage.map_or(began, |(first, _)| first), Instant::now()));
    }

    fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.failed += other.failed;
        self.lost += other.lost;
        self.slowest = self.slowest.max(other.slowest);
        self.outage = match (self.outage, other.outage) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, failed, lost, slowest, .. } = self;
        let outage = self.outage();
        write!(f, "{failed} of {made} calls failed within {outage:?}, {lost} lost, 0 wrong, the slowest {slowest:?}")
    }
}

/// The keys of all tasks.
pub(crate) fn keys() -> Vec<Key> {
    (0..TASKS * KEYS).map(key).collect()
}

async fn work(
    backend: Arc<RedisBackend>,
    task: u64,
    promise: Promise,
    ends: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
) -> Calls {
    let mut calls = Calls::default();
    let mut acknowledged = vec![0; KEYS as usize];
    // So that an outage, in which calls fail at once, is no busy loop.
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stamp = 0;
    while !ends.load(Ordering::Relaxed) {
        pace.tick().await;
        stamp += 1;
        let (at, number) = (stamp % KEYS, task * KEYS + stamp % KEYS);
        let began = Instant::now();
        match timed(backend.put(&key(number), written(number, stamp))).await {
            Ok(()) => acknowledged[at as usize] = stamp,
            Err(error) => calls.failed(error, began),
        }
        calls.slowest = calls.slowest.max(began.elapsed());
        let began = Instant::now();
        match timed(backend.get(&key(number))).await {
            Ok(found) => {
                let is_lost = judge(found.as_ref(), number, acknowledged[at as usize], stamp);
                assert!(!is_lost || promise == Promise::MayBeLost, "{number}: {stamp} was lost: {found:?}");
                calls.lost += u64::from(is_lost);
            }
            Err(error) => calls.failed(error, began),
        }
        calls.slowest = calls.slowest.max(began.elapsed());
        calls.made += 2;
        made.fetch_add(2, Ordering::Relaxed);
    }
    calls
}

/// An entry whose body says which key and which stamp it is of.
fn written(number: u64, stamp: u64) -> Entry {
    entry(number << 32 | stamp, stamp, 1_000)
}

/// Whether an acknowledged write is lost; fails when the answer is of another key, or was never written.
fn judge(found: Option<&Entry>, number: u64, acknowledged: u64, tried: u64) -> bool {
    let Some(found) = found else { return acknowledged > 0 };
    let stamp = found.meta.stamp.as_u64();
    assert_eq!(writer_of(&found.body), Some(number << 32 | stamp), "the answer to another question");
    assert!(stamp <= tried, "{stamp} of {tried}");
    stamp < acknowledged
}

/// Waits until every one of `keys` is answered; how long that took.
pub(crate) async fn all_answer(backend: &RedisBackend, keys: &[Key]) -> Duration {
    let began = Instant::now();
    let answered = || async { timed(backend.get_many(keys)).await.iter().all(Result::is_ok) };
    assert!(eventually(LIMIT, answered).await, "not all keys are answered within {LIMIT:?}");
    began.elapsed()
}
