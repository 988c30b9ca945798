//! Invalidation: what is selected is gone in every tier, counted, and does not come back.

use std::time::Duration;

use cache_core::{Backend, DAY, ErrorKind, HOUR, KeyPrefix, MINUTE, Meta, Outcome, Role, Selector, Stamp, ttl};
use cache_file::{FileBackend, FileConfig};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Invalidation, TierOptions, Tiered};
use futures_util::{FutureExt, StreamExt};

use crate::kit::{LONG, key, pass};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

fn below(text: &str) -> Selector {
    Selector::Prefix(KeyPrefix::below(&key(text)))
}

fn counts(invalidation: &Invalidation) -> Vec<u64> {
    invalidation.tiers.iter().map(|tier| tier.entries).collect()
}

#[tokio::test(start_paused = true)]
async fn every_selector_removes_what_it_selects_from_every_tier_and_nothing_else() {
    let selectors = [
        Selector::Key(key("a:b:c")),
        below("a:b"),
        Selector::Pattern("a:b:*".parse().unwrap()),
        Selector::tag("x"),
        Selector::all(),
    ];
    for selector in selectors {
        let rig = Rig::of([Kind::Passing, Kind::Durable]);
        rig.tiers.put(&key("a:b:c"), rig.tagged("x", "old")).await.unwrap();
        rig.put(&key("a:bc"), "other").await;
        let done = rig.tiers.invalidate(&selector).await.unwrap();
        let expected = if selector == Selector::all() { [2, 2] } else { [1, 1] };
        assert_eq!(counts(&done), expected, "{selector}");
        assert_eq!(done.entries(), expected.iter().sum::<u64>());
        assert_eq!((rig.held(0, &key("a:b:c")).await, rig.held(1, &key("a:b:c")).await), (None, None), "{selector}");
        assert_eq!(rig.body(&key("a:bc")).await.is_some(), selector != Selector::all(), "{selector}");
        assert_eq!(counts(&rig.tiers.invalidate(&selector).await.unwrap()), [0, 0], "{selector}: nothing is left");
    }
}

