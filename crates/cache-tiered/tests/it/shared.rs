//! Shared tiers: what another process has put or removed since stays, whatever this one makes up for.

use cache_core::{Backend, ErrorKind, Role, Selector};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Required, TierOptions, WritePolicy};

use crate::kit::{LONG, key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

/// A passing tier over a shared one, and another process: each has read once.
async fn two(options: TierOptions, required: Required) -> (Rig, Rig) {
    let rig = Rig::with([(Kind::Passing, TierOptions::new()), (Kind::Shared, options)], |all| all.require(required));
    let peer = rig.peer();
    assert!(rig.body(&key("none")).await.is_none() && peer.body(&key("none")).await.is_none());
    (rig, peer)
}

/// Lets both clocks go on, so that what comes is newer.
fn later(rigs: [&Rig; 2]) {
    for rig in rigs {
        rig.clock.advance(millis(10));
    }
}

async fn body_in(rig: &Rig, tier: usize) -> Option<String> {
    rig.held(tier, &key("a")).await.map(|entry| String::from_utf8(entry.body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_background_leaves_what_another_process_has_put_since() {
    let (rig, peer) = two(TierOptions::new().write(WritePolicy::Back), Required::Durable).await;
    let a = key("a");
    rig.places[1].set_plan(Plan::new().nth(Operation::Stat, 2, Fault::Delay(millis(500))));
    rig.put(&a, "old").await;
    later([&rig, &peer]);
    rig.places[1].inner().put(&a, peer.entry("newer")).await.unwrap();
    rig.settle().await;
    assert_eq!(body_in(&rig, 1).await.as_deref(), Some("newer"));
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_background_leaves_a_tombstone_of_another_process() {
    let (rig, peer) = two(TierOptions::new().write(WritePolicy::Back), Required::Durable).await;
    let a = key("a");
    rig.places[0].inner().hub.break_off(true);
    rig.places[1].set_plan(Plan::new().nth(Operation::Stat, 2, Fault::Delay(millis(500))));
    rig.put(&a, "old").await;
    later([&rig, &peer]);
    peer.tiers.remove(&a).await.unwrap();
    rig.settle().await;
    assert_eq!(rig.peer().body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_put_done_again_or_lost_leaves_what_another_process_has_put_since() {
    for lost in [false, true] {
        let (rig, peer) = two(TierOptions::new(), Required::First).await;
        let a = key("a");
        rig.places[0].inner().hub.break_off(!lost);
        rig.places[1].set_plan(Plan::new().all(DOWN));
        rig.put(&a, "old").await;
        rig.places[1].heal();
        later([&rig, &peer]);
        peer.put(&a, "newer").await;
        if lost {
            rig.places[0].inner().remove(&a).await.unwrap();
        }
        pass(LONG / 2).await;
        assert_eq!(body_in(&rig, 1).await.as_deref(), Some("newer"), "lost: {lost}");
        let recovery = rig.tiers.stats().await.tiers[1].recovery;
        assert_eq!((recovery.replayed, recovery.lost), (1, 0), "lost: {lost}, there is a newer one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_that_is_covered_by_then_leaves_what_another_process_has_put_since() {
    let (rig, peer) = two(TierOptions::new(), Required::Durable).await;
    let a = key("a");
    pass(millis(10)).await;
    rig.places[0].set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(millis(1000))));
    let (tiers, entry, to) = (rig.tiers.clone(), rig.entry("old"), a.clone());
    let put = tokio::spawn(async move { tiers.put(&to, entry).await });
    pass(millis(100)).await;
    later([&rig, &peer]);
    peer.tiers.invalidate(&Selector::all()).await.unwrap();
    peer.put(&a, "newer").await;
    put.await.unwrap().unwrap();
    rig.settle().await;
    assert_eq!((body_in(&rig, 0).await, body_in(&rig, 1).await.as_deref()), (None, Some("newer")));
}

#[tokio::test(start_paused = true)]
async fn a_put_that_the_shared_tier_does_not_take_leaves_the_tombstone_there() {
    let options = [(Kind::Durable, TierOptions::new()), (Kind::Shared, TierOptions::new().max_body(3))];
    let rig = Rig::with(options, |builder| builder);
    let peer = rig.peer();
    let a = key("a");
    let earlier = peer.entry("old");
    later([&rig, &peer]);
    rig.tiers.remove(&a).await.unwrap();
    later([&rig, &peer]);
    rig.put(&a, "a long one").await;
    assert_eq!(rig.held(1, &a).await.map(|entry| entry.meta.role), Some(Role::Tombstone));
    rig.peer().tiers.put(&a, earlier).await.unwrap();
    assert_eq!(rig.peer().body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_reaches_the_shared_tier_late_is_not_served_by_those_who_heard_of_a_newer_one() {
    let (rig, peer) = two(TierOptions::new(), Required::First).await;
    let (a, hub) = (key("a"), &rig.places[1].inner().hub);
    let late = rig.entry("late");
    later([&rig, &peer]);
    rig.places[1].set_plan(Plan::new().each(Operation::Put, DOWN));
    let told = hub.told().len();
    rig.put(&a, "newer").await;
    assert!(eventually(LONG, async || hub.told().len() > told).await);
    peer.settle().await;
    rig.places[1].inner().put(&a, late).await.unwrap();
    assert_eq!(peer.body(&a).await, None);
}
