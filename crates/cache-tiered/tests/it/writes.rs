//! Writes through a stack: what succeeded is kept, what failed is not served.

use std::time::Duration;

use cache_core::{Backend, ErrorKind, Outcome, Selector};
use cache_testkit::{Fault, NaiveModel, Operation, Plan, eventually};
use cache_tiered::{TierOptions, Tiered};
use futures_util::FutureExt;
use tokio::time::Instant;

use crate::kit::{Bed, LONG, PATIENCE, key};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

#[test]
fn a_stack_needs_tiers_of_distinct_names() {
    assert_eq!(Tiered::builder().build().unwrap_err().kind(), ErrorKind::Invalid);
    let clock = cache_testkit::Bench::default().clock;
    let naive = || NaiveModel::new(clock.clone());
    let twice = Tiered::builder().tier(naive()).tier(naive());
    assert_eq!(twice.build().unwrap_err().kind(), ErrorKind::Invalid);
    let renamed = Tiered::builder().tier(naive()).tier_with(naive(), TierOptions::new().name("other"));
    assert!(renamed.build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_put_succeeds_when_a_durable_tier_has_stored_it() {
    for fault in [DOWN, Fault::Panic, Fault::Hang] {
        let bed = Bed::new();
        let a = key("a");
        bed.near.set_plan(Plan::new().all(fault));
        bed.tiers.put(&a, bed.entry("x")).await.unwrap();
        assert!(bed.in_far(&a).await.is_some(), "{fault:?}");
        assert_eq!(bed.tiers.stats().await.tiers[0].puts_failed, 1, "{fault:?}");

        let bed = Bed::new();
        bed.far.set_plan(Plan::new().all(fault));
        assert!(bed.tiers.put(&a, bed.entry("x")).await.is_err(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_hangs_costs_a_put_no_more_than_patience() {
    let bed = Bed::new();
    bed.near.set_plan(Plan::new().each(Operation::Put, Fault::Hang));
    let began = Instant::now();
    bed.tiers.put(&key("a"), bed.entry("x")).await.unwrap();
    assert!(began.elapsed() <= PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_missed_a_put_does_not_serve_the_entry_before_it() {
    for fault in [DOWN, Fault::Panic, Fault::Hang, Fault::Fail(ErrorKind::TooLarge)] {
        for also_remove in [false, true] {
            let bed = Bed::new();
            let a = key("a");
            bed.tiers.put(&a, bed.entry("old")).await.unwrap();
            let plan = Plan::new().each(Operation::Put, fault);
            bed.near.set_plan(if also_remove { plan.each(Operation::Remove, fault) } else { plan });
            let new = bed.entry("new");
            bed.tiers.put(&a, new.clone()).await.unwrap();
            let context = format!("{fault:?}, remove fails too: {also_remove}");
            assert_eq!(bed.tiers.get(&a).await.unwrap(), Some(new.clone()), "{context}");
            assert_eq!(bed.tiers.stat(&a).await.unwrap(), Some(new.meta.clone()), "{context}");
            let many = bed.tiers.get_many(std::slice::from_ref(&a)).await;
            assert_eq!(many[0].as_ref().unwrap(), &Some(new.clone()), "{context}");

            // Not even when the tier below loses it.
            bed.far.inner().remove(&a).await.unwrap();
            bed.settle().await;
            let left = bed.tiers.get(&a).await.unwrap();
            assert!(left.is_none_or(|left| left == new), "{context}");
        }
    }
}

#[tokio::test]
async fn a_body_that_a_tier_refuses_drops_the_entry_before_it_there() {
    let bed = Bed::with(TierOptions::new().max_body(4), 100);
    let a = key("a");
    bed.tiers.put(&a, bed.entry("old")).await.unwrap();
    bed.tiers.put(&a, bed.entry("longer")).await.unwrap();
    assert_eq!(bed.in_near(&a).await, None);
    assert_eq!(&bed.tiers.get(&a).await.unwrap().unwrap().body[..], b"longer");
}

#[tokio::test(start_paused = true)]
async fn a_removed_key_is_not_served_from_a_tier_that_missed_the_remove() {
    for fault in [DOWN, Fault::Panic, Fault::Hang] {
        let bed = Bed::new();
        let a = key("a");
        bed.tiers.put(&a, bed.entry("x")).await.unwrap();
        bed.near.set_plan(Plan::new().each(Operation::Remove, fault));
        assert!(bed.tiers.remove(&a).await.unwrap(), "{fault:?}");
        assert_eq!(bed.tiers.lookup(&a).await.outcomes[0].1, Outcome::Skipped, "{fault:?}");
        assert_eq!(bed.tiers.get(&a).await.unwrap(), None, "{fault:?}");
        let found = futures_util::StreamExt::collect::<Vec<_>>(bed.tiers.scan(&cache_core::KeyPrefix::all())).await;
        assert!(found.is_empty(), "{fault:?}: {found:?}");
        assert!(!bed.tiers.remove(&a).await.unwrap(), "{fault:?}: it was gone already");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remove_that_a_durable_tier_missed_is_an_error_and_holds_for_this_process() {
    let bed = Bed::new();
    let a = key("a");
    bed.tiers.put(&a, bed.entry("x")).await.unwrap();
    bed.far.set_plan(Plan::new().each(Operation::Remove, DOWN));
    assert_eq!(bed.tiers.remove(&a).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None);
    bed.far.heal();
    bed.tiers.sweep(bed.now(), 10).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.in_far(&a).await, None, "a sweep tries again");
    assert_eq!(bed.tiers.stats().await.tiers[1].suspects, 0);
}

#[tokio::test]
async fn a_tier_that_works_again_serves_what_it_is_given() {
    let bed = Bed::new();
    let a = key("a");
    bed.tiers.put(&a, bed.entry("x")).await.unwrap();
    bed.near.set_plan(Plan::new().each(Operation::Remove, DOWN));
    bed.tiers.remove(&a).await.unwrap();
    bed.near.heal();
    // Older than what the tier still has: it must not win.
    let mut entry = bed.entry("y");
    entry.meta.stamp = cache_core::Stamp::from_u64(1);
    bed.tiers.put(&a, entry.clone()).await.unwrap();
    assert_eq!(bed.tiers.lookup(&a).await.found.map(|found| (found.tier, found.entry)), Some((0, entry)));
}

#[tokio::test]
async fn an_older_entry_does_not_enter_a_tier_above_a_newer_one() {
    let bed = Bed::new();
    let a = key("a");
    let older = bed.entry("older");
    let newer = bed.put_far(&a, "newer").await;
    bed.tiers.put(&a, older).await.unwrap();
    assert_eq!(bed.in_near(&a).await, None);
    assert_eq!(bed.tiers.get(&a).await.unwrap(), Some(newer));
}

#[tokio::test(start_paused = true)]
async fn a_put_that_is_dropped_half_way_reaches_every_tier() {
    let bed = Bed::new();
    let a = key("a");
    bed.far.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    let entry = bed.entry("x");
    let mut put = Box::pin(bed.tiers.put(&a, entry.clone()));
    assert!((&mut put).now_or_never().is_none());
    drop(put);
    assert!(eventually(LONG, async || bed.in_far(&a).await.is_some()).await);
    assert_eq!(bed.in_near(&a).await, Some(entry));
}

#[tokio::test(start_paused = true)]
async fn writes_of_one_key_do_not_wait_for_those_of_another() {
    let bed = Bed::new();
    bed.near.set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(PATIENCE / 2)));
    let [slow, quick] = [key("slow"), key("quick")];
    let began = Instant::now();
    let both = tokio::join!(bed.tiers.put(&slow, bed.entry("x")), async {
        tokio::task::yield_now().await;
        bed.tiers.put(&quick, bed.entry("x")).await.map(|()| began.elapsed())
    });
    assert!(both.0.is_ok());
    assert_eq!(both.1.unwrap(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn writes_that_wait_for_one_key_take_no_place_of_others() {
    let bed = Bed::new();
    bed.far.set_plan(Plan::new().nth(Operation::Put, 1, Fault::Hang));
    // More than may be under way at a time.
    for _ in 0..1_100 {
        let (tiers, entry) = (bed.tiers.clone(), bed.entry("x"));
        tokio::spawn(async move { tiers.put(&key("slow"), entry).await });
    }
    assert!(eventually(LONG, async || bed.far.calls(Operation::Put) == 1).await);
    let began = Instant::now();
    bed.tiers.put(&key("other"), bed.entry("y")).await.unwrap();
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn endless_patience_is_no_panic() {
    let bed = Bed::new();
    let endless = TierOptions::new().patience(Duration::MAX);
    let tiers = Tiered::builder().tier_with(bed.far.clone(), endless).build().unwrap();
    let a = key("a");
    tiers.put(&a, bed.entry("x")).await.unwrap();
    assert!(tiers.get_many(&[a.clone(), a]).await.into_iter().all(|answer| answer.unwrap().is_some()));
    tiers.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_invalidated_is_not_renewed() {
    for renewed_tag in ["x", "y"] {
        let rig = Rig::of([Kind::Passing, Kind::Durable]);
        let a = key("a");
        let old = rig.tagged("x", "old");
        rig.tiers.put(&a, old.clone()).await.unwrap();
        rig.places[1].set_plan(Plan::new().each(Operation::Remove, DOWN));
        rig.tiers.invalidate(&Selector::tag("x")).await.unwrap();
        let renewal = rig.tagged(renewed_tag, "").meta;
        assert!(!rig.tiers.renew(&a, old.meta.stamp, renewal).await.unwrap(), "{renewed_tag}");
        assert_eq!(rig.body(&a).await, None, "{renewed_tag}");
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_a_write_that_nobody_waits_for() {
    let rig = Rig::of([Kind::Durable]);
    rig.places[0].set_plan(Plan::new().each(Operation::Put, Fault::Delay(5 * PATIENCE)));
    let began = Instant::now();
    let refused = rig.tiers.put(&key("a"), rig.entry("x")).await.unwrap_err();
    assert_eq!((refused.kind(), began.elapsed()), (ErrorKind::Timeout, PATIENCE));
    rig.tiers.close().await.unwrap();
    assert_eq!(began.elapsed(), 5 * PATIENCE);
}
