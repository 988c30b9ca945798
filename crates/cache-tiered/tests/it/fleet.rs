//! Caches of two processes over one shared tier: one load in the fleet, and news of what is out of date.

use cache_core::{Backend, Entry, Error, ErrorKind, Freshness, HOUR, Leases, MINUTE, Meta, Role, Selector, Stamp, ttl};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{CacheBuilder, Load, Origin, Phase};
use futures_util::future::join_all;

use crate::kit::{LONG, Paused, Runs, key, millis, pass, stored};
use crate::kit_pair::{LEASE, Pair};

#[tokio::test(start_paused = true)]
async fn a_fleet_loads_a_key_once_however_long_it_takes() {
    let pair = Pair::new();
    let (a, runs) = (key("a"), Runs::default());
    // Ten times as long as the lease: it is renewed.
    let calls =
        pair.nodes.iter().flat_map(|node| (0..5).map(|_| node.get_or_load(&a, runs.takes(10 * LEASE, Ok("made")))));
    for hit in join_all(calls).await {
        assert_eq!(*hit.unwrap().value, "made");
    }
    assert_eq!((runs.count(), pair.leases.given()), (1, 1));
    assert_eq!(pair.nodes.iter().map(|node| node.stats().elsewhere).sum::<u64>(), 1);
    pair.idle().await;
    assert!(eventually(LONG, async || !pair.leases.is_held(&stored(&a))).await, "given back");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_process_says_so_and_takes_over_when_that_fails() {
    let pair = Pair::new();
    let (a, runs) = (key("a"), Runs::default());
    let [one, two] = &pair.nodes;
    let failing = one.get_or_load(&a, runs.takes(MINUTE, Err("down")));
    let waiting = async {
        pass(millis(1)).await;
        two.get_or_load(&a, runs.takes(MINUTE, Ok("made"))).await
    };
    let looking = async {
        pass(millis(100)).await;
        assert_eq!(two.progress(&a).unwrap().current().phase, Phase::Elsewhere);
    };
    let (failed, made, ()) = tokio::join!(failing, waiting, looking);
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Load);
    assert_eq!((made.unwrap().origin, runs.count()), (Origin::Loaded, 2));
}

