//! Loads: one for each key at a time, whoever leaves, and its failure is shared once.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{ErrorKind, HOUR, Key};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, Origin};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::kit::{Bed, LONG, Runs, key, millis, pass, stored};

async fn ten_thousand_callers() {
    const CALLERS: u64 = 10_000;
    let cache = Bed::new().strings().build().unwrap();
    let (runs, callers) = (Runs::default(), Runs::default());
    let call = || {
        let (cache, runs, callers) = (cache.clone(), runs.clone(), callers.clone());
        tokio::spawn(async move {
            callers.begin();
            let load = move |_| async move {
                runs.begin();
                assert!(eventually(Duration::from_mins(1), async || callers.count() == CALLERS).await);
                Ok::<_, String>("x".to_owned())
            };
            cache.get_or_load(&key("a"), load).await.unwrap()
        })
    };
    let hits = join_all((0..CALLERS).map(|_| call())).await;
    assert_eq!(runs.count(), 1);
    let loaded = hits.iter().filter(|hit| hit.as_ref().unwrap().origin == Origin::Loaded).count();
    assert_eq!(loaded, 1);
    assert!(hits.iter().all(|hit| *hit.as_ref().unwrap().value == "x"));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.joins + stats.near_hits), (1, CALLERS - 1));
    cache.close().await.unwrap();
    assert_eq!(cache.stats().running, 0);
}

