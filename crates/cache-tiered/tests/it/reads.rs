//! Reads through a stack: a tier that fails is skipped, counted and never fatal.

use cache_core::{Backend, ErrorKind, Freshness, HOUR, Key, MINUTE, Outcome, ttl};
use cache_testkit::{Fault, Operation, Plan};
use cache_tiered::{Forecast, TierOptions};
use tokio::time::Instant;

use crate::kit::{Bed, PATIENCE, key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

#[tokio::test]
async fn a_lookup_tells_what_each_tier_answered() {
    let bed = Bed::new();
    let (absent, deep) = (key("absent"), key("deep"));
    let entry = bed.put_far(&deep, "x").await;

    let lookup = bed.tiers.lookup(&absent).await;
    assert_eq!(lookup.outcomes, [("near".into(), Outcome::Miss), ("far".into(), Outcome::Miss)]);
    assert!(lookup.found.is_none() && lookup.error.is_none());

    let lookup = bed.tiers.lookup(&deep).await;
    assert_eq!(lookup.outcomes, [("near".into(), Outcome::Miss), ("far".into(), Outcome::Hit)]);
    let found = lookup.found.unwrap();
    assert_eq!((found.entry, found.tier, &*found.name), (entry, 1, "far"));
    assert_eq!(found.freshness, Freshness::Fresh);

    bed.settle().await;
    let lookup = bed.tiers.lookup(&deep).await;
    assert_eq!(lookup.outcomes, [("near".into(), Outcome::Hit)]);
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_fails_hangs_or_panics_is_skipped_and_counted() {
    let faults = [
        (Fault::Fail(ErrorKind::Unavailable), Outcome::Unavailable),
        (Fault::Fail(ErrorKind::Internal), Outcome::Unavailable),
        (Fault::Panic, Outcome::Unavailable),
        (Fault::Hang, Outcome::Timeout),
    ];
    for (fault, outcome) in faults {
        let bed = Bed::new();
        let a = key("a");
        let entry = bed.put_far(&a, "x").await;
        bed.near.set_plan(Plan::new().all(fault));
        let began = Instant::now();
        assert_eq!(bed.tiers.get(&a).await.unwrap(), Some(entry.clone()), "{fault:?}");
        assert!(began.elapsed() <= PATIENCE, "{fault:?} took {:?}", began.elapsed());
        assert_eq!(bed.tiers.get_many(std::slice::from_ref(&a)).await[0].as_ref().unwrap(), &Some(entry));
        assert!(bed.tiers.stat(&a).await.unwrap().is_some(), "{fault:?}");
        let stats = bed.tiers.stats().await;
        assert_eq!(stats.tiers[0].outcomes[outcome.name()], 3, "{fault:?}");
        assert_eq!(stats.tiers[1].outcomes["hit"], 3, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_is_an_error_only_when_no_tier_could_answer() {
    let bed = Bed::new();
    let a = key("a");
    bed.near.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None);
    bed.far.set_plan(Plan::new().all(Fault::Hang));
    let error = bed.tiers.get(&a).await.unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Unavailable, Some("faulty")));
    assert_eq!(bed.tiers.lookup(&a).await.outcomes.len(), 2);
    bed.near.heal();
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None);
}

#[tokio::test]
async fn a_corrupt_entry_is_a_miss_and_is_removed_behind() {
    let bed = Bed::new();
    let a = key("a");
    bed.tiers.put(&a, bed.entry("x")).await.unwrap();
    bed.near.set_plan(Plan::new().each(Operation::Get, Fault::Fail(ErrorKind::Corrupt)));
    let lookup = bed.tiers.lookup(&a).await;
    assert_eq!(lookup.outcomes, [("near".into(), Outcome::Corrupt), ("far".into(), Outcome::Hit)]);
    bed.near.heal();
    bed.settle().await;
    // Repaired: removed or replaced by the promotion, and whole either way.
    assert_eq!(bed.in_near(&a).await, bed.in_far(&a).await);

    bed.far.set_plan(Plan::new().each(Operation::Get, Fault::Fail(ErrorKind::Corrupt)));
    bed.near.inner().remove(&a).await.unwrap();
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None, "a corrupt entry is a miss");
    bed.settle().await;
    assert_eq!(bed.in_far(&a).await, None);
}

#[tokio::test]
async fn a_repair_spares_what_was_put_meanwhile() {
    let bed = Bed::new();
    let a = key("a");
    bed.tiers.put(&a, bed.entry("old")).await.unwrap();
    bed.near.set_plan(Plan::new().nth(Operation::Get, 1, Fault::Fail(ErrorKind::Corrupt)));
    bed.far.inner().remove(&a).await.unwrap();
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None);
    let new = bed.entry("new");
    bed.tiers.put(&a, new.clone()).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.in_near(&a).await, Some(new));
}

