//! The workloads of the comparison: hits in some order, misses, and many waiters on one key.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};

use crate::contenders::{Contender, Value};

/// Room for each resident key, so that a share of a cache never overflows.
const ROOM: usize = 4;

/// Which of the resident keys are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// All equally often.
    Uniform,
    /// The k-th most wanted one in proportion to 1/k.
    Zipf,
}

/// A cache that holds all its keys, and the order in which they are asked for.
pub(crate) struct Hits<C: Contender> {
    cache: C,
    keys: Vec<C::Key>,
    order: Arc<[u32]>,
}

impl<C: Contender> Hits<C> {
    /// Loads `keys` keys, and makes sure that they stay.
    pub(crate) async fn new(keys: usize, order: Arc<[u32]>) -> Self {
        let cache = C::new(keys * ROOM);
        let keys: Vec<_> = (0..keys).map(C::key).collect();
        for key in &keys {
            cache.fetch(key, async || 1).await;
            yield_now().await;
        }
        let hits = Self { cache, keys, order };
        for key in &hits.keys {
            hits.cache.fetch(key, needless::<C>).await;
        }
        hits
    }

    /// Wall time of one of the `count` hits of this turn, in nanoseconds. Turns take up the order one after the other.
    pub(crate) async fn nanos_per_hit(&self, turn: usize, count: usize) -> f64 {
        let turns = self.order.len() / count;
        let order = &self.order[turn % turns * count..][..count];
        let began = Instant::now();
        for &index in order {
            let value = self.cache.fetch(&self.keys[index as usize], async || 2).await;
            assert_eq!(black_box(value), 1, "{} has lost a key", C::NAME);
        }
        began.elapsed().as_nanos() as f64 / count as f64
    }
}

/// `count` indices below `keys`, the same in every run.
pub(crate) fn indices(order: Order, keys: usize, count: usize) -> Arc<[u32]> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let weight = |rank: usize| match order {
        Order::Uniform => 1.0,
        Order::Zipf => 1.0 / (rank + 1) as f64,
    };
    let sums: Vec<f64> = (0..keys)
        .scan(0.0, |sum, rank| {
            *sum += weight(rank);
            Some(*sum)
        })
        .collect();
    let total = sums.last().copied().unwrap_or_default();
    let draw = || {
        let point = (next(&mut random) >> 11) as f64 / (1_u64 << 53) as f64 * total;
        // Ranks are spread over the keys, so that wanted ones are not neighbours in memory.
        let rank = sums.partition_point(|&sum| sum < point).min(keys - 1);
        (rank * 7_919 % keys) as u32
    };
    std::iter::repeat_with(draw).take(count).collect()
}

/// A full cache that is asked for nothing but new keys.
pub(crate) struct Misses<C: Contender> {
    cache: C,
    asked: usize,
}

impl<C: Contender> Misses<C> {
    /// Fills a cache of `entries` values.
    pub(crate) async fn new(entries: usize) -> Self {
        let mut misses = Self { cache: C::new(entries), asked: 0 };
        misses.nanos_per_miss(2 * entries).await;
        misses
    }

    /// Wall time of one of `count` misses whose loader is ready at once, in nanoseconds.
    pub(crate) async fn nanos_per_miss(&mut self, count: usize) -> f64 {
        let keys: Vec<_> = (self.asked..self.asked + count).map(C::key).collect();
        self.asked += count;
        let began = Instant::now();
        for key in &keys {
            black_box(self.cache.fetch(key, async || 1).await);
        }
        began.elapsed().as_nanos() as f64 / count as f64
    }
}

/// Time from the end of a loader to the wake-up of the last of `waiters` tasks on its key.
pub(crate) async fn wake_up<C: Contender>(waiters: usize) -> Duration {
    let (cache, key) = (C::new(100), C::key(1));
    let (go, gate) = oneshot::channel::<()>();
    let leader = {
        let (cache, key) = (cache.clone(), key.clone());
        let loader = async move || {
            gate.await.ok();
            1
        };
        tokio::spawn(async move { cache.fetch(&key, loader).await })
    };
    yield_now().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..waiters {
        let (cache, key, asked) = (cache.clone(), key.clone(), asked.clone());
        tasks.spawn(async move {
            asked.fetch_add(1, Ordering::Relaxed);
            cache.fetch(&key, needless::<C>).await;
            Instant::now()
        });
    }
    // On one thread, a task that has counted itself has gone on to wait before another one runs.
    while asked.load(Ordering::Relaxed) < waiters {
        yield_now().await;
    }
    // The loader has nothing left to do but to return.
    let ended = Instant::now();
    go.send(()).expect("a loader that waits");
    let last = tasks.join_all().await.into_iter().max().expect("waiters");
    leader.await.expect("a leader");
    last - ended
}

/// The loader of a key that is present or being loaded.
fn needless<C: Contender>() -> impl Future<Output = Value> + Send {
    poll_fn(|_| panic!("{} loaded a key twice", C::NAME))
}

/// The next number of a `SplitMix64` sequence.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
