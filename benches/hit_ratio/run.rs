//! A trace replayed through everything, on all processors.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use benches::optimum::Future;
use benches::replay::{Replayed, Served, replay};
use benches::trace::Trace;
use cache_core::PolicyKind;

use crate::greedy::Greedy;
use crate::ours::Ours;
use crate::peers::PEERS;

/// Capacities, as shares of the distinct keys, or of their bytes if these are told.
pub(crate) const SHARES: [f64; 4] = [0.01, 0.05, 0.1, 0.25];

/// Names of the rows that know the future.
pub(crate) const BELADY: &str = "Belady";
pub(crate) const BOUND: &str = "bound";

/// How the names of our policies begin.
pub(crate) const OURS: &str = "Reelcache ";

/// Gdsf told that all values cost the same, so that it goes for hits.
pub(crate) const FOR_HITS: &str = "Reelcache gdsf, costs alike";

/// The textbook's GDSF, as in libCacheSim.
pub(crate) const GREEDY: &str = "exact GDSF";

/// What everything served of a trace, by capacity.
pub(crate) struct Replays<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) rows: Vec<(String, [Served; SHARES.len()])>,
}

/// Replays a trace through all policies, all peers and the optimum.
pub(crate) fn replays(trace: &Trace) -> Replays<'_> {
    let future = Future::of(trace);
    let mut runs: Vec<Run<'_>> = Vec::new();
    for policy in PolicyKind::ALL {
        let name = format!("{OURS}{policy}");
        runs.push((name, Box::new(move |capacity| replay(trace, &mut Ours::new(policy, capacity)))));
    }
    let for_hits = |capacity| Ours::new(PolicyKind::Gdsf, capacity).with_costs(|_| 1000);
    runs.push((FOR_HITS.to_owned(), Box::new(move |capacity| replay(trace, &mut for_hits(capacity)))));
    runs.push((GREEDY.to_owned(), Box::new(|capacity| replay(trace, &mut Greedy::new(capacity)))));
    for (name, new) in PEERS {
        runs.push((
            name.to_owned(),
            Box::new(move |capacity| {
                let mut cache: Box<dyn Replayed> = new(trace, capacity);
                replay(trace, &mut *cache)
            }),
        ));
    }
    runs.push((BELADY.to_owned(), Box::new(|capacity| future.belady(capacity))));
    runs.push((BOUND.to_owned(), Box::new(|capacity| future.bound(capacity))));
    let served = all(&runs, trace);
    let rows = runs
        .iter()
        .enumerate()
        .map(|(row, (name, _))| (name.clone(), [0, 1, 2, 3].map(|column| served[row * SHARES.len() + column])));
    Replays { trace, rows: rows.collect() }
}

/// Something that serves a trace with a capacity.
type Run<'a> = (String, Box<dyn Fn(u64) -> Served + Sync + 'a>);

/// Every run with every capacity, run by run.
fn all(runs: &[Run<'_>], trace: &Trace) -> Vec<Served> {
    let jobs = runs.len() * SHARES.len();
    let (next, served) = (AtomicUsize::new(0), Mutex::new(vec![Served::default(); jobs]));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    let Some((_, run)) = runs.get(job / SHARES.len()) else { return };
                    let found = run(trace.capacity(SHARES[job % SHARES.len()]));
                    served.lock().unwrap_or_else(PoisonError::into_inner)[job] = found;
                }
            });
        }
    });
    served.into_inner().unwrap_or_else(PoisonError::into_inner)
}
