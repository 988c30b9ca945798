//! Promotions: from the bytes already read, with the life they had, and never over a later write.

use std::time::Duration;

use cache_core::{Backend, ErrorKind, HOUR, MINUTE, ttl};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::TierOptions;
use tokio::time::Instant;

use crate::kit::{Bed, LONG, PATIENCE, key};

#[tokio::test]
async fn a_hit_is_promoted_from_the_bytes_already_read() {
    let bed = Bed::new();
    let a = key("a");
    let entry = bed.put_far(&a, "x").await;
    assert_eq!(bed.tiers.get(&a).await.unwrap(), Some(entry.clone()));
    bed.settle().await;
    assert_eq!(bed.in_near(&a).await, Some(entry.clone()));
    assert_eq!(bed.tiers.get(&a).await.unwrap(), Some(entry));
    // The scan is for marks, once.
    assert_eq!((bed.far.calls(Operation::Get), bed.far.calls(Operation::Scan), bed.far.total_calls()), (1, 1, 2));
    let stats = bed.tiers.stats().await;
    assert_eq!((stats.promotions.done, stats.tiers[0].promoted), (1, 1));
}

#[tokio::test]
async fn a_promotion_never_extends_a_life() {
    let bed = Bed::new();
    let a = key("a");
    let mut entry = bed.lasting(ttl(HOUR).stale(MINUTE), "x");
    entry.meta.valid_until = bed.now().after(2 * HOUR);
    bed.far.inner().put(&a, entry.clone()).await.unwrap();
    bed.clock.advance(59 * MINUTE);
    bed.tiers.get(&a).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.in_near(&a).await.unwrap().meta, entry.meta);
    bed.clock.advance(2 * MINUTE);
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None);
}

#[tokio::test]
async fn a_stale_entry_is_not_promoted() {
    let bed = Bed::new();
    let a = key("a");
    bed.far.inner().put(&a, bed.lasting(ttl(MINUTE).stale(HOUR), "x")).await.unwrap();
    bed.clock.advance(MINUTE);
    assert!(bed.tiers.get(&a).await.unwrap().is_some());
    bed.settle().await;
    assert_eq!(bed.near.calls(Operation::Put), 0);
}

