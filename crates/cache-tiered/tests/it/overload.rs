//! More marks and missed operations than are kept: what was removed or invalidated stays gone.

use cache_core::{Backend, ErrorKind, Selector};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{TierOptions, Tiered};
use std::time::Duration;
use tokio::time::Instant;

use crate::kit::{LONG, PATIENCE, key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

#[tokio::test(start_paused = true)]
async fn marks_that_are_folded_stay_in_the_tiers_until_the_one_that_takes_their_place_is_there() {
    let rig = Rig::of([Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.tiers.put(&a, rig.tagged("x", "old")).await.unwrap();
    rig.places[1].set_plan(Plan::new().each(Operation::Remove, DOWN).each(Operation::Scan, DOWN));
    rig.tiers.invalidate(&Selector::tag("x")).await.unwrap();
    for number in 0..1_023 {
        rig.tiers.invalidate(&Selector::tag(format!("t{number}"))).await.unwrap();
    }
    // Of the next mark, the own put works, and that of the fold does not.
    let hung = Plan::new().nth(Operation::Put, 2, Fault::Hang);
    rig.places[0].set_plan(hung.clone());
    rig.places[1].set_plan(hung.each(Operation::Scan, DOWN));
    let tiers = rig.tiers.clone();
    tokio::spawn(async move { tiers.invalidate(&Selector::tag("last")).await });
    pass(PATIENCE / 2).await;
    assert!(rig.held(1, &a).await.is_some());
    // Killed here.
    rig.places.iter().for_each(|place| place.heal());
    assert_eq!(rig.restarted().body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_mark_of_a_key_stays_when_its_remove_has_found_no_place_to_wait() {
    let rig = Rig::of([Kind::Durable, Kind::Durable, Kind::Durable]);
    rig.places[1].set_plan(Plan::new().each(Operation::Remove, DOWN));
    for number in 0..4_096 {
        rig.tiers.remove(&key(&format!("k:{number}"))).await.unwrap();
    }
    let a = key("a");
    rig.put(&a, "old").await;
    rig.places[0].set_plan(Plan::new().nth(Operation::Remove, 1, DOWN));
    rig.tiers.remove(&a).await.unwrap();
    assert_eq!(rig.tiers.stats().await.tiers[1].recovery.dropped, 1);
    assert!(eventually(LONG, async || rig.tiers.stats().await.tiers[0].recovery.queued == 0).await);
    rig.places[1].heal();
    assert!(rig.held(1, &a).await.is_some());
    assert_eq!(rig.restarted().body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_cannot_keep_up_with_what_it_hears_costs_the_others_nothing() {
    let rig = Rig::with([(Kind::Passing, TierOptions::new()), (Kind::Shared, TierOptions::new())], |builder| {
        builder.queue(100_000)
    });
    let peer = rig.peer();
    let a = key("a");
    peer.put(&a, "precious").await;
    assert!(rig.body(&key("none")).await.is_none());
    pass(millis(1)).await;
    rig.places[0].set_plan(Plan::new().all(Fault::Hang));
    for number in 0..5_000 {
        peer.clock.advance(millis(1));
        peer.put(&key(&format!("k:{number}")), "x").await;
    }
    pass(Duration::from_secs(20_000)).await;
    assert_eq!(rig.marks_in(1).await, 0);
    assert_eq!(rig.peer().body(&a).await.as_deref(), Some("precious"));
}

#[tokio::test(start_paused = true)]
async fn reads_do_not_wait_for_marks_that_a_tier_does_not_tell() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    rig.places[1].inner().put(&a, rig.entry("x")).await.unwrap();
    rig.places[1].set_plan(Plan::new().each(Operation::Scan, Fault::Hang));
    assert_eq!(rig.body(&a).await, None);
    for _ in 0..20 {
        pass(Duration::from_secs(1)).await;
        let began = Instant::now();
        assert_eq!(rig.body(&a).await, None);
        assert!(began.elapsed() < millis(10));
    }
    rig.places[1].heal();
    assert!(eventually(LONG, async || rig.body(&a).await.is_some()).await, "it is asked again");
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_finds_no_place_for_its_writes_has_not_happened() {
    let rig = Rig::of([Kind::Durable]);
    let patient = TierOptions::new().patience(Duration::from_hours(1));
    let tiers = Tiered::builder().tier_with(rig.places[0].clone(), patient).clock(rig.clock.clone()).build().unwrap();
    let a = key("a");
    tiers.put(&a, rig.tagged("x", "old")).await.unwrap();
    rig.places[0].set_plan(Plan::new().each(Operation::Put, Fault::Hang));
    for number in 0..1_024 {
        let (tiers, entry) = (tiers.clone(), rig.entry("hangs"));
        tokio::spawn(async move { tiers.put(&key(&format!("k:{number}")), entry).await });
    }
    pass(millis(1)).await;
    let error = tiers.invalidate(&Selector::tag("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(tiers.get(&a).await.unwrap().is_some());
}
