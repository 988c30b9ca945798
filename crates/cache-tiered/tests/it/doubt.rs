//! Doubt: what an unshared tier serves when marks of other processes may have been missed.

use cache_core::{Backend, ErrorKind, MINUTE, Selector, Timestamp};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, TierOptions, Unconfirmed};

use crate::kit::{LONG, key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

#[tokio::test(start_paused = true)]
async fn the_first_read_of_a_process_serves_nothing_that_others_have_replaced_or_removed() {
    for replaced in [false, true] {
        let rig = Rig::of([Kind::Durable, Kind::Shared]);
        let peer = rig.peer();
        let a = key("a");
        let old = peer.entry("old");
        rig.places[0].inner().put(&a, old.clone()).await.unwrap();
        rig.places[1].inner().put(&a, old).await.unwrap();
        if replaced {
            peer.put(&a, "new").await;
        } else {
            peer.tiers.remove(&a).await.unwrap();
        }
        assert_eq!(rig.body(&a).await.as_deref(), replaced.then_some("new"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_clock_was_set_back_serves_nothing_that_others_have_removed() {
    for by in [9 * MINUTE, 10 * MINUTE, 10 * MINUTE + millis(1)] {
        let rig = Rig::of([Kind::Durable, Kind::Shared]);
        let peer = rig.peer();
        let a = key("a");
        peer.entry("its stamp has a counter");
        let old = peer.entry("old");
        rig.places[0].inner().put(&a, old.clone()).await.unwrap();
        rig.places[1].inner().put(&a, old).await.unwrap();
        peer.tiers.remove(&a).await.unwrap();
        let now = rig.clock_millis() - u64::try_from(by.as_millis()).unwrap();
        let next = rig.restarted_at(Timestamp::from_millis(now));
        assert_eq!(next.body(&a).await, None, "{by:?}");
        pass(millis(1)).await;
        assert_eq!(next.body(&a).await, None, "{by:?}: after the gap");
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_process_has_put_since_is_served_without_a_question() {
    let rig = Rig::of([Kind::Durable, Kind::Shared]);
    assert!(rig.body(&key("none")).await.is_none());
    pass(millis(1)).await;
    let a = key("a");
    rig.put(&a, "x").await;
    rig.places[1].set_plan(Plan::new().all(DOWN));
    let calls = rig.places[1].total_calls();
    assert_eq!(rig.body(&a).await.as_deref(), Some("x"));
    assert_eq!(rig.places[1].total_calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn what_no_shared_tier_takes_is_served_unless_one_contradicts_it() {
    let rig = Rig::of([Kind::Durable, Kind::Shared]);
    let rig = rig.with_options(&[TierOptions::new(), TierOptions::new().max_body(3)]);
    let [kept, replaced, removed] = [key("kept"), key("replaced"), key("removed")];
    for key in [&kept, &replaced, &removed] {
        rig.put(key, "a long one").await;
        assert!(rig.held(1, key).await.is_none());
    }
    let peer = rig.peer();
    peer.clock.advance(MINUTE);
    peer.put(&replaced, "new").await;
    peer.tiers.remove(&removed).await.unwrap();
    let next = rig.restarted();
    assert_eq!(next.body(&kept).await.as_deref(), Some("a long one"));
    assert_eq!(next.body(&replaced).await.as_deref(), Some("new"));
    assert_eq!(next.body(&removed).await, None);
    let calls = next.places[1].calls(Operation::Stat);
    assert!(next.body(&kept).await.is_some());
    assert_eq!(next.places[1].calls(Operation::Stat), calls, "asked once");
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_is_told_and_written_later_when_neither_worked() {
    let rig = Rig::of([Kind::Durable, Kind::Shared]);
    let peer = rig.peer();
    let hub = rig.places[1].inner().hub.clone();
    let a = key("a");
    assert!(rig.body(&a).await.is_none() && peer.body(&a).await.is_none());
    pass(millis(1)).await;
    for rig in [&rig, &peer] {
        rig.clock.advance(60 * MINUTE);
    }
    rig.tiers.put(&a, rig.tagged("x", "old")).await.unwrap();
    assert!(peer.body(&a).await.is_some());
    peer.settle().await;
    assert!(peer.held(0, &a).await.is_some());
    let told = hub.told().len();
    hub.break_off(true);
    rig.places[1].set_plan(Plan::new().all(DOWN));
    rig.tiers.invalidate(&Selector::tag("x")).await.unwrap();
    rig.places[1].heal();
    hub.break_off(false);
    assert!(eventually(LONG, async || rig.marks_in(1).await == 1 && hub.told().len() == told + 1).await);
    assert_eq!(rig.tiers.stats().await.tiers[1].recovery.queued, 0);
    assert!(eventually(LONG, async || peer.body(&a).await.is_none()).await);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_tier_that_works_is_done_although_nothing_can_be_told() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    assert!(rig.body(&key("none")).await.is_none());
    rig.places[1].inner().hub.break_off(true);
    rig.places[1].set_plan(Plan::new().all(DOWN));
    for number in 0..20 {
        rig.tiers.remove(&key(&format!("a:{number}"))).await.unwrap_err();
    }
    rig.places[1].heal();
    let queued = async || rig.tiers.stats().await.tiers[1].recovery.queued == 20;
    assert!(eventually(LONG, queued).await, "only the telling waits");
    assert!(rig.held(1, &key("a:19")).await.is_some(), "a tombstone");
}

#[tokio::test(start_paused = true)]
async fn what_a_process_has_told_itself_costs_its_tiers_nothing_when_it_is_heard() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    assert!(rig.body(&key("none")).await.is_none());
    pass(millis(1)).await;
    rig.put(&key("a"), "x").await;
    let calls = rig.places[0].total_calls();
    pass(millis(100)).await;
    rig.settle().await;
    assert_eq!(rig.places[0].total_calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_vouch_for_is_held_back_or_served_as_the_stack_was_told() {
    for (unconfirmed, expected) in [(Unconfirmed::Withhold, None), (Unconfirmed::Serve, Some("old"))] {
        let rig = Rig::of([Kind::Durable, Kind::Shared]);
        let a = key("a");
        rig.put(&a, "old").await;
        rig.places[1].set_plan(Plan::new().all(DOWN));
        let next = rig.restarted_with(|builder| builder.unconfirmed(unconfirmed));
        for _ in 0..2 {
            assert_eq!(next.body(&a).await.as_deref(), expected, "{unconfirmed:?}");
        }
        next.places[1].heal();
        assert_eq!(next.body(&a).await.as_deref(), Some("old"), "{unconfirmed:?}: the shared tier has it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_served_unconfirmed_is_gone_everywhere_once_a_shared_tier_tells_of_its_removal() {
    let rig = Rig::of([Kind::Durable, Kind::Shared]);
    let a = key("a");
    let songs = |rig: &Rig| Cache::<String>::builder("songs").near(1 << 20).tiers(rig.tiers.clone()).build().unwrap();
    let peer = rig.peer();
    songs(&peer).put(&a, "old".to_owned()).await.unwrap();
    let stored = key("songs:a");
    rig.places[0].inner().put(&stored, peer.held(1, &stored).await.unwrap()).await.unwrap();
    assert!(songs(&peer).remove(&a).await.unwrap());
    rig.places[1].set_plan(Plan::new().all(DOWN));
    let next = rig.restarted_with(|builder| builder.unconfirmed(Unconfirmed::Serve));
    let cache = songs(&next);
    for _ in 0..2 {
        assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "old");
    }
    pass(millis(1)).await;
    assert!(cache.get(&a).await.unwrap().is_some(), "after the gap");
    next.places[1].heal();
    assert!(cache.get(&a).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_shared_tier_misses_or_has_replaced_is_held_back_although_another_is_away() {
    for replaced in [false, true] {
        let rig = Rig::of([Kind::Durable, Kind::Shared, Kind::Shared]);
        let a = key("a");
        let old = rig.entry("old");
        for place in &rig.places {
            place.inner().put(&a, old.clone()).await.unwrap();
        }
        let peer = rig.peer();
        peer.clock.advance(MINUTE);
        if replaced {
            peer.put(&a, "new").await;
        } else {
            rig.places[2].inner().remove(&a).await.unwrap();
        }
        rig.places[1].set_plan(Plan::new().all(DOWN));
        let next = rig.restarted_with(|builder| builder.unconfirmed(Unconfirmed::Serve));
        assert_eq!(next.body(&a).await.as_deref(), replaced.then_some("new"));
    }
}