#[tokio::test]
async fn a_body_too_long_for_the_nearer_tier_is_served_from_below() {
    let bed = Bed::with(TierOptions::new().max_body(4), 100);
    let (short, long) = (key("short"), key("long"));
    bed.put_far(&short, "1234").await;
    bed.put_far(&long, "12345").await;
    for key in [&short, &long, &long] {
        assert!(bed.tiers.get(key).await.unwrap().is_some());
        bed.settle().await;
    }
    assert!(bed.in_near(&short).await.is_some());
    assert_eq!((bed.near.calls(Operation::Put), bed.far.calls(Operation::Get)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn promotions_beyond_the_queue_are_dropped_and_counted() {
    let bed = Bed::with(TierOptions::new(), 1);
    bed.near.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    for name in ["a", "b", "c", "d"] {
        bed.put_far(&key(name), "x").await;
        assert!(bed.tiers.get(&key(name)).await.unwrap().is_some());
        // The worker takes what it can.
        tokio::task::yield_now().await;
    }
    bed.settle().await;
    let promotions = bed.tiers.stats().await.promotions;
    assert_eq!((promotions.done, promotions.dropped, promotions.queued), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_remove_waits_for_the_promotion_under_way_and_wins() {
    let bed = Bed::new();
    let a = key("a");
    bed.put_far(&a, "x").await;
    bed.near.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    bed.tiers.get(&a).await.unwrap();
    assert!(eventually(LONG, async || bed.near.calls(Operation::Put) == 1).await, "the promotion is under way");
    assert!(bed.tiers.remove(&a).await.unwrap());
    bed.settle().await;
    assert_eq!((bed.in_near(&a).await, bed.in_far(&a).await), (None, None));
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_write_overtakes_promotions_that_wait() {
    let bed = Bed::new();
    let [slow, removed, replaced] = [key("slow"), key("removed"), key("replaced")];
    for key in [&slow, &removed, &replaced] {
        bed.put_far(key, "old").await;
    }
    bed.near.set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(Duration::from_secs(1))));
    for key in [&slow, &removed, &replaced] {
        bed.tiers.get(key).await.unwrap();
    }
    assert!(eventually(LONG, async || bed.near.calls(Operation::Put) == 1).await);
    assert!(bed.tiers.remove(&removed).await.unwrap());
    bed.tiers.put(&replaced, bed.entry("new")).await.unwrap();
    // As if the nearer tier had evicted it: an older promotion would find the way free.
    bed.near.inner().remove(&replaced).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.in_near(&removed).await, None);
    assert_eq!(bed.in_near(&replaced).await, None);
    assert_eq!(bed.tiers.stats().await.promotions.overtaken, 2);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_lands_after_its_patience_and_a_remove_is_not_served() {
    let bed = Bed::new();
    let a = key("a");
    bed.put_far(&a, "x").await;
    bed.near.set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(Duration::from_mins(1))));
    bed.tiers.get(&a).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.tiers.stats().await.promotions.failed, 1);
    assert!(bed.tiers.remove(&a).await.unwrap());
    assert!(eventually(LONG, async || bed.in_near(&a).await.is_some()).await, "it lands at last");
    assert_eq!(bed.tiers.get(&a).await.unwrap(), None);

    let new = bed.entry("new");
    bed.tiers.put(&a, new.clone()).await.unwrap();
    assert_eq!(bed.tiers.lookup(&a).await.found.map(|found| (found.tier, found.entry)), Some((0, new)));
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_fails_is_counted_and_harms_nobody() {
    for fault in [Fault::Fail(ErrorKind::Unavailable), Fault::Panic, Fault::Hang] {
        let bed = Bed::new();
        let a = key("a");
        bed.put_far(&a, "x").await;
        bed.near.set_plan(Plan::new().each(Operation::Put, fault));
        for _ in 0..2 {
            assert!(bed.tiers.get(&a).await.unwrap().is_some(), "{fault:?}");
            bed.settle().await;
        }
        assert_eq!(bed.tiers.stats().await.promotions.failed, 2, "{fault:?}");
    }
}

#[test]
fn promotions_survive_the_end_of_the_runtime_that_did_them() {
    let bed = Bed::new();
    let [a, b] = [key("a"), key("b")];
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        bed.put_far(&a, "x").await;
        // The runtime ends before the worker has run once.
        bed.tiers.get(&a).await.unwrap();
    });
    runtime().block_on(async {
        bed.put_far(&b, "x").await;
        bed.tiers.get(&b).await.unwrap();
        bed.settle().await;
        assert!(bed.in_near(&b).await.is_some());
    });
}

#[tokio::test(start_paused = true)]
async fn a_promotion_of_a_key_being_written_holds_up_no_other() {
    let bed = Bed::new();
    let [a, b] = [key("a"), key("b")];
    bed.put_far(&a, "x").await;
    bed.put_far(&b, "x").await;
    bed.far.set_plan(Plan::new().each(Operation::Remove, Fault::Hang));
    let removes: Vec<_> = (0..20)
        .map(|_| {
            let (tiers, a) = (bed.tiers.clone(), a.clone());
            tokio::spawn(async move { tiers.remove(&a).await })
        })
        .collect();
    assert!(eventually(LONG, async || bed.far.calls(Operation::Remove) == 1).await, "a remove is under way");
    let began = Instant::now();
    assert!(bed.tiers.get(&a).await.unwrap().is_some());
    assert!(bed.tiers.get(&b).await.unwrap().is_some());
    assert!(eventually(LONG, async || bed.in_near(&b).await.is_some()).await);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(bed.tiers.stats().await.promotions.overtaken, 1);
    removes.iter().for_each(tokio::task::JoinHandle::abort);
}
