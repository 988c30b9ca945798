//! The optimum against every way there is to serve a short trace.

use std::collections::HashMap;

use benches::optimum::Future;
use benches::random::Random;
use benches::trace::{Columns, Numbering, Request, Trace};

/// What a request is worth: one, its bytes, or its cost.
const WORTHS: [fn(&Request) -> u64; 3] = [|_| 1, |request| request.bytes, |request| request.cost.into()];

fn unweighed(keys: &[u32]) -> Trace {
    let mut numbering = Numbering::default();
    let keys = keys.iter().map(|&key| numbering.of(key)).collect();
    Trace::new("unweighed", &Columns { keys, ..Columns::default() })
}

/// A trace of keys with bytes, and costs that are made up.
fn random_trace(random: &mut Random, weighed: bool) -> Trace {
    let count = 1 + random.below(11);
    let keys: Vec<u32> = (0..count).map(|_| random.below(5) as u32).collect();
    let mut trace = unweighed(&keys);
    if weighed {
        // Half of them keep the bytes of a key, the others change them from request to request.
        let fixed = random.below(2) == 0;
        let of_key: Vec<u64> = (0..5).map(|_| 1 + random.below(6)).collect();
        let bytes =
            trace.requests.iter().map(|request| if fixed { of_key[request.key as usize] } else { 1 + random.below(6) });
        let (bytes, costs) = (bytes.collect(), (0..count).map(|_| random.below(9) as u32).collect());
        let keys = trace.requests.iter().map(|request| request.key).collect();
        trace = Trace::new("weighed", &Columns { keys, bytes: Some(bytes), costs: Some(costs) });
    }
    trace
}

/// The most that hits can be worth, by trying everything: after a miss the value is held or not, and anything may go.
fn best(trace: &Trace, capacity: u64, worth: fn(&Request) -> u64) -> u64 {
    // What is held, by key, with what it weighed when it was loaded; and the most that was gained so far.
    let mut states: HashMap<Vec<Option<u64>>, u64> = HashMap::from([(vec![None; trace.keys], 0)]);
    for request in &trace.requests {
        let mut next = HashMap::new();
        for (held, gained) in states {
            let key = request.key as usize;
            let gained = gained + if held[key].is_some() { worth(request) } else { 0 };
            let mut full = held;
            full[key] = full[key].or(Some(request.bytes));
            for kept in 0..1_u32 << trace.keys {
                let keep = |key: usize| full[key].filter(|_| kept >> key & 1 == 1);
                let held: Vec<_> = (0..trace.keys).map(keep).collect();
                if held.iter().flatten().sum::<u64>() <= capacity {
                    let most = next.entry(held).or_insert(0);
                    *most = gained.max(*most);
                }
            }
        }
        states = next;
    }
    states.into_values().max().unwrap_or_default()
}

#[test]
fn belady_serves_a_trace_worked_out_by_hand() {
    // Belady's own kind of example: with room for 3, 0 1 2 miss, and of 1 2 3 4 the one wanted last goes each time.
    let trace = unweighed(&[0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4]);
    let hits = |capacity| Future::of(&trace).belady(capacity).requests * 12.0;
    assert!((hits(3) - 5.0).abs() < 1e-9, "{}", hits(3));
    assert!((hits(5) - 7.0).abs() < 1e-9);
    assert!(hits(0).abs() < 1e-9);
}

#[test]
fn belady_is_the_best_there_is_where_weights_are_equal() {
    let mut random = Random::new(1);
    for _ in 0..300 {
        let (trace, capacity) = (random_trace(&mut random, false), random.below(4));
        let hits = Future::of(&trace).belady(capacity).requests * trace.requests.len() as f64;
        let best = best(&trace, capacity, WORTHS[0]) as f64;
        assert!((hits - best).abs() < 1e-6, "{hits} of {best}: {trace:?} with room for {capacity}");
    }
}

#[test]
fn nothing_passes_the_bound() {
    let mut random = Random::new(2);
    for round in 0..600 {
        let (trace, capacity) = (random_trace(&mut random, round % 2 == 0), random.below(12));
        let bound = Future::of(&trace).bound(capacity).shares();
        for (worth, bound) in WORTHS.into_iter().zip(bound) {
            let all: u64 = trace.requests.iter().map(worth).sum();
            let best = best(&trace, capacity, worth) as f64;
            assert!(best <= bound * all as f64 + 1e-6, "{best} of {all}, bound {bound}: {trace:?}, room {capacity}");
        }
    }
}

#[test]
fn with_room_for_all_only_first_requests_miss() {
    let trace = unweighed(&[0, 1, 0, 2, 1, 0]);
    let future = Future::of(&trace);
    assert!((future.belady(3).requests - 0.5).abs() < 1e-9);
    assert!((future.bound(3).requests - 0.5).abs() < 1e-9);
}
