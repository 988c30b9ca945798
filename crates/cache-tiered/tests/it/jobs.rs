//! Loads as jobs: who they run for, how many at once, how far they are, and when they stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Freshness, HOUR, MINUTE, ttl};
use cache_testkit::eventually;
use cache_tiered::{Class, Forecast, Load, Origin, Phase, Popularity};
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::kit::{Bed, LONG, Runs, key, millis, pass, stored};

const GRACE: Duration = Duration::from_secs(5);

/// Counts loaders that are dropped before their end.
struct Stopped(Arc<AtomicUsize>, bool);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.fetch_add(usize::from(!self.1), Ordering::SeqCst);
    }
}

/// A loader that takes `span`, and notes when it is stopped before.
fn stoppable(
    stopped: &Arc<AtomicUsize>,
    span: Duration,
) -> impl FnOnce(Load) -> futures_util::future::BoxFuture<'static, Result<String, Error>> + Send + 'static {
    let stopped = stopped.clone();
    move |_| {
        Box::pin(async move {
            let mut guard = Stopped(stopped, false);
            pass(span).await;
            guard.1 = true;
            Ok("made".to_owned())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_nobody_waits_for_goes_on_for_the_grace_and_is_stopped_then() {
    let bed = Bed::new();
    let cache = bed.strings().grace(GRACE).build().unwrap();
    let (a, stopped) = (key("a"), Arc::default());
    let call = cache.get_or_load(&a, stoppable(&stopped, MINUTE));
    assert!(tokio::time::timeout(millis(100), call).await.is_err(), "the caller leaves");
    pass(millis(4800)).await;
    assert_eq!((stopped.load(Ordering::SeqCst), cache.loads().len()), (0, 1));
    pass(millis(300)).await;
    assert_eq!((stopped.load(Ordering::SeqCst), cache.loads().len()), (1, 0));
    assert_eq!((cache.stats().abandoned, cache.stats().running), (1, 0));
    let hit = cache.get_or_load(&a, |_| async { Ok::<_, Error>("anew".to_owned()) }).await.unwrap();
    assert_eq!(*hit.value, "anew", "the key is free");
}

#[tokio::test(start_paused = true)]
async fn who_comes_within_the_grace_keeps_the_load_running() {
    let bed = Bed::new();
    let cache = bed.strings().grace(GRACE).build().unwrap();
    let (a, stopped) = (key("a"), Arc::default());
    for _ in 0..5 {
        let call = cache.get_or_load(&a, stoppable(&stopped, MINUTE));
        assert!(tokio::time::timeout(millis(100), call).await.is_err());
        pass(millis(4800)).await;
    }
    let hit = cache.get_or_load(&a, stoppable(&stopped, MINUTE)).await.unwrap();
    assert_eq!((hit.origin, stopped.load(Ordering::SeqCst)), (Origin::Joined, 0));
    assert_eq!(cache.stats().loads, 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_behind_a_stale_answer_goes_on_although_nobody_waits() {
    let bed = Bed::new();
    let cache = bed.strings().grace(millis(10)).soft_timeout(Duration::ZERO).lifetime(ttl(HOUR).stale(HOUR));
    let cache = cache.build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let hit = cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.freshness), ("old", Freshness::Stale));
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "new");
    assert_eq!((cache.stats().refreshes, cache.stats().abandoned), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hard_timeout_frees_the_caller_and_the_load_goes_on() {
    let bed = Bed::new();
    let cache = bed.strings().grace(millis(10)).hard_timeout(millis(500)).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    let error = cache.get_or_load(&a, runs.takes(MINUTE, Ok("late"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!((cache.stats().impatient, cache.loads().len()), (1, 1));
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "late");
}

#[tokio::test(start_paused = true)]
async fn a_class_bounds_the_loads_that_run_at_once_over_all_caches_and_not_their_time() {
    let bed = Bed::new();
    let class = Class::new("gpu", 2);
    let caches = [(); 2].map(|()| bed.strings().class(&class).deadline(millis(150)).build().unwrap());
    let most = Arc::new(AtomicUsize::new(0));
    let calls = (0..10).map(|number| {
        let (class, most, cache) = (class.clone(), most.clone(), caches[number % 2].clone());
        let load = move |_: Load| async move {
            most.fetch_max(class.running(), Ordering::SeqCst);
            pass(millis(100)).await;
            Ok::<_, Error>(String::new())
        };
        async move { cache.get_or_load(&key(&format!("k{number}")), load).await }
    });
    let began = tokio::time::Instant::now();
    let hits = join_all(calls).await;
    assert!(hits.iter().take(4).all(Result::is_ok), "the first four need no longer than the deadline allows");
    assert_eq!((most.load(Ordering::SeqCst), class.running(), class.waiting()), (2, 0, 0));
    assert!(began.elapsed() >= millis(200));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_does_not_count_against_the_deadline() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = bed.strings().class(&class).deadline(millis(100)).build().unwrap();
    let (one, two, runs) = (key("1"), key("2"), Runs::default());
    let (first, second) = tokio::join!(
        cache.get_or_load(&one, runs.takes(millis(80), Ok("1"))),
        cache.get_or_load(&two, runs.takes(millis(80), Ok("2"))),
    );
    assert_eq!((first.unwrap().value.as_str(), second.unwrap().value.as_str()), ("1", "2"));
}

#[tokio::test(start_paused = true)]
async fn a_load_within_a_load_of_the_same_class_takes_part_in_its_place() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = bed.strings().class(&class).build().unwrap();
    let inner = cache.clone();
    let outer = |_: Load| async move {
        let part = inner.get_or_load(&key("part"), |_| async { Ok::<_, Error>("part".to_owned()) }).await?;
        Ok::<_, Error>(format!("whole of {}", part.value))
    };
    let hit = tokio::time::timeout(MINUTE, cache.get_or_load(&key("whole"), outer)).await.unwrap().unwrap();
    assert_eq!(*hit.value, "whole of part");
    assert_eq!(class.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_abandoned_in_the_queue_never_runs_and_frees_its_place() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = bed.strings().class(&class).grace(Duration::ZERO).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    let (busy, b) = (runs.clone(), key("b"));
    let first = cache.get_or_load(&a, busy.takes(MINUTE, Ok("a")));
    let second = async {
        pass(millis(1)).await;
        let call = cache.get_or_load(&b, runs.takes(millis(1), Ok("b")));
        assert!(tokio::time::timeout(millis(10), call).await.is_err());
    };
    let (first, ()) = tokio::join!(first, second);
    first.unwrap();
    assert_eq!((runs.count(), class.running(), class.waiting()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn progress_is_seen_while_the_load_runs_and_ends_with_it() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = bed.strings().class(&class).build().unwrap();
    let a = key("a");
    assert!(cache.progress(&a).is_none());
    let load = |load: Load| async move {
        load.progress(0.25, "first quarter");
        pass(millis(1000)).await;
        load.progress(0.5, "half");
        pass(millis(1000)).await;
        Ok::<_, Error>("made".to_owned())
    };
    let watching = async {
        pass(millis(500)).await;
        let mut watch = cache.progress(&a).unwrap();
        let now = watch.current();
        assert_eq!(
            (now.phase, now.fraction, now.message.as_deref()),
            (Phase::Loading, Some(0.25), Some("first quarter"))
        );
        assert_eq!((now.class.as_deref(), now.waiting, now.elapsed), (Some("gpu"), 1, millis(500)));
        assert_eq!(now.eta, Some(millis(1500)), "three quarters are left, and one took half a second");
        let half = watch.changed().await.unwrap();
        assert_eq!((half.fraction, half.message.as_deref()), (Some(0.5), Some("half")));
        assert_eq!(cache.loads(), [watch.current()]);
        while watch.changed().await.is_some() {}
    };
    let (hit, ()) = tokio::join!(cache.get_or_load(&a, load), watching);
    hit.unwrap();
    assert!(eventually(LONG, async || cache.loads().is_empty()).await);
}

#[tokio::test(start_paused = true)]
async fn one_slow_key_holds_up_no_other() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let (slow, quick) = (key("slow"), key("quick"));
    let waiting = cache.get_or_load(&slow, runs.takes(HOUR, Ok("slow")));
    let began = tokio::time::Instant::now();
    tokio::select! {
        biased;
        _ = waiting => panic!("an hour has passed"),
        hit = cache.get_or_load(&quick, runs.takes(millis(1), Ok("quick"))) => drop(hit.unwrap()),
    }
    assert!(began.elapsed() < millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_repeated_without_a_load_for_as_long_as_was_asked_and_no_longer() {
    let bed = Bed::new();
    let cache = bed.strings().remember_failures(MINUTE).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    for _ in 0..3 {
        let error = cache.get_or_load(&a, runs.takes(millis(1), Err("down"))).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Load, "the loader failed: down"));
        bed.clock.advance(MINUTE / 4);
    }
    assert_eq!((runs.count(), cache.stats().repeated_failures, cache.stats().load_failures), (1, 2, 1));
    bed.clock.advance(MINUTE / 4);
    cache.get_or_load(&a, runs.takes(millis(1), Ok("up"))).await.unwrap();
    assert_eq!(runs.count(), 2, "asking does not prolong it");
}

#[tokio::test(start_paused = true)]
async fn a_put_ends_a_remembered_failure() {
    let bed = Bed::new();
    let cache = bed.strings().remember_failures(MINUTE).near(0).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.get_or_load(&a, runs.takes(millis(1), Err("down"))).await.unwrap_err();
    cache.put(&a, "put".to_owned()).await.unwrap();
    assert_eq!(*cache.get_or_load(&a, runs.takes(millis(1), Ok("no"))).await.unwrap().value, "put");
    cache.remove(&a).await.unwrap();
    assert_eq!(*cache.get_or_load(&a, runs.takes(millis(1), Ok("up"))).await.unwrap().value, "up");
}

#[tokio::test(start_paused = true)]
async fn a_loader_knows_where_its_value_will_go() {
    let bed = Bed::with(cache_tiered::TierOptions::new().max_body(100), 100);
    let cache = bed.strings().build().unwrap();
    let routes = |load: Load| async move { Ok::<_, Error>(load.routes().join("+")) };
    let small = cache.request(&key("small")).forecast(Forecast::new().weight(100)).load(routes).await.unwrap();
    let large = cache.request(&key("large")).forecast(Forecast::new().weight(101)).load(routes).await.unwrap();
    assert_eq!((small.value.as_str(), large.value.as_str()), ("near+far", "far"));
}

#[tokio::test]
async fn a_request_does_nothing_before_it_is_answered() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    drop(cache.request(&a).load(runs.takes(millis(1), Ok("x"))));
    assert!(cache.request(&a).load(runs.takes(millis(1), Ok("x"))).now_or_never().is_none());
    assert_eq!(cache.stats().running, 1, "only the one that was polled");
}

#[tokio::test(start_paused = true)]
async fn loads_that_others_have_begun_do_not_wait_for_each_other_in_circles() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    // Each is asked for by a caller of its own, and asks for the next one when all run.
    let ask = |name: &'static str, next: &'static str| {
        let (cache, inner) = (cache.clone(), cache.clone());
        let load = move |_: Load| async move {
            pass(millis(10)).await;
            inner
                .get_or_load(&key(next), |_| async { Ok::<_, Error>("never".to_owned()) })
                .await
                .map(|hit| hit.value.to_string())
        };
        async move { cache.get_or_load(&key(name), load).await.map(|hit| hit.value.to_string()) }
    };
    let began = tokio::time::Instant::now();
    let (a, b, c) = tokio::join!(ask("a", "b"), ask("b", "c"), ask("c", "a"));
    for answer in [a, b, c] {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load);
        assert!(error.message().contains("asked for itself"), "{error}");
    }
    assert!(began.elapsed() < millis(20), "nobody waited for a deadline");
    let hit = cache.get_or_load(&key("a"), |_| async { Ok::<_, Error>("fine".to_owned()) }).await.unwrap();
    assert_eq!(*hit.value, "fine", "the keys are free");
}

#[tokio::test(start_paused = true)]
async fn what_was_cheap_to_load_is_kept_out_of_a_tier_that_wants_dear_values() {
    let bed = Bed::with(cache_tiered::TierOptions::new().min_cost(MINUTE), 100);
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    for (name, cost) in [("cheap", millis(10)), ("dear", MINUTE)] {
        cache.get_or_load(&key(name), runs.takes(cost, Ok("x"))).await.unwrap();
    }
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
    let near = [bed.in_near(&stored(&key("cheap"))).await, bed.in_near(&stored(&key("dear"))).await];
    assert_eq!(near.map(|entry| entry.is_some()), [false, true]);
    assert!(bed.in_far(&stored(&key("cheap"))).await.is_some());
}

#[tokio::test]
async fn popularity_counts_who_asks_and_not_what_is_put_or_warmed() {
    let bed = Bed::new();
    let popularity = Popularity::builder().keys(100).clock(bed.clock.clone()).build();
    let cache = bed.strings().popularity(popularity.clone()).build().unwrap();
    let (often, once, warmed) = (key("often"), key("once"), key("warmed"));
    let load = |_: Load| async { Ok::<_, Error>(String::new()) };
    for _ in 0..3 {
        cache.get_or_load(&often, load).await.unwrap();
    }
    cache.get_or_load(&once, load).await.unwrap();
    for _ in 0..9 {
        cache.put(&warmed, String::new()).await.unwrap();
        cache.get(&warmed).await.unwrap();
        cache.request(&warmed).refresh().behind().load(load).await.unwrap();
    }
    assert_eq!(popularity.top(10), [(often, 3.0), (once, 1.0)]);
}

#[tokio::test(start_paused = true)]
async fn a_hard_timeout_bounds_the_wait_for_a_store_too() {
    for refresh in [false, true] {
        let bed = Bed::new();
        let cache = bed.strings().lifetime(ttl(Duration::ZERO)).hard_timeout(millis(500)).build().unwrap();
        let (a, runs) = (key("a"), Runs::default());
        let delay = cache_testkit::Fault::Delay(Duration::from_secs(1));
        for tier in [&bed.near, &bed.far] {
            tier.set_plan(cache_testkit::Plan::new().each(cache_testkit::Operation::Remove, delay));
        }
        cache.get_or_load(&a, runs.takes(millis(1), Ok("kept by nobody"))).await.unwrap();
        let began = tokio::time::Instant::now();
        let request = if refresh { cache.request(&a).refresh() } else { cache.request(&a) };
        let answer = request.load(runs.takes(millis(1), Ok("x"))).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(began.elapsed(), millis(500));
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_whose_payload_panics_in_turn_is_a_failed_load_like_any_other() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let bomb = true;
    let panicking = move |_| async move {
        if bomb {
            std::panic::panic_any(Bomb);
        }
        Ok::<_, Error>(String::new())
    };
    let error = cache.get_or_load(&key("a"), panicking).await.unwrap_err();
    assert_eq!((error.kind(), cache.stats().load_failures), (ErrorKind::Load, 1));
    let hit = cache.get_or_load(&key("a"), |_| async { Ok::<_, Error>("made".to_owned()) }).await.unwrap();
    assert_eq!(*hit.value, "made");
}
