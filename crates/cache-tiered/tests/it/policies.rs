//! Write policies: what a put waits for, and what must have stored it.

use std::time::Duration;

use bytes::Bytes;
use cache_core::{Backend, Entry, ErrorKind, Meta, Selector};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Required, TierOptions, Tiered, WritePolicy};
use tokio::time::Instant;

use crate::kit::{LONG, PATIENCE, key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

/// A passing tier over a durable one that is written back.
fn back() -> Rig {
    let options = TierOptions::new().write(WritePolicy::Back);
    Rig::with([(Kind::Passing, TierOptions::new()), (Kind::Durable, options)], |builder| builder)
}

#[tokio::test(start_paused = true)]
async fn a_put_does_not_wait_for_a_tier_that_is_written_back() {
    let rig = back();
    let a = key("a");
    rig.places[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(PATIENCE / 2)));
    let began = Instant::now();
    let entry = rig.put(&a, "x").await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(rig.held(1, &a).await, None);
    assert_eq!(rig.tiers.stats().await.tiers[1].backlog, 1);
    rig.settle().await;
    assert_eq!((rig.held(1, &a).await, rig.tiers.stats().await.tiers[1].backlog), (Some(entry), 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_written_is_served_and_nothing_older() {
    let rig = back();
    let a = key("a");
    rig.put(&a, "old").await;
    rig.settle().await;
    rig.places[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(PATIENCE / 2)));
    let new = rig.put(&a, "new").await;
    rig.places[0].inner().remove(&a).await.unwrap();
    assert_eq!(rig.tiers.get(&a).await.unwrap(), Some(new.clone()));
    assert_eq!(rig.tiers.stat(&a).await.unwrap(), Some(new.meta));
}

#[tokio::test(start_paused = true)]
async fn of_one_key_the_newest_is_written() {
    let rig = back();
    let a = key("a");
    rig.places[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(PATIENCE / 2)));
    // As many as are written at a time.
    for number in 0..16 {
        rig.put(&key(&format!("slow:{number}")), "x").await;
    }
    tokio::task::yield_now().await;
    for body in ["first", "second", "third"] {
        rig.put(&a, body).await;
    }
    rig.settle().await;
    assert_eq!(&rig.held(1, &a).await.unwrap().body[..], b"third");
    assert_eq!(rig.places[1].calls(Operation::Put), 17);
}

#[tokio::test(start_paused = true)]
async fn a_remove_or_an_invalidation_takes_what_waits_along() {
    for invalidate in [false, true] {
        let rig = back();
        let (slow, a) = (key("slow"), key("a"));
        rig.places[1].set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(PATIENCE / 2)));
        rig.put(&slow, "x").await;
        rig.put(&a, "x").await;
        if invalidate {
            rig.tiers.invalidate(&Selector::all()).await.unwrap();
        } else {
            assert!(rig.tiers.remove(&a).await.unwrap());
        }
        rig.settle().await;
        assert_eq!((rig.body(&a).await, rig.held(1, &a).await), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_the_caller_wait_then_leaves_the_key_to_recovery() {
    let rig = back();
    rig.places[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(10 * PATIENCE)));
    // As many as are written at a time.
    for number in 0..16 {
        rig.put(&key(&format!("slow:{number}")), "x").await;
    }
    pass(PATIENCE / 2).await;
    let put = async |name, mebibytes: usize| {
        let meta = Meta::new(rig.tiers.stamps().tick(), rig.clock_now());
        rig.tiers.put(&key(name), Entry::new(meta, Bytes::from(vec![0; mebibytes << 20]))).await.unwrap();
    };
    put("a", 32).await;
    put("b", 31).await;
    pass(PATIENCE / 4).await;
    let began = Instant::now();
    put("c", 32).await;
    assert_eq!(began.elapsed(), PATIENCE, "it has waited, and is stored above");
    let stats = rig.tiers.stats().await.tiers.remove(1);
    assert_eq!((stats.backlog, stats.backlog_dropped), (2, 1));
    rig.places[1].heal();
    assert!(eventually(LONG, async || rig.held(1, &key("c")).await.is_some()).await);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_back_is_recovered_later() {
    let rig = back();
    let a = key("a");
    rig.tiers.get(&a).await.unwrap();
    rig.places[1].set_plan(Plan::new().all(DOWN));
    let entry = rig.put(&a, "x").await;
    rig.settle().await;
    assert_eq!(rig.tiers.stats().await.tiers[1].recovery.queued, 1);
    rig.places[1].heal();
    assert!(eventually(LONG, async || rig.held(1, &a).await.is_some()).await);
    assert_eq!(rig.held(1, &a).await, Some(entry));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_back_leaves_nothing_older_to_serve() {
    let rig = back();
    let a = key("a");
    rig.put(&a, "old").await;
    rig.settle().await;
    rig.places[1].set_plan(Plan::new().each(Operation::Put, DOWN).each(Operation::Remove, DOWN));
    rig.put(&a, "new").await;
    rig.settle().await;
    rig.places[0].inner().remove(&a).await.unwrap();
    assert!(rig.held(1, &a).await.is_some());
    assert_eq!(rig.body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_no_other_tier_takes_is_written_through() {
    let (near, far) = (TierOptions::new().max_body(2), TierOptions::new().write(WritePolicy::Back));
    let rig = Rig::with([(Kind::Passing, near), (Kind::Durable, far)], |builder| builder);
    rig.places[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(millis(10))));
    let began = Instant::now();
    rig.put(&key("a"), "long").await;
    assert_eq!(began.elapsed(), millis(10));
    assert!(rig.held(1, &key("a")).await.is_some());
    rig.places[1].set_plan(Plan::new().each(Operation::Put, DOWN));
    assert!(rig.tiers.put(&key("b"), rig.entry("long")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn closing_writes_what_waits() {
    let rig = back();
    rig.places[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(PATIENCE / 2)));
    for number in 0..40 {
        rig.put(&key(&format!("a:{number}")), "x").await;
    }
    rig.tiers.close().await.unwrap();
    assert_eq!(rig.places[1].calls(Operation::Put), 40);
    assert_eq!(rig.places[1].faults(), 40, "each was only delayed");
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_is_skipped_is_filled_by_promotion_and_drops_what_is_replaced() {
    let skip = TierOptions::new().write(WritePolicy::Skip);
    let rig = Rig::with([(Kind::Passing, skip), (Kind::Durable, TierOptions::new())], |builder| builder);
    let a = key("a");
    rig.put(&a, "old").await;
    assert_eq!(rig.held(0, &a).await, None);
    assert_eq!(rig.body(&a).await.as_deref(), Some("old"));
    rig.settle().await;
    assert!(rig.held(0, &a).await.is_some());
    rig.put(&a, "new").await;
    assert_eq!((rig.held(0, &a).await, rig.body(&a).await.as_deref()), (None, Some("new")));
}

#[tokio::test(start_paused = true)]
async fn a_put_succeeds_by_what_is_required() {
    let cases = [
        (Required::First, [true, false], true),
        (Required::First, [false, true], true),
        (Required::First, [false, false], false),
        (Required::Durable, [true, false], false),
        (Required::Durable, [false, true], true),
        (Required::All, [true, false], false),
        (Required::All, [false, true], false),
        (Required::All, [true, true], true),
    ];
    for (required, works, expected) in cases {
        let tiers = [(Kind::Passing, TierOptions::new()), (Kind::Durable, TierOptions::new())];
        let rig = Rig::with(tiers, |builder| builder.require(required));
        for (place, works) in rig.places.iter().zip(works) {
            if !works {
                place.set_plan(Plan::new().each(Operation::Put, DOWN));
            }
        }
        let answer = rig.tiers.put(&key("a"), rig.entry("x")).await;
        assert_eq!(answer.is_ok(), expected, "{required:?} {works:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_changes_the_meta_in_every_tier_and_leaves_the_bodies() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let mut entry = rig.put(&a, "x").await;
    let present = entry.meta.stamp;
    entry.meta = Meta::new(rig.tiers.stamps().tick(), rig.clock_now());
    assert!(rig.tiers.renew(&a, present, entry.meta.clone()).await.unwrap());
    assert_eq!((rig.held(0, &a).await, rig.held(1, &a).await), (Some(entry.clone()), Some(entry.clone())));
    assert_eq!([rig.places[0].calls(Operation::Put), rig.places[1].calls(Operation::Put)], [1, 1]);
    assert!(!rig.tiers.renew(&a, present, entry.meta.clone()).await.unwrap(), "it has another stamp by then");
    rig.tiers.invalidate(&Selector::all()).await.unwrap();
    assert!(!rig.tiers.renew(&a, entry.meta.stamp, entry.meta).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_a_tier_missed_reaches_it_later() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let a = key("a");
    let present = rig.put(&a, "x").await.meta.stamp;
    let meta = Meta::new(rig.tiers.stamps().tick(), rig.clock_now());
    rig.places[1].set_plan(Plan::new().each(Operation::Renew, DOWN));
    assert!(rig.tiers.renew(&a, present, meta.clone()).await.unwrap());
    assert!(eventually(LONG, async || rig.held(1, &a).await.is_some_and(|held| held.meta == meta)).await);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_the_tiers_in_front_refuse_waits_for_the_one_that_is_written_back() {
    for works in [false, true] {
        let rig = back();
        let a = key("a");
        rig.put(&a, "old").await;
        rig.settle().await;
        rig.places[0].set_plan(Plan::new().each(Operation::Put, Fault::Fail(ErrorKind::TooLarge)));
        rig.places[1].set_plan(if works { Plan::new() } else { Plan::new().each(Operation::Put, DOWN) });
        let entry = rig.entry("new");
        let answer = rig.tiers.put(&a, entry.clone()).await;
        assert_eq!(answer.map_err(|error| error.kind()), if works { Ok(()) } else { Err(ErrorKind::Unavailable) });
        assert_eq!(rig.held(1, &a).await, works.then_some(entry));
        assert_eq!(rig.tiers.stats().await.tiers[1].backlog, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_background_that_failed_lets_nothing_older_come_back_with_a_restart() {
    let options = TierOptions::new().write(WritePolicy::Back);
    let tiers = [(Kind::Passing, TierOptions::new()), (Kind::Durable, options), (Kind::Durable, TierOptions::new())];
    let rig = Rig::with(tiers, |builder| builder);
    let a = key("a");
    rig.put(&a, "old").await;
    rig.settle().await;
    rig.places[1].set_plan(Plan::new().all(DOWN));
    rig.put(&a, "new").await;
    rig.settle().await;
    assert_eq!(rig.marks_in(2).await, 1);
    rig.places[1].heal();
    assert_eq!(rig.restarted().body(&a).await.as_deref(), Some("new"));
    assert!(eventually(LONG, async || rig.marks_in(2).await == 0).await, "it is there, so the mark is not needed");
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_background_that_is_held_up_by_another_is_to_be_recovered() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let slow = TierOptions::new().patience(Duration::from_mins(5));
    let tiers = Tiered::builder().clock(rig.clock.clone()).tier_with(rig.places[0].clone(), slow);
    let back = TierOptions::new().patience(PATIENCE).write(WritePolicy::Back);
    let tiers = tiers.tier_with(rig.places[1].clone(), back).build().unwrap();
    let plan = Plan::new().nth(Operation::Stat, 1, Fault::Delay(millis(10)));
    rig.places[0].set_plan(plan.nth(Operation::Stat, 2, Fault::Delay(Duration::from_mins(2))));
    let a = key("a");
    let put = |body| {
        let (tiers, a, entry) = (tiers.clone(), a.clone(), rig.entry(body));
        tokio::spawn(async move { tiers.put(&a, entry).await })
    };
    let (first, second) = (put("first"), put("second"));
    first.await.unwrap().unwrap();
    assert_eq!(tiers.stats().await.tiers[1].backlog, 1);
    pass(Duration::from_secs(70)).await;
    let stats = tiers.stats().await.tiers.swap_remove(1);
    assert_eq!((stats.backlog, stats.backlog_dropped, stats.recovery.queued), (0, 1, 1));
    second.await.unwrap().unwrap();
    tiers.settle(LONG).await.unwrap();
    assert_eq!(rig.held(1, &a).await.map(|entry| entry.body), Some(Bytes::from_static(b"second")));
    assert_eq!(tiers.stats().await.tiers[1].recovery.queued, 0);
}
