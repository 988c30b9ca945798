//! What a catalog tells its policy of weights and costs.

use std::time::Duration;

use cache_core::{Catalog, Limits, Offer, PolicyKind, Timestamp};

use crate::policy_replay::zipf;

fn offer(key: u64, weight: u64, cost: Duration) -> Offer<u64, ()> {
    let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Offer { key, value: (), hash, weight, cost, expires: Timestamp::NEVER, pinned: false }
}

/// Keys that left, in order, of requests that insert what they miss.
fn departed(kind: PolicyKind, limits: Limits, weight: impl Fn(u64) -> u64) -> Vec<u64> {
    let mut catalog = Catalog::new(limits, kind);
    let mut left = Vec::new();
    for key in zipf(500, 0.8, 5_000) {
        let offer = offer(key, weight(key), Duration::ZERO);
        if catalog.get(offer.hash, &key, Timestamp::EPOCH).is_none() {
            left.extend(catalog.insert(offer, Timestamp::EPOCH).into_iter().map(|departure| departure.key));
        }
    }
    left
}

#[test]
fn weights_do_not_matter_where_only_the_number_of_entries_is_bounded() {
    for kind in PolicyKind::ALL {
        let alike = departed(kind, Limits::weight(50), |_| 1);
        // A share of an unbounded weight, as a cache in shards has it.
        for limits in [Limits::entries(50), Limits { weight: u64::MAX / 64, entries: 50 }] {
            assert_eq!(departed(kind, limits, |key| 1 << (key % 40)), alike, "{kind}");
        }
    }
}

#[test]
fn a_replacement_tells_what_the_value_costs_now() {
    let second = Duration::from_secs(1);
    for (cost, victim) in [(second / 1_000, 1), (second * 1_000, 2)] {
        let mut catalog = Catalog::new(Limits::weight(2), PolicyKind::Gdsf);
        for offer in [offer(1, 1, second * 10), offer(2, 1, second * 10), offer(1, 1, cost)] {
            drop(catalog.insert(offer, Timestamp::EPOCH));
        }
        let left = catalog.insert(offer(3, 1, second * 100), Timestamp::EPOCH);
        assert_eq!(left.iter().map(|departure| departure.key).collect::<Vec<_>>(), [victim], "{cost:?}");
    }
}

#[test]
fn a_replacement_counts_as_a_hit_whatever_it_costs() {
    for kind in PolicyKind::ALL.into_iter().filter(|&kind| kind != PolicyKind::Fifo) {
        let mut catalog = Catalog::new(Limits::weight(10), kind);
        for key in 0..10 {
            drop(catalog.insert(offer(key, 1, Duration::ZERO), Timestamp::EPOCH));
        }
        for times in 0..3 {
            drop(catalog.insert(offer(0, 1, Duration::from_nanos(times)), Timestamp::EPOCH));
        }
        drop(catalog.insert(offer(10, 1, Duration::ZERO), Timestamp::EPOCH));
        assert!(catalog.peek(offer(0, 1, Duration::ZERO).hash, &0, Timestamp::EPOCH).is_some(), "{kind}");
    }
}
