//! AGD keeps what is worth keeping under workloads of every kind.

use cache_core::PolicyKind;

use crate::policy_replay::{Replay, cycle, pairs, ratio, zipf};

/// Workloads that break one policy or another, with a number of entries for each.
fn workloads() -> Vec<(&'static str, u64, Vec<u64>)> {
    let scans = |keys: Vec<u64>| {
        let scanned = |turn: usize| (turn / 2_000 % 4 == 3).then_some(1 << 40 | turn as u64);
        keys.iter().enumerate().map(|(turn, key)| scanned(turn).unwrap_or(*key)).collect()
    };
    let drifting = zipf(4_000, 0.9, 60_000).iter().zip(0_u64..).map(|(key, turn)| key + turn / 20).collect();
    vec![
        ("flat", 100, zipf(10_000, 0.7, 60_000)),
        ("skewed", 1_000, zipf(10_000, 1.1, 60_000)),
        ("tiny", 20, zipf(500, 0.9, 60_000)),
        ("scanned", 500, scans(zipf(5_000, 0.9, 60_000))),
        ("drifting", 400, drifting),
        ("pairs", 300, pairs(70, 60_000)),
        ("loop that fits", 300, cycle(300, 60_000)),
        ("loop", 300, cycle(900, 60_000)),
    ]
}

#[test]
fn agd_is_never_far_below_lru() {
    for (name, entries, keys) in workloads() {
        let (agd, lru) = (ratio(PolicyKind::Agd, entries, &keys), ratio(PolicyKind::Lru, entries, &keys));
        assert!(agd >= lru - 0.01, "{name}: AGD {agd:.3}, LRU {lru:.3}");
    }
}

#[test]
fn agd_holds_a_part_of_a_loop() {
    for entries in [30, 300, 3_000] {
        let agd = ratio(PolicyKind::Agd, entries, &cycle(3 * entries, 300_000));
        assert!(agd > 0.29, "{agd:.3} of a loop of which a third fits, {entries} entries");
    }
}

#[test]
fn agd_filters_what_is_asked_for_once() {
    let keys = zipf(10_000, 0.9, 200_000);
    let (agd, lru) = (ratio(PolicyKind::Agd, 500, &keys), ratio(PolicyKind::Lru, 500, &keys));
    assert!(agd > lru + 0.08, "AGD {agd:.3}, LRU {lru:.3}");
}

#[test]
fn agd_changes_its_mind_as_often_as_the_requests_do() {
    let mut cache = Replay::new(PolicyKind::Agd, 300);
    for round in 0..3 {
        let looped = cache.ratio(&cycle(900, 60_000));
        let paired = cache.ratio(&pairs(70, 60_000));
        let skewed = cache.ratio(&zipf(3_000, 1.0, 60_000));
        assert!(looped > 0.25, "round {round}: {looped:.3} of a loop of which a third fits");
        assert!(paired > 0.47, "round {round}: {paired:.3} of pairs of which the second always fits");
        assert!(skewed > 0.65, "round {round}: {skewed:.3} of skewed requests");
    }
}

#[test]
fn tinylfu_keeps_what_is_asked_for_often_through_a_scan() {
    let mut cache = Replay::new(PolicyKind::TinyLfu, 100);
    cache.ratio(&cycle(80, 2_000));
    cache.ratio(&(1_000..2_000).collect::<Vec<_>>());
    let kept = cache.ratio(&cycle(80, 80));
    assert!(kept > 0.9, "{kept:.3} survived");
}
