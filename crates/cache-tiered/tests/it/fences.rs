//! Loads and writes of two processes that overlap: one load in the fleet, no lease held idle, and both agree afterwards.

use cache_core::{Backend, Error, Key, MINUTE, Selector};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, CacheBuilder, Class, Load};
use futures_util::future::join_all;

use crate::kit::{LONG, Runs, key, millis, pass, stored};
use crate::kit_pair::{LEASE, Pair};

async fn served(node: &Cache<String>, key: &Key) -> Option<String> {
    node.get(key).await.unwrap().map(|hit| hit.value.to_string())
}

/// A pair in which each process runs one load at a time, and its classes.
fn narrow() -> ([Class; 2], Pair) {
    let classes = [Class::new("c", 1), Class::new("c", 1)];
    let pair = Pair::with(classes.each_ref().map(|class| |builder: CacheBuilder<String>| builder.class(class)));
    (classes, pair)
}

/// Asserts that both processes and the shared tier come to have the same value, which it returns.
async fn agreed(pair: &Pair, key: &Key) -> Option<String> {
    let agree = async || {
        let shared = pair.in_shared(key).await;
        served(&pair.nodes[0], key).await == shared && served(&pair.nodes[1], key).await == shared
    };
    assert!(eventually(LONG, agree).await, "the processes disagree");
    pair.in_shared(key).await
}

#[tokio::test(start_paused = true)]
async fn a_refresh_in_both_processes_is_one_load() {
    let pair = Pair::new().listening().await;
    let (a, runs) = (key("a"), Runs::default());
    let calls = pair.nodes.iter().map(|node| node.refresh(&a, runs.takes(MINUTE, Ok("new"))));
    for hit in join_all(calls).await {
        assert_eq!(*hit.unwrap().value, "new");
    }
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_waits_in_its_class_holds_no_lease() {
    let (classes, pair) = narrow();
    let (a, runs) = (key("a"), Runs::default());
    for (name, span) in [("busy", 30 * MINUTE), ("a", millis(1))] {
        let (node, loader) = (pair.nodes[0].clone(), runs.takes(span, Ok("made")));
        tokio::spawn(async move { node.get_or_load(&key(name), loader).await.map(drop) });
        pass(millis(10)).await;
    }
    assert_eq!((classes[0].running(), classes[0].waiting()), (1, 1));
    assert!(!pair.leases.is_held(&stored(&a)));
    let began = tokio::time::Instant::now();
    let hit = pair.nodes[1].get_or_load(&a, runs.takes(millis(1), Ok("made"))).await.unwrap();
    assert_eq!(*hit.value, "made");
    assert!(began.elapsed() < MINUTE, "it waited for a load that did not run");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_waits_for_another_process_holds_no_place_of_its_class() {
    let (_, pair) = narrow();
    let runs = Runs::default();
    let mut tasks = Vec::new();
    for node in &pair.nodes {
        let (node, loader) = (node.clone(), runs.takes(MINUTE, Ok("a")));
        tasks.push(tokio::spawn(async move { node.get_or_load(&key("a"), loader).await.map(drop) }));
        pass(millis(100)).await;
    }
    let began = tokio::time::Instant::now();
    pair.nodes[1].get_or_load(&key("b"), runs.takes(millis(1), Ok("b"))).await.unwrap();
    assert!(began.elapsed() < MINUTE / 2, "a load that runs elsewhere took the place");
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn processes_whose_puts_overlap_agree_afterwards_and_on_the_next_put() {
    let pair = Pair::new().listening().await;
    let a = key("a");
    let [one, two] = &pair.nodes;
    pair.planes.iter().for_each(|plane| plane.hold());
    pair.links[0].set_plan(Plan::new().each(Operation::Stat, Fault::Delay(millis(500))));
    let slow = {
        let one = one.clone();
        tokio::spawn(async move { one.put(&key("a"), "first".to_owned()).await })
    };
    pass(millis(100)).await;
    two.put(&a, "second".to_owned()).await.unwrap();
    slow.await.unwrap().unwrap();
    pair.links[0].heal();
    pair.planes.iter().for_each(|plane| plane.release());
    let value = agreed(&pair, &a).await;
    assert!(["first", "second"].map(Some).contains(&value.as_deref()), "{value:?}");
    two.put(&a, "third".to_owned()).await.unwrap();
    assert_eq!(agreed(&pair, &a).await.as_deref(), Some("third"));
}

#[tokio::test(start_paused = true)]
async fn a_put_that_another_process_overwrites_before_it_has_ended_is_not_served_near() {
    let pair = Pair::new().listening().await;
    let a = key("a");
    let [one, two] = &pair.nodes;
    pair.planes.iter().for_each(|plane| plane.hold());
    pair.links[0].set_plan(Plan::new().each(Operation::Stat, Fault::Delay(millis(500))));
    let slow = {
        let one = one.clone();
        tokio::spawn(async move { one.put(&key("a"), "first".to_owned()).await })
    };
    pass(millis(100)).await;
    two.put(&a, "second".to_owned()).await.unwrap();
    pass(millis(600)).await;
    pair.planes.iter().for_each(|plane| plane.release());
    two.put(&a, "third".to_owned()).await.unwrap();
    slow.await.unwrap().unwrap();
    pair.links[0].heal();
    agreed(&pair, &a).await;
}

#[tokio::test(start_paused = true)]
async fn a_load_that_an_invalidation_of_another_process_overtakes_is_kept_by_nobody() {
    let pair = Pair::new().listening().await;
    let a = key("a");
    let [one, two] = &pair.nodes;
    let tagged = |load: Load| async move {
        load.set_tags(["t"]);
        pass(MINUTE).await;
        Ok::<_, Error>("before".to_owned())
    };
    let invalidating = async {
        pass(LEASE).await;
        two.invalidate(&Selector::tag("t")).await.unwrap();
    };
    let (hit, ()) = tokio::join!(one.get_or_load(&a, tagged), invalidating);
    assert_eq!(*hit.unwrap().value, "before", "who waited gets it");
    pair.idle().await;
    assert_eq!(agreed(&pair, &a).await, None);
    assert!(pair.shared.get(&stored(&a)).await.unwrap().is_none());
}
