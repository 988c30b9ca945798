//! One cache at work: slices of time in which threads ask it, and single calls timed.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::contenders::{Contender, Key, Value};

/// Calls between two looks at the clock.
const BATCH: usize = 256;

/// The calls of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Gets of resident keys.
    Get,
    /// Gets, and every n-th call an insert.
    InsertEvery(usize),
    /// Gets, and an insert after each miss.
    ReadThrough,
}

/// Keys with their values, and the order in which keys are asked for.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) keys: &'a [Key],
    pub(crate) values: &'a [Value],
    pub(crate) order: &'a [u32],
    pub(crate) mix: Mix,
    pub(crate) threads: usize,
}

/// What was done in a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    /// Millions of calls in a second, by all threads together.
    pub(crate) speed: f64,
    /// Share of the gets that hit.
    pub(crate) hits: f64,
}

/// A cache of any kind.
pub(crate) trait Runner: Send + Sync {
    /// Works for `span`. Other turns ask for other keys.
    fn run(&self, work: &Work<'_>, turn: usize, span: Duration) -> Slice;

    /// Nanoseconds of each of `count` gets and inserts, clock included.
    fn time_calls(&self, work: &Work<'_>, turn: usize, count: usize) -> [Vec<f64>; 2];

    /// Asks for every key in `order` and inserts it after a miss.
    fn warm(&self, work: &Work<'_>);
}

impl<C: Contender> Runner for C {
    fn run(&self, work: &Work<'_>, turn: usize, span: Duration) -> Slice {
        let stride = work.order.len() / 64 + 1;
        let barrier = Barrier::new(work.threads);
        let thread = |number: usize| {
            let start = (turn * work.threads + number) * stride;
            // What the caches before this one left in the processor's caches is not part of the slice.
            drive(self, work, start + stride / 2, span / 2);
            barrier.wait();
            drive(self, work, start, span)
        };
        let shares: Vec<Share> = thread::scope(|scope| {
            let others: Vec<_> = (1..work.threads).map(|number| scope.spawn(move || thread(number))).collect();
            let first = thread(0);
            let others = others.into_iter().map(|other| other.join().expect("a thread that ends"));
            std::iter::once(first).chain(others).collect()
        });
        let calls: usize = shares.iter().map(|share| share.calls).sum();
        let [gets, hits] = [|share: &Share| share.gets, |share: &Share| share.hits]
            .map(|count| shares.iter().map(count).sum::<usize>() as f64);
        let began = shares.iter().map(|share| share.began).min().expect("a thread");
        let ended = shares.iter().map(|share| share.ended).max().expect("a thread");
        Slice { speed: calls as f64 / (ended - began).as_secs_f64() / 1e6, hits: hits / gets }
    }

    fn time_calls(&self, work: &Work<'_>, turn: usize, count: usize) -> [Vec<f64>; 2] {
        let mut times = [const { Vec::new() }; 2];
        for &index in work.order.iter().cycle().skip(turn * count % work.order.len()).take(count) {
            let key = &work.keys[index as usize];
            let began = Instant::now();
            let found = black_box(self.get(key));
            times[0].push(began.elapsed().as_nanos() as f64);
            drop(found);
            let (key, value) = (key.clone(), work.values[index as usize].clone());
            let began = Instant::now();
            self.insert(key, value);
            times[1].push(began.elapsed().as_nanos() as f64);
        }
        times
    }

    fn warm(&self, work: &Work<'_>) {
        for &index in work.order {
            if self.get(&work.keys[index as usize]).is_none() {
                self.insert(work.keys[index as usize].clone(), work.values[index as usize].clone());
            }
        }
        self.settle();
    }
}

/// What one thread did.
struct Share {
    calls: usize,
    gets: usize,
    hits: usize,
    began: Instant,
    ended: Instant,
}

fn drive<C: Contender>(cache: &C, work: &Work<'_>, start: usize, span: Duration) -> Share {
    let insert = |index: u32| cache.insert(work.keys[index as usize].clone(), work.values[index as usize].clone());
    let get = |index: u32| usize::from(black_box(cache.get(&work.keys[index as usize])).is_some());
    match work.mix {
        Mix::Get => repeat(work.order, start, span, |_, index| (1, get(index))),
        Mix::InsertEvery(every) => repeat(work.order, start, span, |call, index| {
            if call % every == 0 {
                insert(index);
                (0, 0)
            } else {
                (1, get(index))
            }
        }),
        Mix::ReadThrough => repeat(work.order, start, span, |_, index| {
            let hit = get(index);
            if hit == 0 {
                insert(index);
            }
            (1, hit)
        }),
    }
}

/// Calls with indices from `order` until `span` is over; `call` answers with the gets and the hits that it made.
fn repeat(order: &[u32], start: usize, span: Duration, mut call: impl FnMut(usize, u32) -> (usize, usize)) -> Share {
    let mut at = start % order.len();
    let (mut calls, mut gets, mut hits) = (0, 0, 0);
    let began = Instant::now();
    loop {
        for _ in 0..BATCH {
            let (asked, found) = call(calls, order[at]);
            calls += 1;
            gets += asked;
            hits += found;
            at += 1;
            if at == order.len() {
                at = 0;
            }
        }
        let ended = Instant::now();
        if ended - began >= span {
            return Share { calls, gets, hits, began, ended };
        }
    }
}
