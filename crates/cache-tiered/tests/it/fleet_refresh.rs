//! Refreshes in a fleet: one load for all who refresh at once, whatever each has in its own memory.

use cache_core::MINUTE;
use cache_tiered::{CacheBuilder, Class, Origin, Warmer};

use crate::kit::{Runs, key, millis, pass, stored};
use crate::kit_pair::{LEASE, Pair};

#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_due_in_all_processes_is_one_load() {
    let eager = |builder: CacheBuilder<String>| builder.eager(0.5);
    let pair = Pair::with([eager, eager]).listening().await;
    let (a, runs) = (key("a"), Runs::default());
    pair.nodes[0].get_or_load(&a, runs.takes(millis(1), Ok("old"))).await.unwrap();
    pair.idle().await;
    for node in &pair.nodes {
        assert_eq!(*node.get(&a).await.unwrap().unwrap().value, "old");
    }
    pass(40 * MINUTE).await;
    for node in &pair.nodes {
        let hit = node.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
        assert_eq!((hit.value.as_str(), hit.origin), ("old", Origin::Near));
    }
    pass(5 * MINUTE).await;
    assert_eq!((runs.count(), pair.nodes[1].stats().elsewhere), (2, 1));
    for node in &pair.nodes {
        assert_eq!(*node.get(&a).await.unwrap().unwrap().value, "new");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_waits_for_its_class_finds_what_another_process_has_loaded_meanwhile() {
    let eager = |builder: CacheBuilder<String>| builder.eager(0.5);
    let pair = Pair::with([eager, eager]).listening().await;
    let [one, two] = &pair.nodes;
    let (a, busy, runs, class) = (key("a"), key("busy"), Runs::default(), Class::new("c", 1));
    one.get_or_load(&a, runs.takes(millis(1), Ok("old"))).await.unwrap();
    pair.idle().await;
    assert_eq!(*two.get(&a).await.unwrap().unwrap().value, "old");
    pass(40 * MINUTE).await;
    let refreshing = async {
        pass(millis(100)).await;
        two.request(&a).class(&class).load(runs.takes(MINUTE, Ok("twice"))).await.unwrap();
        pass(millis(100)).await;
        assert_eq!(class.waiting(), 1);
        one.get_or_load(&a, runs.takes(millis(1), Ok("new"))).await.unwrap();
    };
    let working = two.request(&busy).class(&class).load(Runs::default().takes(MINUTE, Ok("busy")));
    let (worked, ()) = tokio::join!(working, refreshing);
    worked.unwrap();
    pair.idle().await;
    assert_eq!((two.get(&a).await.unwrap().unwrap().value.as_str(), runs.count()), ("new", 2));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_joins_the_load_of_another_process() {
    for before in [None, Some("old")] {
        let pair = Pair::new().listening().await;
        let [one, two] = &pair.nodes;
        let (a, runs) = (key("a"), Runs::default());
        if let Some(before) = before {
            one.put(&a, before.to_owned()).await.unwrap();
            assert!(two.get(&a).await.unwrap().is_some());
        }
        let joining = async {
            pass(millis(100)).await;
            two.refresh(&a, runs.takes(MINUTE, Ok("theirs"))).await
        };
        let (_, joined) = tokio::join!(one.refresh(&a, runs.takes(MINUTE, Ok("ours"))), joining);
        let joined = joined.unwrap();
        assert_eq!((joined.value.as_str(), joined.origin, runs.count()), ("ours", Origin::Joined, 1), "{before:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_not_content_with_what_was_there_before_it() {
    let nothing_near = |builder: CacheBuilder<String>| builder.near(0);
    let pair = Pair::with([nothing_near, nothing_near]).listening().await;
    let [one, two] = &pair.nodes;
    let (a, runs) = (key("a"), Runs::default());
    one.put(&a, "old".to_owned()).await.unwrap();
    for tier in [1, 0] {
        let hit = two.get(&a).await.unwrap().unwrap();
        assert!(matches!(hit.origin, Origin::Tier { index, .. } if index == tier));
        pass(millis(100)).await;
    }
    one.refresh(&a, runs.takes(millis(1), Ok("newer"))).await.unwrap();
    pair.idle().await;
    assert_eq!(*two.get(&a).await.unwrap().unwrap().value, "old", "a fill is not told");
    // Another process holds the lease, and comes to nothing.
    pair.leases.steal(&stored(&a), LEASE);
    let hit = two.refresh(&a, runs.takes(millis(1), Ok("newest"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.origin, runs.count()), ("newest", Origin::Loaded, 2));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_elsewhere_is_taken_over() {
    let pair = Pair::new().listening().await;
    let [one, two] = &pair.nodes;
    let (a, runs) = (key("a"), Runs::default());
    one.put(&a, "old".to_owned()).await.unwrap();
    assert!(two.get(&a).await.unwrap().is_some());
    let taking_over = async {
        pass(millis(100)).await;
        two.refresh(&a, runs.takes(MINUTE, Ok("new"))).await
    };
    let (failed, taken) = tokio::join!(one.refresh(&a, runs.takes(MINUTE, Err("down"))), taking_over);
    assert_eq!(*failed.unwrap().value, "old");
    assert_eq!((taken.unwrap().origin, runs.count()), (Origin::Loaded, 2));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_another_process_loads_meanwhile_has_been_warmed() {
    let pair = Pair::new().listening().await;
    let [one, two] = &pair.nodes;
    let (a, runs) = (key("a"), Runs::default());
    let warming = async {
        pass(millis(100)).await;
        let loader = runs.takes(MINUTE, Ok("theirs"));
        let warming = Warmer::new().start_cache(two, [a.clone()], move |load| loader.clone()(load)).unwrap();
        warming.report().await
    };
    let (_, report) = tokio::join!(one.get_or_load(&a, runs.takes(MINUTE, Ok("ours"))), warming);
    assert_eq!((report.refreshed, report.failed, runs.count()), (1, 0, 1));
}
