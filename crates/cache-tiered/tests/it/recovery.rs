//! Recovery: what a tier has missed is done again, or honestly reported.

use cache_core::{Backend, ErrorKind, Outcome, Role, Selector};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::TierStats;
use tokio::time::Instant;

use crate::kit::{LONG, PATIENCE, key};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

async fn tier(rig: &Rig, index: usize) -> TierStats {
    rig.tiers.stats().await.tiers.swap_remove(index)
}

async fn recovered(rig: &Rig, index: usize) -> bool {
    eventually(LONG, async || tier(rig, index).await.recovery.queued == 0).await
}

#[tokio::test(start_paused = true)]
async fn a_missed_put_is_done_again_from_a_tier_that_has_the_body() {
    for fault in [DOWN, Fault::Delay(10 * PATIENCE), Fault::Panic] {
        let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
        let a = key("a");
        rig.put(&a, "old").await;
        rig.places[1].set_plan(Plan::new().all(fault));
        rig.put(&a, "newer").await;
        let newest = rig.put(&a, "newest").await;
        assert_eq!(tier(&rig, 1).await.recovery.queued, 1, "{fault:?}: the newest of a key");
        rig.places[1].heal();
        assert!(recovered(&rig, 1).await, "{fault:?}");
        assert_eq!(rig.held(1, &a).await, Some(newest), "{fault:?}");
        let recovery = tier(&rig, 1).await.recovery;
        assert_eq!((recovery.replayed, recovery.lost, recovery.dropped), (1, 0, 0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missed_put_whose_body_is_nowhere_any_more_is_reported_as_lost() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.put(&a, "old").await;
    rig.places[1].set_plan(Plan::new().all(DOWN));
    rig.put(&a, "new").await;
    for other in [0, 2] {
        rig.places[other].inner().remove(&a).await.unwrap();
    }
    rig.places[1].heal();
    assert!(recovered(&rig, 1).await);
    assert_eq!((tier(&rig, 1).await.recovery.lost, rig.body(&a).await), (1, None), "and nothing older is served");
}

#[tokio::test(start_paused = true)]
async fn a_put_that_may_be_in_a_tier_that_is_down_is_not_given_up() {
    let rig = Rig::of([Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.places[0].set_plan(Plan::new().all(DOWN));
    let entry = rig.put(&a, "x").await;
    rig.places[1].set_plan(Plan::new().all(DOWN));
    rig.places[0].heal();
    assert!(eventually(LONG, async || rig.places[1].calls(Operation::Get) > 0).await);
    assert_eq!(tier(&rig, 0).await.recovery.lost, 0);
    rig.places[1].heal();
    assert!(recovered(&rig, 0).await);
    assert_eq!(rig.held(0, &a).await, Some(entry));
}

#[tokio::test(start_paused = true)]
async fn a_missed_remove_is_done_again() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.put(&a, "x").await;
    rig.places[1].set_plan(Plan::new().all(DOWN));
    assert!(rig.tiers.remove(&a).await.unwrap(), "a mark in the other durable tier keeps it removed");
    assert_eq!(rig.marks_in(2).await, 1);
    rig.places[1].heal();
    assert_eq!(rig.tiers.lookup(&a).await.outcomes[1].1, Outcome::Miss);
    assert_eq!(rig.restarted().body(&a).await, None, "after a restart, too");
    assert!(recovered(&rig, 1).await);
    assert!(eventually(LONG, async || rig.marks_in(2).await == 0).await, "the mark is needed no longer");
    assert_eq!(rig.held(1, &a).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_missed_a_put_does_not_serve_the_entry_before_it_after_a_restart() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.put(&a, "old").await;
    rig.places[1].set_plan(Plan::new().all(DOWN));
    rig.put(&a, "new").await;
    rig.places[1].heal();
    let next = rig.restarted();
    assert_eq!(next.body(&a).await.as_deref(), Some("new"));
    next.settle().await;
    assert!(next.held(1, &a).await.is_none_or(|held| &held.body[..] == b"new"), "the older one is dropped");
    assert_eq!(next.marks_in(2).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flapping_tier_loses_nothing_of_the_queue() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    rig.places[1].set_plan(Plan::new().all(DOWN));
    for number in 0..40 {
        rig.put(&key(&format!("a:{number}")), "x").await;
    }
    assert_eq!(tier(&rig, 1).await.recovery.queued, 40);
    rig.places[1].set_plan(Plan::new().chance(7, 2, 3, DOWN));
    assert!(recovered(&rig, 1).await);
    for number in 0..40 {
        assert!(rig.held(1, &key(&format!("a:{number}"))).await.is_some(), "{number}");
    }
    let stats = tier(&rig, 1).await;
    assert_eq!((stats.recovery.replayed, stats.recovery.lost, stats.suspects), (40, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn attempts_on_a_tier_that_stays_down_become_rare() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    rig.places[1].set_plan(Plan::new().all(DOWN));
    rig.put(&key("a"), "x").await;
    let calls = rig.places[1].total_calls();
    crate::kit::pass(LONG).await;
    let more = rig.places[1].total_calls() - calls;
    assert!((8..40).contains(&more), "{more} calls in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_tier_ends_the_pause() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.places[1].set_plan(Plan::new().all(DOWN));
    rig.put(&a, "x").await;
    crate::kit::pass(LONG).await;
    rig.places[1].heal();
    let began = Instant::now();
    assert!(rig.tiers.get(&key("b")).await.unwrap().is_none());
    assert!(recovered(&rig, 1).await);
    assert!(began.elapsed().as_secs() <= 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_later_put_that_succeeds_takes_the_operation_off_the_queue() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.places[1].set_plan(Plan::new().nth_of_all(2, DOWN).nth_of_all(3, DOWN).nth_of_all(4, DOWN));
    rig.put(&a, "first").await;
    rig.places[1].heal();
    let second = rig.put(&a, "second").await;
    let stats = tier(&rig, 1).await;
    assert_eq!((stats.recovery.queued, stats.recovery.replayed), (0, 0));
    assert_eq!(rig.held(1, &a).await, Some(second));
    assert_eq!(rig.marks_in(2).await, 0);
}

#[tokio::test(start_paused = true)]
async fn too_many_missed_operations_are_dropped_counted_and_harm_nobody() {
    let rig = Rig::of([Kind::Passing, Kind::Passing, Kind::Durable]);
    for number in 0..4_200 {
        rig.put(&key(&format!("a:{number}")), "old").await;
    }
    rig.places[1].set_plan(Plan::new().all(DOWN));
    for number in 0..4_200 {
        rig.tiers.remove(&key(&format!("a:{number}"))).await.unwrap();
    }
    let recovery = tier(&rig, 1).await.recovery;
    assert_eq!((recovery.queued, recovery.dropped), (4_096, 104));
    rig.places[1].heal();
    for number in 0..4_200 {
        assert_eq!(rig.body(&key(&format!("a:{number}"))).await, None, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remove_that_was_not_queued_keeps_its_mark_until_the_tier_has_done_it() {
    let rig = Rig::of([Kind::Durable, Kind::Durable, Kind::Durable]);
    let a = key("a");
    rig.put(&a, "old").await;
    rig.places[1].set_plan(Plan::new().each(Operation::Remove, DOWN));
    for number in 0..4_096 {
        rig.tiers.remove(&key(&format!("a:{number}"))).await.unwrap();
    }
    rig.places[0].set_plan(Plan::new().nth(Operation::Remove, 1, DOWN));
    rig.tiers.remove(&a).await.unwrap();
    assert_eq!((tier(&rig, 0).await.recovery.queued, tier(&rig, 1).await.recovery.dropped), (1, 1));
    assert!(recovered(&rig, 0).await);
    rig.places[1].heal();
    assert!(rig.held(1, &a).await.is_some());
    assert_eq!(rig.restarted().body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_waits_does_not_keep_a_dropped_stack_alive() {
    let rig = Rig::of([Kind::Durable, Kind::Durable]);
    rig.places[0].set_plan(Plan::new().all(DOWN));
    for number in 0..100 {
        rig.put(&key(&format!("a:{number}")), "x").await;
    }
    // Each attempt takes the patience of the other tier.
    rig.places[1].set_plan(Plan::new().each(Operation::Get, Fault::Hang));
    rig.places[0].heal();
    assert!(eventually(LONG, async || rig.places[1].calls(Operation::Get) > 1).await);
    let place = std::sync::Arc::downgrade(&rig.places[0]);
    let dropped = Instant::now();
    drop(rig);
    assert!(eventually(LONG, async || place.strong_count() == 0).await);
    assert!(dropped.elapsed() <= 2 * PATIENCE, "{:?}", dropped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shared_tier_gets_a_tombstone_that_an_older_put_of_another_process_loses_to() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    let a = key("a");
    let older = rig.entry("older");
    rig.put(&a, "x").await;
    assert!(rig.tiers.remove(&a).await.unwrap());
    assert!(!rig.tiers.remove(&a).await.unwrap(), "a tombstone is nothing to find");
    assert_eq!(rig.held(1, &a).await.unwrap().meta.role, Role::Tombstone);
    let peer = rig.peer();
    peer.tiers.put(&a, older).await.unwrap();
    assert_eq!((peer.body(&a).await, rig.body(&a).await, rig.tiers.stat(&a).await.unwrap()), (None, None, None));
    peer.put(&a, "new").await;
    assert_eq!(rig.body(&a).await.as_deref(), Some("new"));
    rig.tiers.remove(&a).await.unwrap();
    rig.clock.advance(7 * cache_core::DAY);
    assert!(rig.held(1, &a).await.is_some(), "a load may take as long");
    rig.clock.advance(cache_core::DAY);
    assert_eq!(rig.held(1, &a).await, None);
}

#[tokio::test(start_paused = true)]
async fn other_processes_drop_what_was_put_removed_or_invalidated() {
    let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Shared]);
    let peer = rig.peer();
    let a = key("a");
    // Both listen.
    assert!(rig.body(&a).await.is_none() && peer.body(&a).await.is_none());
    crate::kit::pass(crate::kit::millis(1)).await;
    for step in 0..3 {
        rig.put(&a, "old").await;
        assert_eq!(peer.body(&a).await.as_deref(), Some("old"));
        peer.settle().await;
        assert!(peer.held(0, &a).await.is_some() && peer.held(1, &a).await.is_some());
        match step {
            0 => drop(rig.put(&a, "new").await),
            1 => drop(rig.tiers.remove(&a).await.unwrap()),
            _ => drop(rig.tiers.invalidate(&Selector::all()).await.unwrap()),
        }
        let gone = async || peer.held(0, &a).await.is_none() && peer.held(1, &a).await.is_none();
        assert!(eventually(LONG, gone).await, "step {step}");
        assert_eq!(peer.body(&a).await.as_deref(), (step == 0).then_some("new"), "step {step}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_an_unshared_tier_serves_what_the_shared_one_confirms() {
    let rig = Rig::of([Kind::Durable, Kind::Shared]);
    let [kept, replaced, removed] = [key("kept"), key("replaced"), key("removed")];
    for key in [&kept, &replaced, &removed] {
        rig.put(key, "old").await;
    }
    // The process is down while another one writes.
    let peer = rig.peer();
    peer.clock.advance(cache_core::MINUTE);
    peer.put(&replaced, "new").await;
    peer.tiers.remove(&removed).await.unwrap();
    let next = rig.restarted();
    assert!(next.body(&key("none")).await.is_none());
    crate::kit::pass(crate::kit::millis(1)).await;
    assert_eq!(next.body(&replaced).await.as_deref(), Some("new"));
    assert_eq!(next.body(&removed).await, None);
    let calls = next.places[1].calls(Operation::Stat);
    for _ in 0..5 {
        assert_eq!(next.tiers.lookup(&kept).await.found.map(|found| found.tier), Some(0));
    }
    assert_eq!(next.places[1].calls(Operation::Stat), calls + 1, "asked once");
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_could_not_be_told_is_told_later() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    rig.put(&key("a"), "x").await;
    rig.places[1].inner().hub.break_off(true);
    rig.put(&key("b"), "x").await;
    assert_eq!(rig.places[1].inner().hub.told().len(), 1);
    rig.places[1].inner().hub.break_off(false);
    assert!(eventually(LONG, async || rig.places[1].inner().hub.told().len() == 2).await);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_a_shared_tier_lost_is_put_back() {
    let rig = Rig::of([Kind::Durable, Kind::Shared]);
    rig.tiers.invalidate(&Selector::tag("x")).await.unwrap();
    let prefix = cache_core::KeyPrefix::below(&key("~marks"));
    let found: Vec<_> = futures_util::StreamExt::collect(rig.places[1].inner().scan(&prefix)).await;
    rig.places[1].inner().remove(&found[0].as_ref().unwrap().0).await.unwrap();
    rig.tiers.sweep(rig.clock_now(), 10).await.unwrap();
    assert_eq!(rig.marks_in(1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn marks_of_other_processes_are_found_by_a_sweep() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    let a = key("a");
    rig.tiers.put(&a, rig.tagged("x", "old")).await.unwrap();
    rig.places[1].inner().hub.break_off(true);
    let peer = rig.peer();
    peer.clock.advance(cache_core::MINUTE);
    let old = rig.held(1, &a).await.unwrap();
    peer.tiers.invalidate(&Selector::tag("x")).await.unwrap();
    // As if a load of this process had brought it back.
    rig.places[1].inner().remove(&a).await.unwrap();
    rig.places[1].inner().put(&a, old).await.unwrap();
    assert!(rig.body(&a).await.is_some());
    rig.tiers.sweep(rig.clock_now(), 10).await.unwrap();
    assert_eq!(rig.body(&a).await, None);
}
