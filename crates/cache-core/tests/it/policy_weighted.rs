//! Weights and costs count where a policy says so.

use std::time::Duration;

use cache_core::{Facts, PolicyKind, Slot};

use crate::policy_replay::{Replay, randoms, zipf};

/// Weights and costs over four decades, for each key its own.
fn traits_of(keys: usize) -> Vec<(u64, Duration)> {
    let exponents: Vec<f64> = randoms(7).take(2 * keys).map(|random| 4.0 * random).collect();
    let cost = |exponent: f64| Duration::from_secs_f64(10_f64.powf(exponent - 4.0));
    let weight = |exponent: f64| Duration::from_secs_f64(10_f64.powf(exponent)).as_secs();
    let pair = |pair: &[f64]| (weight(pair[0]), cost(pair[1]));
    exponents.chunks(2).map(pair).collect()
}

/// Hits per request and time saved per time, with a twentieth of all weight.
fn shares(kind: PolicyKind, costs: bool) -> (f64, f64) {
    let traits = traits_of(3_000);
    let mut cache = Replay::new(kind, traits.iter().map(|(weight, _)| weight).sum::<u64>() / 20);
    let keys = zipf(3_000, 0.9, 60_000);
    let (mut hits, mut saved, mut all) = (0, Duration::ZERO, Duration::ZERO);
    for &key in &keys {
        let (weight, cost) = traits[key as usize];
        all += cost;
        if cache.request(key, weight, if costs { cost } else { Duration::ZERO }) {
            hits += 1;
            saved += cost;
        }
    }
    (f64::from(hits) / keys.len() as f64, saved.as_secs_f64() / all.as_secs_f64())
}

#[test]
fn gdsf_saves_the_most_time() {
    let (_, gdsf) = shares(PolicyKind::Gdsf, true);
    for kind in PolicyKind::ALL.into_iter().filter(|&kind| kind != PolicyKind::Gdsf) {
        let (_, other) = shares(kind, true);
        assert!(gdsf > other + 0.05, "GDSF {gdsf:.3}, {kind} {other:.3}");
    }
}

#[test]
fn gdsf_and_agd_hit_most_where_weights_differ() {
    let blind = [PolicyKind::Lru, PolicyKind::Slru, PolicyKind::Sieve, PolicyKind::S3Fifo, PolicyKind::TinyLfu];
    for kind in [PolicyKind::Gdsf, PolicyKind::Agd] {
        let (hits, _) = shares(kind, false);
        for other in blind {
            let (others, _) = shares(other, false);
            assert!(hits > others + 0.05, "{kind} {hits:.3}, {other} {others:.3}");
        }
    }
}

#[test]
fn gdsf_evicts_what_is_cheapest_per_weight() {
    let mut policy = PolicyKind::Gdsf.build(100);
    let facts = |weight, millis| Facts { hash: 0, weight, cost: Duration::from_millis(millis) };
    for (slot, weight, millis) in [(0, 10, 30), (1, 10, 10), (2, 1, 2), (3, 100, 1)] {
        policy.insert(Slot(slot), facts(weight, millis));
    }
    policy.touch(Slot(1));
    policy.touch(Slot(1));
    policy.touch(Slot(1));
    // Worth 3, 1 four times over, 2 and a hundredth.
    let order: Vec<Slot> = std::iter::from_fn(|| policy.evict()).collect();
    assert_eq!(order, [3, 2, 0, 1].map(Slot));
}

#[test]
fn gdsf_forgets_what_was_asked_for_often_long_ago() {
    let mut policy = PolicyKind::Gdsf.build(100);
    let facts = Facts { hash: 0, weight: 1, cost: Duration::from_millis(1) };
    policy.insert(Slot(0), facts);
    for _ in 0..10 {
        policy.touch(Slot(0));
    }
    // Each round of newcomers is placed a hit further ahead than the one before.
    let rounds = (1..100_u32).take_while(|&round| {
        policy.insert(Slot(round), facts);
        policy.evict() != Some(Slot(0))
    });
    assert!(rounds.count() < 10);
}

#[test]
fn every_policy_bears_extreme_facts() {
    let weights = [0, 1, u64::MAX / 2, u64::MAX];
    let costs = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
    for kind in PolicyKind::ALL {
        for capacity in [0, 1, 1 << 40, u64::MAX] {
            let mut policy = kind.build(capacity);
            for turn in 0..2_000_u32 {
                let (weight, cost) = (weights[turn as usize % 4], costs[turn as usize % 3]);
                // Every key has the same hash.
                policy.insert(Slot(turn % 300), Facts { hash: 0, weight, cost });
                policy.touch(Slot(turn % 7));
                if turn % 3 > 0 {
                    assert!(policy.evict().is_some(), "{kind}");
                }
            }
            while policy.evict().is_some() {}
            assert!(policy.is_empty(), "{kind}");
        }
    }
}
