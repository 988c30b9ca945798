//! What a process has begun before it heard of another one's write or invalidation, whose clock is behind.

use cache_core::{Backend, Entry, Error, ErrorKind, Key, MINUTE, Meta, Selector, Stamp};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, Load, Required, TierOptions, WritePolicy};

use crate::kit::{LONG, Paused, Runs, key, millis, pass, stored};
use crate::kit_fleet::{Kind, Rig};
use crate::kit_pair::Pair;

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

/// A pair of which the second process has seen a stamp five minutes ahead: its own are ahead of the first one's.
async fn skewed() -> Pair {
    let pair = Pair::new().listening().await;
    let ahead = Stamp::first_of(Paused::START.after(5 * MINUTE));
    pair.shared.put(&stored(&key("far")), Entry::new(Meta::new(ahead, Paused::START), "theirs")).await.unwrap();
    pair.nodes[1].get_or_load(&key("far"), Runs::default().takes(millis(1), Ok("far"))).await.unwrap();
    pair.idle().await;
    pair
}

async fn value(cache: &Cache<String>, key: &Key) -> Option<String> {
    cache.get(key).await.unwrap().map(|hit| hit.value.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_put_heard_while_a_load_is_stored_is_not_answered_with_the_load() {
    for slow in [Operation::Stat, Operation::Put] {
        let pair = skewed().await;
        let [one, two] = &pair.nodes;
        let (a, runs) = (key("a"), Runs::default());
        pair.links[1].set_plan(Plan::new().each(slow, Fault::Delay(millis(1000))));
        let writing = async {
            pass(millis(500)).await;
            one.put(&a, "put".to_owned()).await.unwrap();
        };
        let (hit, ()) = tokio::join!(two.get_or_load(&a, runs.takes(millis(10), Ok("before"))), writing);
        assert_eq!(*hit.unwrap().value, "before", "it was asked for before");
        pair.idle().await;
        pair.links[1].heal();
        pass(MINUTE).await;
        assert_ne!(pair.in_shared(&a).await.as_deref(), Some("before"), "{slow:?}");
        assert_ne!(value(two, &a).await.as_deref(), Some("before"), "{slow:?}");
        assert_eq!(value(one, &a).await.as_deref(), Some("put"), "{slow:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_heard_while_or_after_a_load_is_stored_reaches_it_in_the_shared_tier() {
    for heard_after in [false, true] {
        let pair = skewed().await;
        let [one, two] = &pair.nodes;
        let a = key("a");
        let tagged = |load: Load| async move {
            load.set_tags(["t"]);
            Ok::<_, Error>("before".to_owned())
        };
        if heard_after {
            // Too late for the one who invalidates to find it.
            pair.links[0].set_plan(Plan::new().each(Operation::Scan, DOWN));
            two.get_or_load(&a, tagged).await.unwrap();
            pair.idle().await;
            let _ = one.invalidate(&Selector::tag("t")).await;
        } else {
            pair.links[1].set_plan(Plan::new().each(Operation::Put, Fault::Delay(millis(1000))));
            let invalidating = async {
                pass(millis(500)).await;
                one.invalidate(&Selector::tag("t")).await.unwrap();
            };
            let (hit, ()) = tokio::join!(two.get_or_load(&a, tagged), invalidating);
            assert_eq!(*hit.unwrap().value, "before");
        }
        pair.idle().await;
        for link in &pair.links {
            link.heal();
        }
        pass(MINUTE).await;
        for node in [one, two] {
            assert_eq!(value(node, &a).await, None, "heard after: {heard_after}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_shared_tier_has_missed_does_not_come_back_over_a_newer_put_or_an_invalidation() {
    for put in [false, true] {
        let pair = skewed().await;
        let [one, two] = &pair.nodes;
        let (a, runs) = (key("a"), Runs::default());
        pair.links[1].set_plan(Plan::new().each(Operation::Put, DOWN));
        two.get_or_load(&a, runs.takes(millis(10), Ok("old"))).await.unwrap();
        pair.idle().await;
        if put {
            one.put(&a, "put".to_owned()).await.unwrap();
        } else {
            one.invalidate(&Selector::Pattern("a*".parse().unwrap())).await.unwrap();
        }
        pass(millis(1000)).await;
        assert_ne!(value(two, &a).await.as_deref(), Some("old"), "put: {put}");
        pair.links[1].heal();
        pass(LONG / 2).await;
        let expected = put.then_some("put");
        for node in [one, two] {
            assert_eq!(value(node, &a).await.as_deref(), expected, "put: {put}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_ran_while_news_were_lost_is_served_and_not_kept() {
    let pair = skewed().await;
    let [one, two] = &pair.nodes;
    let (a, runs) = (key("a"), Runs::default());
    let writing = async {
        pass(MINUTE / 4).await;
        pair.planes[1].fail(ErrorKind::Unavailable);
        one.put(&a, "put".to_owned()).await.unwrap();
        pair.planes[0].lose_log();
        pair.planes[1].heal();
    };
    let (hit, ()) = tokio::join!(two.get_or_load(&a, runs.takes(2 * MINUTE, Ok("before"))), writing);
    assert_eq!(*hit.unwrap().value, "before");
    pair.idle().await;
    assert_eq!(pair.in_shared(&a).await.as_deref(), Some("put"));
    assert_eq!(value(two, &a).await.as_deref(), Some("put"));
}

#[tokio::test(start_paused = true)]
async fn a_load_is_kept_when_the_tag_that_was_invalidated_is_not_its_own() {
    let pair = Pair::new().listening().await;
    let [one, two] = &pair.nodes;
    let (a, runs) = (key("a"), Runs::default());
    let invalidating = async {
        pass(MINUTE / 2).await;
        one.invalidate(&Selector::tag("another")).await.unwrap();
    };
    let (hit, ()) = tokio::join!(two.get_or_load(&a, runs.takes(MINUTE, Ok("loaded"))), invalidating);
    hit.unwrap();
    pair.idle().await;
    assert_eq!(value(two, &a).await.as_deref(), Some("loaded"));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_after_the_news_is_kept() {
    for elsewhere in [false, true] {
        let pair = Pair::new().listening().await;
        let [one, two] = &pair.nodes;
        let (a, runs) = (key("a"), Runs::default());
        let busy = async {
            if elsewhere {
                // The second process waits for this, then loads anew.
                one.get_or_load(&a, runs.takes(MINUTE, Ok("old"))).await.unwrap();
            }
        };
        pair.links[1].set_plan(Plan::new().nth(Operation::Get, 1, Fault::Delay(millis(1000))));
        let loading = async {
            pass(millis(100)).await;
            two.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
        };
        let invalidating = async {
            pass(millis(if elsewhere { 30_000 } else { 600 })).await;
            one.invalidate(&Selector::Key(a.clone())).await.unwrap();
        };
        tokio::join!(busy, loading, invalidating);
        pair.idle().await;
        assert_eq!(value(two, &a).await.as_deref(), Some("new"), "elsewhere: {elsewhere}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_joins_a_load_that_began_after_an_invalidation_although_it_waited_since_before() {
    let pair = Pair::new().listening().await;
    let [one, two] = &pair.nodes;
    let (a, runs) = (key("a"), Runs::default());
    let waiting = async {
        pass(millis(1000)).await;
        two.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap()
    };
    let invalidating = async {
        pass(MINUTE / 2).await;
        one.invalidate(&Selector::Key(a.clone())).await.unwrap();
    };
    let joining = async {
        pass(MINUTE + MINUTE / 2).await;
        two.get_or_load(&a, runs.takes(MINUTE, Ok("needless"))).await.unwrap()
    };
    let first = one.get_or_load(&a, runs.takes(MINUTE, Ok("old")));
    let (_, waited, (), joined) = tokio::join!(first, waiting, invalidating, joining);
    assert_eq!((waited.value.as_str(), joined.value.as_str(), runs.count()), ("new", "new", 2));
}

#[tokio::test(start_paused = true)]
async fn a_late_write_is_not_served_although_the_clock_of_who_told_of_a_newer_one_is_behind() {
    let tiers = [Kind::Passing, Kind::Shared].map(|kind| (kind, TierOptions::new()));
    let rig = Rig::with(tiers, |all| all.require(Required::First));
    let peer = rig.peer();
    peer.clock.advance(2 * MINUTE);
    assert!(rig.body(&key("none")).await.is_none() && peer.body(&key("none")).await.is_none());
    let (a, hub) = (key("a"), &rig.places[1].inner().hub);
    let late = rig.entry("late");
    rig.clock.advance(millis(10));
    rig.places[1].set_plan(Plan::new().each(Operation::Put, DOWN));
    let told = hub.told().len();
    rig.put(&a, "newer").await;
    assert!(eventually(LONG, async || hub.told().len() > told).await);
    peer.settle().await;
    rig.places[1].inner().put(&a, late).await.unwrap();
    assert_eq!(peer.body(&a).await, None);
}

#[tokio::test(start_paused = true)]
async fn writes_that_no_shared_tier_takes_cost_the_entries_of_others_nothing() {
    let rig =
        Rig::with([(Kind::Passing, TierOptions::new()), (Kind::Shared, TierOptions::new().max_body(3))], |builder| {
            builder
        });
    let peer = rig.peer();
    assert!(rig.body(&key("none")).await.is_none() && peer.body(&key("none")).await.is_none());
    let keep = key("keep");
    peer.put(&keep, "mine").await;
    for number in 0..4_200_u32 {
        rig.put(&Key::of("p").part(number).build().unwrap(), "a long body").await;
        if number % 100 == 0 {
            rig.clock.advance(millis(1));
            peer.clock.advance(millis(1));
            pass(millis(1)).await;
            peer.settle().await;
        }
    }
    pass(millis(10)).await;
    peer.settle().await;
    assert_eq!(peer.body(&keep).await.as_deref(), Some("mine"));
}

#[tokio::test(start_paused = true)]
async fn a_write_in_the_background_that_could_not_look_before_ends_as_others_see_it() {
    let back = TierOptions::new().write(WritePolicy::Back);
    let rig = Rig::with([(Kind::Passing, TierOptions::new()), (Kind::Shared, back)], |builder| builder);
    let (a, ahead) = (key("a"), Stamp::first_of(rig.clock_now().after(5 * MINUTE)));
    assert!(rig.body(&a).await.is_none());
    let theirs = Entry::new(Meta::new(ahead, rig.clock_now()), "theirs");
    rig.places[1].inner().put(&a, theirs).await.unwrap();
    rig.places[1].set_plan(Plan::new().nth(Operation::Stat, 1, DOWN));
    rig.put(&a, "mine").await;
    rig.settle().await;
    pass(LONG).await;
    assert_eq!(rig.body(&a).await.as_deref(), Some("theirs"));
}