#[tokio::test]
async fn ten_thousand_callers_of_one_key_run_one_load_on_one_thread() {
    ten_thousand_callers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_callers_of_one_key_run_one_load_on_many_threads() {
    ten_thousand_callers().await;
}

#[tokio::test(start_paused = true)]
async fn a_load_goes_on_when_its_first_caller_leaves() {
    let cache = Bed::new().strings().build().unwrap();
    let runs = Runs::default();
    let began = Instant::now();
    let call = || {
        let (cache, load) = (cache.clone(), runs.takes(millis(300), Ok("x")));
        tokio::spawn(async move { cache.get_or_load(&key("a"), load).await })
    };
    let first = call();
    pass(millis(50)).await;
    let others: Vec<_> = (0..20).map(|_| call()).collect();
    pass(millis(50)).await;
    first.abort();
    for hit in join_all(others).await {
        let hit = hit.unwrap().unwrap();
        assert_eq!((hit.value.as_str(), hit.origin), ("x", Origin::Joined));
    }
    assert_eq!((began.elapsed(), runs.count()), (millis(300), 1));
}

#[tokio::test(start_paused = true)]
async fn a_load_goes_on_when_all_callers_leave() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let (runs, a) = (Runs::default(), key("a"));
    let call = cache.get_or_load(&a, runs.takes(millis(300), Ok("x")));
    assert!(tokio::time::timeout(millis(100), call).await.is_err());
    pass(millis(300)).await;
    assert_eq!(cache.get(&a).await.unwrap().unwrap().origin, Origin::Near);
    assert!(bed.in_far(&stored(&a)).await.is_some());
    assert_eq!((runs.count(), cache.stats().running), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_everybodys_error_and_the_key_is_usable_again() {
    let cache = Bed::new().strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    let calls = join_all((0..10).map(|_| {
        let runs = runs.clone();
        cache.get_or_load(&a, move |_| async move {
            runs.begin();
            pass(millis(10)).await;
            assert!(runs.count() > 1_000, "out of luck");
            Ok::<_, String>(String::new())
        })
    }));
    for answer in calls.await {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Load, Some(&a)));
        assert!(error.message().contains("panicked: out of luck"), "{error}");
    }
    assert_eq!(runs.count(), 1);
    let hit = cache.get_or_load(&a, runs.takes(millis(1), Ok("x"))).await.unwrap();
    assert_eq!(*hit.value, "x");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_those_who_wait_and_not_remembered() {
    let cache = Bed::new().strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    let began = Instant::now();
    let calls = (0..200).map(|_| cache.get_or_load(&a, runs.takes(millis(100), Err("no such song"))));
    for answer in join_all(calls).await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load);
        assert!(error.to_string().contains("no such song"), "{error}");
    }
    assert_eq!((runs.count(), began.elapsed()), (1, millis(100)));
    assert!(cache.get_or_load(&a, runs.takes(millis(1), Err("no such song"))).await.is_err());
    assert_eq!((runs.count(), cache.stats().load_failures), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stops_a_load_and_frees_the_key() {
    let cache = Bed::new().strings().deadline(millis(500)).build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    let guard = Arc::new(());
    let held = guard.clone();
    let hang = move |_| async move {
        let held = held;
        let never = std::future::pending::<Result<String, String>>().await;
        drop(held);
        never
    };
    let began = Instant::now();
    let error = cache.get_or_load(&a, hang).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, millis(500)));
    assert!(eventually(LONG, async || Arc::strong_count(&guard) == 1).await, "the loader is dropped");
    assert!(cache.get_or_load(&a, runs.takes(millis(1), Ok("x"))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_key_holds_up_no_other() {
    let cache = Bed::new().strings().build().unwrap();
    let runs = Runs::default();
    let slow = key("slow");
    let mut hang = Box::pin(cache.get_or_load(&slow, runs.takes(HOUR / 2, Ok("x"))));
    assert!((&mut hang).now_or_never().is_none());
    let began = Instant::now();
    for number in 0..100 {
        let quick = Key::of(number).build().unwrap();
        cache.get_or_load(&quick, runs.takes(Duration::ZERO, Ok("x"))).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_near_hit_waits_for_nothing_and_calls_no_backend() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    cache.put(&a, "x".to_owned()).await.unwrap();
    let calls = bed.near.total_calls() + bed.far.total_calls();
    for _ in 0..3 {
        let hit = cache.get_or_load(&a, runs.takes(LONG, Ok("y"))).now_or_never().unwrap().unwrap();
        assert_eq!((hit.value.as_str(), hit.origin), ("x", Origin::Near));
        assert!(cache.get(&a).now_or_never().unwrap().unwrap().is_some());
    }
    assert_eq!(bed.near.total_calls() + bed.far.total_calls(), calls);
    assert_eq!((runs.count(), cache.stats().near_hits), (0, 6));
}

#[tokio::test]
async fn a_hit_in_the_second_tier_costs_one_call_of_each() {
    let bed = Bed::new();
    let runs = Runs::default();
    let a = key("a");
    let maker = bed.strings().build().unwrap();
    maker.get_or_load(&a, runs.takes(Duration::ZERO, Ok("x"))).await.unwrap();
    maker.close().await.unwrap();
    cache_core::Backend::remove(bed.near.inner(), &stored(&a)).await.unwrap();

    let cache = bed.strings().build().unwrap();
    let gets = || [bed.near.calls(Operation::Get), bed.far.calls(Operation::Get)];
    let before = gets();
    let hit = cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("y"))).await.unwrap();
    assert_eq!(hit.origin, Origin::Tier { index: 1, name: "far".into() });
    assert_eq!(hit.origin.to_string(), "far");
    assert_eq!(gets(), [before[0] + 1, before[1] + 1]);
    let hit = cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("y"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.origin, runs.count()), ("x", Origin::Near, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_loads_although_there_is_a_fresh_value_and_joins_a_load() {
    let cache = Bed::new().strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    cache.put(&a, "old".to_owned()).await.unwrap();
    let calls = (0..20).map(|_| cache.refresh(&a, runs.takes(millis(100), Ok("new"))));
    for hit in join_all(calls).await {
        assert_eq!(*hit.unwrap().value, "new");
    }
    assert_eq!(runs.count(), 1);
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "new");
    let hit = cache.refresh(&a, runs.takes(millis(100), Err("down"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.origin), ("new", Origin::Near), "what the cache has stands in");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_does_not_join_a_load_that_has_ended() {
    let bed = Bed::new();
    bed.far.set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(Duration::from_secs(1))));
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    cache.get_or_load(&a, runs.takes(millis(1), Ok("first"))).await.unwrap();
    assert_eq!(cache.stats().running, 1, "it is being stored");
    let hit = cache.refresh(&a, runs.takes(millis(1), Ok("second"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.origin), ("second", Origin::Loaded));
    cache.close().await.unwrap();
    assert_eq!(*bed.strings().build().unwrap().get(&a).await.unwrap().unwrap().value, "second");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_asks_for_itself_is_refused_at_once() {
    let cache = Bed::new().strings().build().unwrap();
    let began = Instant::now();
    let again = cache.clone();
    let of_itself = move |_| async move { again.get_or_load(&key("a"), |_| async { Err("must not run") }).await };
    let of_itself = |load| async move { of_itself(load).await.map(|hit| hit.value.to_string()) };
    let error = cache.get_or_load(&key("a"), of_itself).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load);
    assert!(error.to_string().contains("a load of a asked for itself"), "{error}");

    let (other, again) = (cache.clone(), cache.clone());
    let by_another = |_| async move {
        let back = |_| async move {
            let hit = again.refresh(&key("a"), |_| async { Err("must not run") }).await?;
            Ok::<_, cache_core::Error>(hit.value.to_string())
        };
        let hit = other.get_or_load(&key("b"), back).await?;
        Ok::<_, cache_core::Error>(hit.value.to_string())
    };
    let error = cache.get_or_load(&key("a"), by_another).await.unwrap_err();
    assert!(error.to_string().contains("a load of a asked for itself"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_load_may_ask_for_the_same_key_of_another_cache() {
    let bed = Bed::new();
    let [cache, other] = [(); 2].map(|()| bed.strings().near(0).build().unwrap());
    let load = |_| async move {
        let hit = other.get_or_load(&key("a"), |_| async { Ok::<_, String>("x".to_owned()) }).await?;
        Ok::<_, cache_core::Error>(hit.value.to_string())
    };
    assert_eq!(*cache.get_or_load(&key("a"), load).await.unwrap().value, "x");
}

#[tokio::test]
async fn loads_beyond_the_bound_are_refused() {
    let cache = Bed::new().strings().max_loads(2).build().unwrap();
    let runs = Runs::default();
    let keys = ["a", "b", "c"].map(key);
    let mut calls = keys.each_ref().map(|key| Box::pin(cache.get_or_load(key, runs.takes(LONG, Ok("x")))));
    assert!((&mut calls[0]).now_or_never().is_none());
    assert!((&mut calls[1]).now_or_never().is_none());
    let refused = (&mut calls[2]).now_or_never().unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(cache.get_or_load(&keys[0], runs.takes(LONG, Ok("x"))).now_or_never().is_none(), "joining is free");
}

#[tokio::test(start_paused = true)]
async fn a_value_is_served_although_every_tier_fails() {
    for fault in [Fault::Fail(ErrorKind::Unavailable), Fault::Panic, Fault::Hang] {
        let bed = Bed::new();
        bed.near.set_plan(Plan::new().all(fault));
        bed.far.set_plan(Plan::new().all(fault));
        let cache = bed.strings().build().unwrap();
        let runs = Runs::default();
        let hit = cache.get_or_load(&key("a"), runs.takes(millis(1), Ok("x"))).await.unwrap();
        assert_eq!((hit.value.as_str(), hit.origin), ("x", Origin::Loaded), "{fault:?}");
        assert_eq!(cache.get(&key("a")).await.unwrap().unwrap().origin, Origin::Near);
        cache.close().await.unwrap();
        let stats = cache.stats();
        assert_eq!((stats.store_failures, stats.last_store_error.is_some()), (1, true), "{fault:?}");
    }
}

#[test]
fn waiters_get_an_error_when_the_runtime_of_the_load_ends() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (loading, waiting) = (runtime(), runtime());
    let cache: Cache<String> = Bed::new().strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    let lead = {
        let (cache, load) = (cache.clone(), runs.takes(LONG, Ok("x")));
        loading.spawn(async move { cache.get_or_load(&key("a"), load).await })
    };
    waiting.block_on(async {
        assert!(eventually(LONG, async || runs.count() == 1).await);
        let mut join = Box::pin(cache.get_or_load(&a, runs.takes(LONG, Ok("y"))));
        assert!((&mut join).now_or_never().is_none());
        loading.shutdown_background();
        let error = tokio::time::timeout(Duration::from_mins(1), join).await.expect("a hang").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(lead.await.is_err());
        assert!(cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("z"))).await.is_ok());
    });
}

#[test]
fn a_load_on_a_runtime_that_has_ended_is_refused_and_blocks_no_other() {
    let cache: Cache<String> = Bed::new().strings().build().unwrap();
    let runs = Runs::default();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ended = runtime();
    let handle = ended.handle().clone();
    drop(ended);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let load = || runs.takes(Duration::ZERO, Ok("x"));
        let refused = {
            let _within = handle.enter();
            cache.get_or_load(&key("a"), load()).now_or_never()
        };
        let loaded = ["a", "b"].map(|name| runtime().block_on(cache.get_or_load(&key(name), load())).is_ok());
        let _ = tell.send((refused.map(|answer| answer.map_err(|error| error.kind())), loaded));
    });
    let (refused, loaded) = told.recv_timeout(Duration::from_secs(30)).expect("a deadlock");
    assert_eq!(refused.unwrap().unwrap_err(), ErrorKind::Unavailable);
    assert_eq!(loaded, [true, true]);
}