#[tokio::test(start_paused = true)]
async fn the_result_of_a_lost_lease_is_discarded_and_the_one_who_took_it_is_waited_for() {
    let pair = Pair::new();
    let (a, runs) = (key("a"), Runs::default());
    let [one, two] = &pair.nodes;
    let outrun = one.get_or_load(&a, runs.takes(2 * MINUTE, Ok("outrun")));
    let taking = async {
        pass(LEASE / 2).await;
        pair.leases.expire_all();
        two.get_or_load(&a, runs.takes(MINUTE, Ok("taken over"))).await
    };
    let (outrun, taken) = tokio::join!(outrun, taking);
    assert_eq!(*outrun.unwrap().value, "taken over");
    assert_eq!(*taken.unwrap().value, "taken over");
    pair.idle().await;
    assert_eq!(pair.in_shared(&a).await.as_deref(), Some("taken over"));
    assert_eq!((one.stats().leases_lost, runs.count()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_late_write_of_a_former_holder_loses_by_its_token() {
    let pair = Pair::new();
    let a = key("a");
    let [one, _] = &pair.nodes;
    let mut tokens = Vec::new();
    for text in ["first", "second"] {
        one.refresh(&a, move |_| async move { Ok::<_, Error>(text.to_owned()) }).await.unwrap();
        pair.idle().await;
        tokens.push(pair.shared.get(&stored(&a)).await.unwrap().unwrap().meta.stamp);
    }
    let later = pair.leases.steal(&stored(&a), LEASE).token;
    assert!(Stamp::ZERO < tokens[0] && tokens[0] < tokens[1] && tokens[1] < later, "{tokens:?}, {later:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_service_each_process_loads_for_itself_and_nobody_fails() {
    let pair = Pair::new();
    pair.leases.fail(ErrorKind::Unavailable);
    let (a, runs) = (key("a"), Runs::default());
    let calls = pair.nodes.iter().map(|node| node.get_or_load(&a, runs.takes(MINUTE, Ok("made"))));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hung_load_elsewhere_is_waited_for_no_longer_than_the_deadline() {
    let pair = Pair::new();
    let a = key("a");
    let _held = pair.leases.steal(&stored(&a), 24 * HOUR);
    let error = pair.nodes[0].get_or_load(&a, |_| async { Ok::<_, Error>(String::new()) }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    pair.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_drops_near_values_of_other_processes_and_a_fill_does_not() {
    let pair = Pair::new().listening().await;
    let (a, runs) = (key("a"), Runs::default());
    let [one, two] = &pair.nodes;
    one.get_or_load(&a, runs.takes(millis(1), Ok("loaded"))).await.unwrap();
    pair.idle().await;
    assert_eq!(*two.get(&a).await.unwrap().unwrap().value, "loaded");
    let before = pair.planes[0].marks().len();
    one.refresh(&a, runs.takes(millis(1), Ok("again"))).await.unwrap();
    pair.idle().await;
    pass(MINUTE).await;
    assert_eq!(pair.planes[0].marks().len(), before, "fills are not told");
    assert_eq!(*two.get(&a).await.unwrap().unwrap().value, "loaded");

    one.put(&a, "put".to_owned()).await.unwrap();
    let seen = async || two.get(&a).await.unwrap().is_some_and(|hit| *hit.value == "put");
    assert!(eventually(LONG, seen).await);
    assert!(one.remove(&a).await.unwrap());
    assert!(eventually(LONG, async || two.get(&a).await.unwrap().is_none()).await);
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_reaches_the_loads_and_near_values_of_other_processes() {
    let pair = Pair::new().listening().await;
    let [one, two] = &pair.nodes;
    let (near, running, runs) = (key("near"), key("running"), Runs::default());
    let tagged = |load: Load| async move {
        load.set_tags(["t"]);
        Ok::<_, Error>("old".to_owned())
    };
    two.get_or_load(&near, tagged).await.unwrap();
    let slow = |load: Load| async move {
        load.set_tags(["t"]);
        pass(MINUTE).await;
        Ok::<_, Error>("began before".to_owned())
    };
    let invalidating = async {
        pass(MINUTE / 2).await;
        one.invalidate(&Selector::tag("t")).await.unwrap();
        assert!(eventually(LONG, async || two.get(&near).await.unwrap().is_none()).await);
    };
    let (hit, ()) = tokio::join!(two.get_or_load(&running, slow), invalidating);
    assert_eq!(*hit.unwrap().value, "began before", "who waited gets it");
    pair.idle().await;
    for node in &pair.nodes {
        assert!(node.get(&running).await.unwrap().is_none(), "it is not kept");
    }
    let hit = two.get_or_load(&running, runs.takes(millis(1), Ok("new"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.freshness), ("new", Freshness::Fresh));
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_while_the_backplane_was_away_is_not_served_from_the_near_tier() {
    for lost in [false, true] {
        let pair = Pair::new().listening().await;
        let [one, two] = &pair.nodes;
        let a = key("a");
        one.put(&a, "old".to_owned()).await.unwrap();
        assert_eq!(*two.get(&a).await.unwrap().unwrap().value, "old");
        pair.planes[1].fail(ErrorKind::Unavailable);
        one.put(&a, "new".to_owned()).await.unwrap();
        if lost {
            pair.planes[0].lose_log();
        }
        pair.planes[1].heal();
        let seen = async || two.get(&a).await.unwrap().is_some_and(|hit| *hit.value == "new");
        assert!(eventually(LONG, seen).await, "lost {lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_is_newer_than_a_remove_before_it_on_a_clock_ahead_and_leaves_its_tombstone_no_gap() {
    let pair = Pair::new().listening().await;
    let [one, _] = &pair.nodes;
    let a = key("a");
    one.put(&a, "old".to_owned()).await.unwrap();
    // As another process has removed it whose clock is five minutes ahead.
    let ahead = Stamp::first_of(Paused::START.after(5 * MINUTE));
    let mut tomb = Entry::new(Meta::new(ahead, Paused::START), "");
    tomb.meta.role = Role::Tombstone;
    pair.shared.put(&stored(&a), tomb).await.unwrap();
    one.put(&a, "new".to_owned()).await.unwrap();
    assert_eq!(pair.in_shared(&a).await.as_deref(), Some("new"));
    assert!(pair.shared.get(&stored(&a)).await.unwrap().unwrap().meta.stamp > ahead);
    assert_eq!(*one.get(&a).await.unwrap().unwrap().value, "new");
}

/// An entry under `name` in the shared tier, as of a process whose clock is five minutes ahead.
async fn from_ahead(pair: &Pair, name: &str) -> Stamp {
    let ahead = Stamp::first_of(Paused::START.after(5 * MINUTE));
    let entry = Entry::new(Meta::new(ahead, Paused::START), "theirs");
    pair.shared.put(&stored(&key(name)), entry).await.unwrap();
    ahead
}

#[tokio::test(start_paused = true)]
async fn a_write_by_a_clock_behind_counts_for_the_loads_that_run_elsewhere() {
    let pair = Pair::new().listening().await;
    let [one, two] = &pair.nodes;
    let (a, runs) = (key("a"), Runs::default());
    // From here on the stamps of the second process are ahead of those of the first.
    from_ahead(&pair, "far").await;
    two.get_or_load(&key("far"), runs.takes(millis(1), Ok("far"))).await.unwrap();
    let writing = async {
        pass(MINUTE / 2).await;
        one.put(&a, "put".to_owned()).await.unwrap();
        pass(millis(100)).await;
        let joining = two.get_or_load(&a, runs.takes(millis(1), Ok("too late"))).await.unwrap();
        assert_eq!(*joining.value, "put", "who comes after the write has nothing to do with the load");
    };
    let (hit, ()) = tokio::join!(two.get_or_load(&a, runs.takes(MINUTE, Ok("began before"))), writing);
    assert_eq!(*hit.unwrap().value, "began before", "who came before it gets what was loaded");
    pair.idle().await;
    assert_eq!(pair.in_shared(&a).await.as_deref(), Some("put"));
    assert_eq!(*two.get(&a).await.unwrap().unwrap().value, "put");
}

#[tokio::test(start_paused = true)]
async fn a_put_that_could_not_look_before_wins_all_the_same() {
    let pair = Pair::new().listening().await;
    let [one, _] = &pair.nodes;
    let ahead = from_ahead(&pair, "a").await;
    pair.links[0].set_plan(Plan::new().nth(Operation::Stat, 1, Fault::Fail(ErrorKind::Unavailable)));
    one.put(&key("a"), "mine".to_owned()).await.unwrap();
    assert_eq!(pair.in_shared(&key("a")).await.as_deref(), Some("mine"));
    assert!(pair.shared.get(&stored(&key("a"))).await.unwrap().unwrap().meta.stamp > ahead);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_expires_on_its_way_leaves_nothing_older_behind() {
    let brief = |builder: CacheBuilder<String>| builder.lifetime(ttl(millis(300)));
    let pair = Pair::with([brief, |builder| builder]).listening().await;
    let [one, two] = &pair.nodes;
    let a = key("a");
    two.put(&a, "old".to_owned()).await.unwrap();
    assert_eq!(*one.get(&a).await.unwrap().unwrap().value, "old");
    pair.links[0].set_plan(Plan::new().nth(Operation::Stat, 1, Fault::Delay(millis(500))));
    one.put(&a, "new".to_owned()).await.unwrap();
    for node in &pair.nodes {
        assert!(eventually(LONG, async || node.get(&a).await.unwrap().is_none()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_from_a_clock_far_ahead_is_given_back_and_what_is_loaded_can_be_invalidated() {
    for selector in [Selector::all(), Selector::Key(key("a"))] {
        let pair = Pair::new().listening().await;
        let [one, two] = &pair.nodes;
        let (a, runs) = (key("a"), Runs::default());
        let far = Stamp::first_of(Paused::START.after(HOUR));
        let lease = pair.leases.take(&stored(&a), far, LEASE).await.unwrap().unwrap();
        assert!(pair.leases.release(&lease).await.unwrap());
        one.get_or_load(&a, runs.takes(millis(1), Ok("old"))).await.unwrap();
        assert!(!pair.leases.is_held(&stored(&a)));
        pair.idle().await;
        assert!(pair.shared.get(&stored(&a)).await.unwrap().unwrap().meta.stamp < far);
        assert!(one.invalidate(&selector).await.unwrap().entries() > 0, "{selector}");
        for node in &pair.nodes {
            assert!(eventually(LONG, async || node.get(&a).await.unwrap().is_none()).await, "{selector}");
        }
        assert_ne!(pair.in_shared(&a).await.as_deref(), Some("old"));
        two.put(&a, "new".to_owned()).await.unwrap();
        assert!(eventually(LONG, async || one.get(&a).await.unwrap().is_some()).await, "{selector}");
    }
}
