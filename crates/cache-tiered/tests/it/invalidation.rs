//! Writes win over every load that began before they ended.

use std::time::Duration;

use cache_core::{Backend, DAY, HOUR, ttl};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, Origin};

use crate::kit::{Bed, LONG, Runs, key, millis, pass, stored};

/// A load of `a` that takes 300 ms, at 100 ms.
async fn at_100_of_300_ms(
    cache: &Cache<String>,
    runs: &Runs,
) -> tokio::task::JoinHandle<cache_core::Result<cache_tiered::Hit<String>>> {
    let (cache, load) = (cache.clone(), runs.takes(millis(300), Ok("old")));
    let caller = tokio::spawn(async move { cache.get_or_load(&key("a"), load).await });
    pass(millis(100)).await;
    caller
}

#[tokio::test(start_paused = true)]
async fn a_remove_during_a_load_keeps_its_value_out_and_the_next_caller_loads_anew() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    let waiting = at_100_of_300_ms(&cache, &runs).await;
    assert!(!cache.remove(&a).await.unwrap());
    let after = {
        let (cache, load) = (cache.clone(), runs.takes(millis(300), Ok("new")));
        tokio::spawn(async move { cache.get_or_load(&key("a"), load).await })
    };
    assert_eq!(*waiting.await.unwrap().unwrap().value, "old", "who waited already gets it");
    assert!(cache.get(&a).await.unwrap().is_none(), "it is kept nowhere");
    assert_eq!((bed.in_near(&stored(&a)).await, bed.in_far(&stored(&a)).await), (None, None));
    let hit = after.await.unwrap().unwrap();
    assert_eq!((hit.value.as_str(), hit.origin), ("new", Origin::Loaded));
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "new");
    assert_eq!((runs.count(), cache.stats().superseded), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_put_during_a_load_wins() {
    for near in [100, 0] {
        let bed = Bed::new();
        let cache = bed.strings().near(near).build().unwrap();
        let runs = Runs::default();
        let waiting = at_100_of_300_ms(&cache, &runs).await;
        cache.put(&key("a"), "put".to_owned()).await.unwrap();
        let hit = cache.get_or_load(&key("a"), runs.takes(millis(1), Ok("no"))).await.unwrap();
        assert_eq!(*hit.value, "put", "who comes later does not join the older load");
        assert_eq!(*waiting.await.unwrap().unwrap().value, "old");
        cache.close().await.unwrap();
        let after = bed.strings().near(near).build().unwrap();
        assert_eq!(*after.get(&key("a")).await.unwrap().unwrap().value, "put");
        assert_eq!((cache.stats().superseded, runs.count()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_remove_through_the_tiers_wins_over_a_load_too() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let waiting = at_100_of_300_ms(&cache, &runs).await;
    bed.tiers.remove(&stored(&key("a"))).await.unwrap();
    let hit = cache.get_or_load(&key("a"), runs.takes(millis(1), Ok("new"))).await.unwrap();
    assert_eq!(*hit.value, "new");
    waiting.await.unwrap().unwrap();
    assert_eq!(*cache.get(&key("a")).await.unwrap().unwrap().value, "new");
    cache.close().await.unwrap();
    assert_eq!(cache.stats().superseded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_remove_waits_for_the_store_under_way_and_wins() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    bed.far.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    cache.get_or_load(&a, runs.takes(millis(10), Ok("x"))).await.unwrap();
    assert!(eventually(LONG, async || bed.far.calls(Operation::Put) == 1).await, "the store is under way");
    assert!(cache.remove(&a).await.unwrap());
    assert!(cache.get(&a).await.unwrap().is_none());
    assert_eq!((bed.in_near(&stored(&a)).await, bed.in_far(&stored(&a)).await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_a_remove_overtook_does_not_fill_the_near_tier() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let a = key("a");
    bed.strings().build().unwrap().put(&a, "old".to_owned()).await.unwrap();
    bed.near.inner().remove(&stored(&a)).await.unwrap();
    let old = bed.in_far(&stored(&a)).await.unwrap();
    // The answer is on its way back while the remove runs.
    bed.far.set_plan(Plan::new().each(Operation::Get, Fault::Delay(Duration::from_secs(1))));
    let reader = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get(&key("a")).await })
    };
    assert!(eventually(LONG, async || bed.far.calls(Operation::Get) == 1).await);
    assert!(cache.remove(&a).await.unwrap());
    // As if it had been read before.
    bed.far.inner().put(&stored(&a), old).await.unwrap();
    assert!(reader.await.unwrap().unwrap().is_some());
    assert_eq!(cache.stats().near_entries, 0);
    bed.settle().await;
    assert_eq!(bed.in_near(&stored(&a)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_loaded_value_overtakes_promotions_of_the_one_before_it() {
    let bed = Bed::new();
    let cache = bed.strings().near(0).build().unwrap();
    let runs = Runs::default();
    let [a, slow] = [key("a"), key("slow")];
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.near.inner().remove(&stored(&a)).await.unwrap();
    bed.put_far(&slow, "x").await;
    bed.near.set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(Duration::from_secs(1))));
    bed.tiers.get(&slow).await.unwrap();
    assert!(eventually(LONG, async || bed.near.calls(Operation::Put) == 2).await, "the worker is busy");
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "old");
    cache.refresh(&a, runs.takes(Duration::ZERO, Ok("new"))).await.unwrap();
    assert!(eventually(LONG, async || cache.stats().running == 0).await, "it is stored");
    // As if the nearer tier had evicted it: the promotion would find the way free.
    bed.near.inner().remove(&stored(&a)).await.unwrap();
    bed.settle().await;
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "new");
}

#[tokio::test(start_paused = true)]
async fn a_removed_value_does_not_stand_in_for_a_failed_load() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let waiting = {
        let (cache, load) = (cache.clone(), runs.takes(millis(300), Err("down")));
        tokio::spawn(async move { cache.get_or_load(&key("a"), load).await })
    };
    pass(millis(100)).await;
    assert!(cache.remove(&a).await.unwrap());
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_put_wins_over_an_entry_from_a_clock_far_ahead() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let a = key("a");
    let mut ahead = bed.entry("\u{4}ahead");
    ahead.meta.stamp = cache_core::Stamp::first_of(bed.now().after(365 * DAY));
    bed.tiers.put(&stored(&a), ahead).await.unwrap();
    cache.put(&a, "put".to_owned()).await.unwrap();
    let after = bed.strings().near(0).build().unwrap();
    assert_eq!(*after.get(&a).await.unwrap().unwrap().value, "put");
}
