//! A small slice of the hit ratios: every policy, on every kind of trace.

#[path = "../../hit_ratio/ours.rs"]
mod ours;

use benches::optimum::Future;
use benches::replay::replay;
use benches::synthetic;
use cache_core::PolicyKind;
use ours::Ours;

/// Requests of each trace: enough for ghosts and sketches to matter.
const REQUESTS: usize = 4_000;

#[test]
fn no_policy_passes_the_bound() {
    for trace in synthetic::all(REQUESTS) {
        let future = Future::of(&trace);
        for capacity in [0.01, 0.1, 0.25].map(|share| trace.capacity(share)) {
            let bound = future.bound(capacity).shares();
            for policy in PolicyKind::ALL {
                let served = replay(&trace, &mut Ours::new(policy, capacity)).shares();
                let passes = served.iter().zip(&bound).any(|(served, bound)| *served > bound + 1e-9);
                assert!(!passes, "{policy} with {capacity} on {}: {served:?}, bound {bound:?}", trace.name);
            }
        }
    }
}

#[test]
fn with_room_for_all_every_policy_misses_each_key_once() {
    for trace in synthetic::all(REQUESTS) {
        let want = Future::of(&trace).belady(trace.bytes).requests;
        for policy in PolicyKind::ALL {
            let served = replay(&trace, &mut Ours::new(policy, trace.bytes));
            assert!((served.requests - want).abs() < 1e-9, "{policy} on {}", trace.name);
        }
    }
}

#[test]
fn every_policy_serves_something_of_an_uneven_trace() {
    let trace = synthetic::zipf(REQUESTS);
    for policy in PolicyKind::ALL {
        let served = replay(&trace, &mut Ours::new(policy, trace.capacity(0.1)));
        assert!(served.requests > 0.2 && served.cost > 0.2, "{policy}: {served:?}");
    }
}

#[test]
fn gdsf_hits_more_when_costs_are_alike() {
    let trace = synthetic::media(REQUESTS);
    let new = || Ours::new(PolicyKind::Gdsf, trace.capacity(0.1));
    let (by_cost, alike) = (replay(&trace, &mut new()), replay(&trace, &mut new().with_costs(|_| 1000)));
    assert!(alike.requests > by_cost.requests && alike.cost < by_cost.cost, "{alike:?}, by cost {by_cost:?}");
}
