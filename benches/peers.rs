//! Reelcache beside its peers in interleaved rounds: medians and ratios as tables.
//!
//! Rounds are short and every cache has its turn in each, in rotated order: what else the machine does hits all alike,
//! so ratios are steadier than times.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on has nothing to say")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod contenders;
mod workload;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use contenders::{Contender, Foyer, Moka, QuickCache, QuickCacheTimed, Reelcache};
use tokio::sync::Mutex;
use workload::{Hits, Misses, Order, indices, wake_up};

/// Hits in a round: about a millisecond, so that few rounds are disturbed.
const HITS: usize = 20_000;
/// Rounds until the same keys are asked for again.
const TURNS: usize = 5;
/// Misses in a round, and the values held meanwhile.
const MISSES: usize = 10_000;
/// Tasks on one key.
const WAITERS: usize = 10_000;

/// One more measurement of one cache.
type Round = Box<dyn FnMut() -> Figure>;

type Figure = Pin<Box<dyn Future<Output = f64>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let told = |word| std::env::args().any(|arg| arg == word);
    // Cargo says `--bench` when it benchmarks; tests only make sure that this runs.
    let turns = match (told("--bench"), told("--quick")) {
        (false, _) => 1,
        (true, true) => 11,
        (true, false) => 101,
    };
    let cases = [(1_000, Order::Uniform), (1_000, Order::Zipf), (100_000, Order::Uniform), (100_000, Order::Zipf)];
    for (keys, order) in cases {
        let rounds = [
            hits::<Reelcache>(keys, order).await,
            hits::<Moka>(keys, order).await,
            hits::<QuickCache>(keys, order).await,
            hits::<QuickCacheTimed>(keys, order).await,
            hits::<Foyer>(keys, order).await,
        ];
        compare(&format!("Hit, {keys} keys, {order:?}"), "ns", turns, rounds).await;
    }
    let rounds =
        [misses::<Reelcache>().await, misses::<Moka>().await, misses::<QuickCache>().await, misses::<Foyer>().await];
    compare("Miss with a loader that is ready at once", "ns", turns, rounds).await;
    let rounds = [waiters::<Reelcache>(), waiters::<Moka>(), waiters::<QuickCache>(), waiters::<Foyer>()];
    compare(&format!("Last of {WAITERS} waiters after the loader's end"), "us", turns, rounds).await;
}

async fn hits<C: Contender>(keys: usize, order: Order) -> (&'static str, Round) {
    let hits = Rc::new(Hits::<C>::new(keys, indices(order, keys, HITS * TURNS)).await);
    let mut turn = 0;
    let round = move || {
        turn += 1;
        let hits = hits.clone();
        Box::pin(async move { hits.nanos_per_hit(turn, HITS).await }) as Figure
    };
    (C::NAME, Box::new(round))
}

async fn misses<C: Contender>() -> (&'static str, Round) {
    let misses = Rc::new(Mutex::new(Misses::<C>::new(MISSES).await));
    let round = move || {
        let misses = misses.clone();
        Box::pin(async move { misses.lock().await.nanos_per_miss(MISSES).await }) as Figure
    };
    (C::NAME, Box::new(round))
}

fn waiters<C: Contender>() -> (&'static str, Round) {
    let round = || Box::pin(async { wake_up::<C>(WAITERS).await.as_secs_f64() * 1e6 }) as Figure;
    (C::NAME, Box::new(round))
}

/// Runs the rounds of all in rotated order, and prints a table.
async fn compare<const N: usize>(title: &str, unit: &str, turns: usize, mut rounds: [(&'static str, Round); N]) {
    let mut figures = [const { Vec::<f64>::new() }; N];
    for turn in 0..turns {
        for step in 0..rounds.len() {
            let at = (turn + step) % rounds.len();
            figures[at].push((rounds[at].1)().await);
        }
    }
    println!("\n{title}:\n\n| cache | median {unit} | of ours | fastest | slowest |\n|---|---|---|---|---|");
    for values in &mut figures {
        values.sort_by(f64::total_cmp);
    }
    let ours = median(&figures[0]);
    for ((name, _), values) in rounds.iter().zip(&figures) {
        let (median, fastest, slowest) = (median(values), values[0], values[values.len() - 1]);
        println!("| {name} | {median:.0} | {:.2} | {fastest:.0} | {slowest:.0} |", median / ours);
    }
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