#[tokio::test(start_paused = true)]
async fn counts_are_exact_in_every_tier() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    for number in 0..7 {
        rig.put(&key(&format!("a:{number}")), "x").await;
    }
    rig.places[0].inner().remove(&key("a:0")).await.unwrap();
    let lasting = |lifetime| {
        let mut entry = rig.entry("x");
        entry.meta = entry.meta.with_lifetime(lifetime);
        entry
    };
    rig.tiers.put(&key("a:expired"), lasting(ttl(MINUTE))).await.unwrap();
    rig.clock.advance(HOUR);
    let mut tombstone = rig.entry("");
    tombstone.meta.role = Role::Tombstone;
    rig.places[1].inner().put(&key("a:removed"), tombstone).await.unwrap();
    // Out of date already, and not removed because the tier failed then.
    rig.tiers.put(&key("a:covered"), rig.tagged("x", "x")).await.unwrap();
    rig.places[1].set_plan(Plan::new().each(Operation::Remove, DOWN));
    rig.tiers.invalidate(&Selector::tag("x")).await.unwrap();
    rig.places[1].heal();
    assert!(rig.held(1, &key("a:covered")).await.is_some());

    let preview = rig.tiers.preview(&below("a")).await.unwrap();
    assert_eq!((counts(&preview), preview.stamp), (vec![6, 7], None));
    assert_eq!(rig.body(&key("a:0")).await.as_deref(), Some("x"), "a preview changes nothing");
    rig.settle().await;
    rig.places[0].inner().remove(&key("a:0")).await.unwrap();
    let done = rig.tiers.invalidate(&below("a")).await.unwrap();
    assert_eq!(counts(&done), [6, 7]);
    assert!(done.stamp.is_some() && done.tiers.iter().all(|tier| tier.error.is_none()));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_of_a_pattern_counts_what_it_removed_in_every_tier() {
    // The row of `clear("a:b:*")`.
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    for name in ["a:b:1", "a:b:2", "a:c:1"] {
        rig.put(&key(name), "x").await;
    }
    let done = rig.tiers.invalidate(&Selector::Pattern("a:b:*".parse().unwrap())).await.unwrap();
    assert_eq!(counts(&done), [2, 2, 2]);
    assert!(rig.body(&key("a:c:1")).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_shared_tier_is_counted_and_takes_newer_entries_after_an_invalidation() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    for name in ["a:1", "a:2"] {
        rig.put(&key(name), "x").await;
    }
    rig.tiers.remove(&key("a:2")).await.unwrap();
    assert_eq!(counts(&rig.tiers.invalidate(&below("a")).await.unwrap()), [1, 1]);
    assert_eq!(counts(&rig.tiers.invalidate(&Selector::Key(key("a:1"))).await.unwrap()), [0, 0]);
    rig.put(&key("a:1"), "new").await;
    assert_eq!(rig.body(&key("a:1")).await.as_deref(), Some("new"));
    assert_eq!(counts(&rig.tiers.invalidate(&Selector::Key(key("a:1"))).await.unwrap()), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_began_before_an_invalidation_is_not_kept() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let begun = rig.entry("begun before");
    rig.tiers.invalidate(&Selector::all()).await.unwrap();
    rig.tiers.put(&a, begun).await.unwrap();
    assert_eq!((rig.body(&a).await, rig.held(1, &a).await), (None, None));
    rig.put(&a, "begun after").await;
    assert_eq!(rig.body(&a).await.as_deref(), Some("begun after"));
}

#[tokio::test(start_paused = true)]
async fn a_put_under_way_when_its_entry_is_invalidated_leaves_nothing() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let entry = rig.entry("x");
    rig.tiers.get(&a).await.unwrap();
    rig.places[1].set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(Duration::from_secs(1))));
    let put = tokio::spawn({
        let (tiers, a) = (rig.tiers.clone(), a.clone());
        async move { tiers.put(&a, entry).await }
    });
    assert!(eventually(LONG, async || rig.places[1].calls(Operation::Put) == 1).await, "the put is under way");
    rig.tiers.invalidate(&below("a")).await.unwrap();
    put.await.unwrap().unwrap();
    assert_eq!((rig.held(0, &a).await, rig.held(1, &a).await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_promotion_under_way_when_its_entry_is_invalidated_leaves_nothing() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let entry = rig.entry("x");
    rig.places[1].inner().put(&a, entry).await.unwrap();
    rig.places[0].set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    assert!(rig.tiers.get(&a).await.unwrap().is_some());
    assert!(eventually(LONG, async || rig.places[0].calls(Operation::Put) == 1).await, "the promotion is under way");
    rig.tiers.invalidate(&Selector::all()).await.unwrap();
    rig.settle().await;
    assert_eq!((rig.held(0, &a).await, rig.body(&a).await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_missed_an_invalidation_never_serves_what_it_covers() {
    for fault in [DOWN, Fault::Hang, Fault::Panic] {
        let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
        let a = key("a");
        rig.put(&a, "old").await;
        for missed in 0..2 {
            rig.places[missed].set_plan(Plan::new().all(fault));
        }
        let done = rig.tiers.invalidate(&Selector::all()).await.unwrap();
        assert_eq!(counts(&done), [0, 0, 1], "{fault:?}");
        assert!(done.tiers[0].error.is_some() && done.tiers[1].error.is_some());
        rig.places.iter().for_each(|place| place.heal());
        assert!(rig.held(1, &a).await.is_some());
        assert_eq!(rig.body(&a).await, None, "{fault:?}");
        assert_eq!(rig.restarted().body(&a).await, None, "{fault:?}: nor after a restart");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_no_lasting_tier_took_is_an_error_and_holds_for_this_process() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    rig.put(&a, "old").await;
    rig.places[1].set_plan(Plan::new().all(DOWN));
    assert_eq!(rig.tiers.invalidate(&Selector::all()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    rig.places[1].heal();
    assert_eq!(rig.body(&a).await, None);
    assert!(eventually(LONG, async || rig.held(1, &a).await.is_none() && rig.marks_in(1).await == 1).await);
    assert_eq!(rig.restarted().body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_mark_survives_a_restart_with_the_clock_ten_minutes_back() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let old = rig.entry("old");
    rig.tiers.invalidate(&Selector::all()).await.unwrap();
    let next = rig.restarted_at(cache_core::Timestamp::from_millis(rig.clock_millis() - 599_000));
    next.places[1].inner().put(&a, old).await.unwrap();
    assert_eq!(next.body(&a).await, None);
    next.put(&a, "new").await;
    assert_eq!(next.body(&a).await.as_deref(), Some("new"), "its stamp is newer than the mark");
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_with_the_clock_ten_minutes_back_reaches_what_is_there() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a:b");
    rig.put(&a, "old").await;
    let next = rig.restarted_at(cache_core::Timestamp::from_millis(rig.clock_millis() - 599_000));
    let done = next.tiers.invalidate(&below("a")).await.unwrap();
    assert_eq!((counts(&done), next.held(1, &a).await), (vec![0, 1], None));
    next.put(&a, "new").await;
    assert_eq!(next.body(&a).await.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn an_entry_made_in_the_future_is_expired_and_can_be_replaced() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let future = rig.clock_now().after(DAY);
    let odd = cache_core::Entry::new(Meta::new(Stamp::first_of(future), future), "odd");
    rig.places[1].inner().put(&a, odd).await.unwrap();
    assert_eq!((rig.body(&a).await, rig.tiers.stat(&a).await.unwrap()), (None, None));
    rig.put(&a, "new").await;
    assert_eq!(rig.body(&a).await.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_tier_whose_marks_cannot_be_read_is_not_served_from_until_they_can() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let old = rig.entry("old");
    rig.tiers.invalidate(&Selector::all()).await.unwrap();
    rig.places[1].inner().put(&a, old).await.unwrap();
    let next = rig.restarted();
    next.places[1].set_plan(Plan::new().each(Operation::Scan, DOWN));
    let lookup = next.tiers.lookup(&a).await;
    assert_eq!(lookup.outcomes[1].1, Outcome::Skipped);
    next.places[1].heal();
    pass(Duration::from_secs(2)).await;
    assert_eq!(next.tiers.lookup(&a).await.outcomes[1].1, Outcome::Miss);
    let fresh = next.put(&a, "new").await;
    assert_eq!(next.restarted().tiers.get(&a).await.unwrap(), Some(fresh));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_invalidation_stays_in_force_and_goes_on() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    rig.put(&a, "old").await;
    rig.places[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    let mut invalidation = Box::pin({
        let tiers = rig.tiers.clone();
        async move { tiers.invalidate(&Selector::all()).await }
    });
    assert!((&mut invalidation).now_or_never().is_none());
    drop(invalidation);
    assert_eq!(rig.body(&a).await, None);
    assert!(eventually(LONG, async || rig.held(1, &a).await.is_none()).await);
    assert_eq!(rig.marks_in(1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn marks_are_hidden_from_callers() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    rig.put(&key("a"), "x").await;
    rig.tiers.invalidate(&Selector::tag("x")).await.unwrap();
    assert_eq!(rig.marks_in(1).await, 1);
    let seen: Vec<_> = rig.tiers.scan(&KeyPrefix::all()).collect().await;
    assert_eq!(seen.len(), 1);
    let refused = rig.tiers.put(&key("~marks:mine"), rig.entry("x")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let all = rig.tiers.invalidate(&Selector::all()).await.unwrap();
    assert_eq!((counts(&all), rig.marks_in(1).await), (vec![1, 1], 1), "the mark of everything takes its place");
}

#[tokio::test(start_paused = true)]
async fn a_mark_of_the_same_selection_takes_the_place_of_the_older() {
    let rig = Rig::of([Kind::Durable]);
    for _ in 0..5 {
        rig.tiers.invalidate(&Selector::tag("x")).await.unwrap();
        rig.tiers.invalidate(&below("a")).await.unwrap();
    }
    assert_eq!(rig.marks_in(0).await, 2);
}

#[tokio::test(start_paused = true)]
async fn more_marks_than_are_kept_still_cover() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let old: Vec<_> = (0..1_030).map(|number| (number, rig.tagged(&format!("t{number}"), "old"))).collect();
    for number in 0..1_025 {
        rig.tiers.invalidate(&Selector::tag(format!("t{number}"))).await.unwrap();
    }
    rig.settle().await;
    assert!(rig.marks_in(1).await <= 1_025, "{}", rig.marks_in(1).await);
    for next in [rig.restarted(), rig] {
        for (number, entry) in &old[..1_025] {
            let key = key(&format!("a:{number}"));
            next.places[1].inner().put(&key, entry.clone()).await.unwrap();
            assert_eq!(next.body(&key).await, None, "{number}");
        }
        let new = next.tagged("t0", "new");
        next.tiers.put(&key("b"), new).await.unwrap();
        assert_eq!(next.body(&key("b")).await.as_deref(), Some("new"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_within_a_stack_keeps_marks_of_both() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let outer = Tiered::builder().name("outer").tier(rig.tiers.clone()).clock(rig.clock.clone()).build().unwrap();
    let (a, b) = (key("a"), key("b"));
    let old = rig.entry("old");
    outer.put(&a, rig.entry("x")).await.unwrap();
    let done = outer.invalidate(&Selector::all()).await.unwrap();
    assert_eq!((counts(&done), rig.marks_in(1).await), (vec![1], 1));
    rig.places[1].inner().put(&b, old).await.unwrap();
    assert_eq!(outer.get(&b).await.unwrap(), None);
    let again = Tiered::builder().name("again").tier(rig.restarted().tiers).clock(rig.clock.clone()).build().unwrap();
    assert_eq!(again.get(&b).await.unwrap(), None);
    again.invalidate(&Selector::tag("x")).await.unwrap();
    assert_eq!(rig.marks_in(1).await, 2);
}

#[tokio::test]
async fn marks_in_files_survive_a_restart_and_the_pressure_of_entries() {
    let directory = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(cache_core::ManualClock::new(cache_testkit::Bench::START));
    let open = async || {
        let config = FileConfig::new(directory.path()).capacity(4 << 20).entries(64).clock(clock.clone());
        let file = FileBackend::open(config).await.unwrap();
        Tiered::builder().tier_with(file, TierOptions::new()).clock(clock.clone()).build().unwrap()
    };
    let tiers = open().await;
    let entry = |tiers: &Tiered, body: &'static str| {
        cache_core::Entry::new(Meta::new(tiers.stamps().tick(), cache_testkit::Bench::START), body)
    };
    let old = entry(&tiers, "old");
    tiers.invalidate(&below("a")).await.unwrap();
    for number in 0..200 {
        tiers.put(&key(&format!("fill:{number}")), entry(&tiers, "x")).await.unwrap();
    }
    tiers.close().await.unwrap();
    let tiers = open().await;
    tiers.put(&key("a:b"), old).await.unwrap();
    assert_eq!(tiers.get(&key("a:b")).await.unwrap(), None);
    tiers.close().await.unwrap();
}
