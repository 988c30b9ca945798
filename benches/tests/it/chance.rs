//! Chance repeats itself, and figures are in order.

use benches::random::{Random, Zipf, shuffled};
use benches::stats::{median, quantile};
use benches::synthetic;

#[test]
fn made_up_traces_are_the_same_in_every_run() {
    let (first, second) = (synthetic::all(5_000), synthetic::all(5_000));
    assert_eq!(first, second);
    let names: Vec<&str> = first.iter().map(|trace| trace.name.as_str()).collect();
    assert_eq!(names, ["zipf", "scans", "loop", "phases", "one-shots", "media"]);
}

#[test]
fn made_up_traces_may_have_any_length() {
    for requests in [1, 2, 7, 100] {
        for trace in synthetic::all(requests) {
            assert_eq!(trace.requests.len(), requests, "{}", trace.name);
        }
    }
}

#[test]
fn a_loop_asks_for_every_key_equally_often() {
    let trace = synthetic::cycle(1_000);
    assert_eq!(trace.keys, 50);
    assert_eq!(trace.requests[0].key, trace.requests[50].key);
}

#[test]
fn phases_share_no_keys() {
    let trace = synthetic::phases(8_000);
    let (before, after) = trace.requests.split_at(800);
    assert!(after.iter().all(|request| before.iter().all(|other| other.key != request.key)));
}

#[test]
fn made_up_costs_are_those_of_media() {
    for trace in synthetic::all(5_000) {
        assert!(trace.requests.iter().all(|request| (15_000..=300_000).contains(&request.cost)), "{}", trace.name);
    }
    let mut costs: Vec<f64> = synthetic::zipf(10_000).requests.iter().map(|request| f64::from(request.cost)).collect();
    let middle = median(&mut costs).unwrap();
    assert!((40_000.0..110_000.0).contains(&middle), "{middle}");
}

#[test]
fn a_rank_comes_in_proportion_to_its_place() {
    let (zipf, mut random) = (Zipf::new(10, 1.0), Random::new(7));
    let mut counts = [0.0; 10];
    for _ in 0..100_000 {
        counts[zipf.draw(&mut random)] += 1.0;
    }
    let harmonic: f64 = (1..=10).map(|rank| 1.0 / f64::from(rank)).sum();
    for (count, rank) in counts.into_iter().zip(1..) {
        let expected = 100_000.0 / harmonic / f64::from(rank);
        assert!((count - expected).abs() < 0.05 * expected + 100.0, "rank {rank}: {count} for {expected}");
    }
}

#[test]
fn shuffled_numbers_are_all_there() {
    let mut numbers = shuffled(100, 1);
    assert_ne!(numbers, (0..100).collect::<Vec<u32>>());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<u32>>());
}

#[test]
fn quantiles_are_values_that_were_seen() {
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(quantile(&mut [1.0, 2.0, 3.0, 4.0], 1.0), Some(4.0));
    assert_eq!(quantile(&mut [4.0, 2.0], 0.0), Some(2.0));
    assert_eq!(median(&mut []), None);
}
