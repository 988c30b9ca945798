//! Invalidations among clocks that differ: what is older goes, whatever its stamp says, and what is newer stays.

use cache_core::{Backend, DAY, ErrorKind, KeyPrefix, MINUTE, Selector, Timestamp};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{TierOptions, WritePolicy};

use crate::kit::{LONG, key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

fn back(rig: &Rig, by: std::time::Duration) -> Timestamp {
    Timestamp::from_millis(rig.clock_millis() - u64::try_from(by.as_millis()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_reaches_what_another_process_put_before_it_in_the_same_millisecond() {
    let rig = Rig::of([Kind::Shared]);
    let peer = rig.peer();
    let a = key("a");
    rig.places[0].inner().hub.break_off(true);
    assert!(rig.body(&key("none")).await.is_none() && peer.body(&key("none")).await.is_none());
    // As one that is busier.
    for _ in 0..100 {
        peer.tiers.stamps().tick();
    }
    peer.put(&a, "old").await;
    let done = rig.tiers.invalidate(&Selector::all()).await.unwrap();
    assert_eq!((done.entries(), rig.body(&a).await, peer.body(&a).await), (1, None, None));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_outlasts_the_difference_of_clocks_reaches_what_was_put_by_the_one_ahead() {
    let rig = Rig::of([Kind::Shared]);
    let peer = rig.peer();
    peer.clock.advance(millis(50));
    let a = key("a");
    rig.places[0].inner().hub.break_off(true);
    assert!(rig.body(&key("none")).await.is_none());
    peer.put(&a, "old").await;
    rig.places[0].set_plan(Plan::new().nth(Operation::Scan, 1, Fault::Delay(millis(500))));
    let invalidation = tokio::spawn({
        let tiers = rig.tiers.clone();
        async move { tiers.invalidate(&Selector::all()).await }
    });
    pass(millis(100)).await;
    rig.clock.advance(millis(100));
    let done = invalidation.await.unwrap().unwrap();
    assert_eq!((done.entries(), rig.body(&a).await), (1, None));
}

#[tokio::test(start_paused = true)]
async fn what_this_process_puts_while_an_invalidation_runs_stays() {
    for kind in [Kind::Durable, Kind::Shared] {
        let rig = Rig::of([Kind::Passing, kind]);
        let (a, b) = (key("a"), key("b"));
        rig.put(&b, "old").await;
        rig.places[1].set_plan(Plan::new().nth(Operation::Scan, 1, Fault::Delay(millis(500))));
        let invalidation = tokio::spawn({
            let tiers = rig.tiers.clone();
            async move { tiers.invalidate(&Selector::all()).await }
        });
        pass(millis(100)).await;
        rig.put(&a, "new").await;
        let done = invalidation.await.unwrap().unwrap();
        assert_eq!((done.entries(), rig.body(&a).await.as_deref()), (2, Some("new")), "{kind:?}");
        assert_eq!(rig.body(&b).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_written_counts_in_its_tier_and_is_never_written() {
    let rig = Rig::of([Kind::Passing, Kind::Durable]);
    let back = TierOptions::new().write(WritePolicy::Back);
    let rig = rig.with_options(&[TierOptions::new(), back]);
    let a = key("a");
    assert!(rig.body(&a).await.is_none());
    // Others have all the lanes.
    let slow = |plan: Plan, nth| plan.nth(Operation::Put, nth, Fault::Delay(millis(1_000)));
    rig.places[1].set_plan((1..=16).fold(Plan::new(), slow));
    for number in 0..16 {
        rig.put(&key(&format!("b:{number}")), "x").await;
    }
    pass(millis(1)).await;
    rig.put(&a, "x").await;
    rig.places[0].inner().remove(&a).await.unwrap();
    assert!(rig.body(&a).await.is_some(), "served from what waits");
    let selector = Selector::Prefix(KeyPrefix::below(&a));
    assert_eq!(rig.tiers.preview(&selector).await.unwrap().entries(), 1);
    assert_eq!(rig.tiers.invalidate(&selector).await.unwrap().entries(), 1);
    rig.settle().await;
    assert_eq!((rig.body(&a).await, rig.held(1, &a).await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_missed_an_invalidation_serves_nothing_that_may_be_older_by_a_clock_ahead() {
    let rig = Rig::of([Kind::Durable, Kind::Durable]);
    let (a, b) = (key("a"), key("b"));
    rig.places[1].inner().put(&a, rig.tagged("x", "old")).await.unwrap();
    let next = rig.restarted_at(back(&rig, 9 * MINUTE));
    next.places[1].set_plan(Plan::new().all(DOWN));
    next.tiers.invalidate(&Selector::tag("x")).await.unwrap();
    next.places[1].heal();
    next.tiers.put(&b, next.tagged("x", "new")).await.unwrap();
    next.places[0].inner().remove(&b).await.unwrap();
    assert_eq!(next.body(&a).await, None, "before the tier has caught up");
    assert_eq!(next.body(&b).await.as_deref(), Some("new"), "what is put from then on is served");
    assert!(eventually(LONG, async || next.held(1, &a).await.is_none()).await);
    assert_eq!((next.body(&a).await, next.body(&b).await.as_deref()), (None, Some("new")), "once it has");
    assert_eq!(next.restarted().body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_by_a_clock_far_ahead_ends_with_the_correction_of_the_clock() {
    for selector in [Selector::all(), Selector::tag("x")] {
        let rig = Rig::of([Kind::Passing, Kind::Durable]);
        let a = key("a");
        rig.tiers.put(&a, rig.tagged("x", "old")).await.unwrap();
        rig.places[1].set_plan(Plan::new().each(Operation::Remove, DOWN));
        let begin = rig.clock_now();
        rig.clock.advance(365 * DAY);
        rig.tiers.invalidate(&selector).await.unwrap();
        let next = rig.restarted_at(begin.after(MINUTE));
        next.places[1].heal();
        assert_eq!(next.body(&a).await, None, "{selector}: what it covered stays covered");
        next.settle().await;
        next.tiers.put(&a, next.tagged("x", "new")).await.unwrap();
        for rig in [next.restarted(), next] {
            assert_eq!(rig.body(&a).await.as_deref(), Some("new"), "{selector}");
            assert_eq!(rig.marks_in(1).await, 1, "{selector}");
        }
    }
}