#[tokio::test]
async fn a_stale_entry_stands_by_while_lower_tiers_are_asked() {
    let bed = Bed::new();
    let [refreshed, aged] = [key("refreshed"), key("aged")];
    for key in [&refreshed, &aged] {
        bed.near.inner().put(key, bed.lasting(ttl(MINUTE).stale(HOUR), "near")).await.unwrap();
    }
    bed.far.inner().put(&aged, bed.lasting(ttl(MINUTE).stale(HOUR), "far")).await.unwrap();
    bed.clock.advance(MINUTE);
    let fresh = bed.put_far(&refreshed, "far").await;

    let found = bed.tiers.lookup(&refreshed).await.found.unwrap();
    assert_eq!((found.entry, found.freshness), (fresh, Freshness::Fresh));

    let lookup = bed.tiers.lookup(&aged).await;
    assert_eq!(lookup.outcomes, [("near".into(), Outcome::Stale), ("far".into(), Outcome::Stale)]);
    let found = lookup.found.unwrap();
    assert_eq!((&found.entry.body[..], found.freshness), (&b"far"[..], Freshness::Stale), "the newer stamp");

    bed.far.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
    let found = bed.tiers.lookup(&aged).await.found.unwrap();
    assert_eq!((found.tier, found.freshness), (0, Freshness::Stale));
}

#[tokio::test]
async fn many_keys_cost_one_call_of_each_tier() {
    let bed = Bed::new();
    let keys: Vec<Key> = (0..100).map(|number| Key::of(number).build().unwrap()).collect();
    for (number, key) in keys.iter().enumerate() {
        let entry = bed.entry("x");
        if number % 2 == 0 {
            bed.near.inner().put(key, entry).await.unwrap();
        } else if number % 5 != 0 {
            bed.far.inner().put(key, entry).await.unwrap();
        }
    }
    let lookups = bed.tiers.lookup_many(&keys).await;
    for (number, lookup) in lookups.iter().enumerate() {
        let tier = lookup.found.as_ref().map(|found| found.tier);
        let expected = if number % 2 == 0 { Some(0) } else { (number % 5 != 0).then_some(1) };
        assert_eq!(tier, expected, "key {number}");
    }
    assert_eq!([bed.near.calls(Operation::GetMany), bed.far.calls(Operation::GetMany)], [1, 1]);
    assert_eq!(bed.near.calls(Operation::Get) + bed.far.calls(Operation::Get), 0);

    bed.settle().await;
    assert!(bed.tiers.lookup_many(&keys).await.iter().flat_map(|lookup| &lookup.found).all(|found| found.tier == 0));
}

#[tokio::test]
async fn a_scan_goes_on_after_a_tier_that_fails() {
    use futures_util::StreamExt;
    let bed = Bed::new();
    bed.tiers.put(&key("a"), bed.entry("x")).await.unwrap();
    bed.near.set_plan(Plan::new().each(Operation::Scan, Fault::Panic));
    let found: Vec<_> = bed.tiers.scan(&cache_core::KeyPrefix::all()).collect().await;
    assert_eq!(found.len(), 2);
    assert!(found[0].is_err() && found[1].as_ref().unwrap().0 == key("a"));
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_was_not_asked_is_no_answer() {
    let narrow = TierOptions::new().max_body(10);
    let rig = Rig::with([(Kind::Passing, narrow), (Kind::Durable, TierOptions::new())], |builder| builder);
    let a = key("a");
    assert!(rig.body(&a).await.is_none());
    rig.places[1].set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
    let lookup = rig.tiers.lookup_for(&a, &Forecast::new().weight(1000)).await;
    assert_eq!(lookup.error.map(|error| error.kind()), Some(ErrorKind::Unavailable));
    assert!(rig.tiers.lookup_for(&a, &Forecast::new().weight(10)).await.error.is_none(), "the nearer one says no");
}

#[tokio::test(start_paused = true)]
async fn many_keys_in_doubt_wait_for_a_hung_tier_together() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    let keys: Vec<Key> = (0..100).map(|number| key(&format!("a:{number}"))).collect();
    for key in &keys {
        rig.places[0].inner().put(key, rig.entry("x")).await.unwrap();
    }
    // What is near by then has to be confirmed.
    assert!(rig.body(&key("none")).await.is_none());
    pass(millis(10)).await;
    rig.places[1].set_plan(Plan::new().all(Fault::Hang));
    let began = Instant::now();
    rig.tiers.get_many(&keys).await;
    assert!(began.elapsed() <= 4 * PATIENCE + millis(10), "{:?}: twice for what is near, twice below", began.elapsed());
}
