//! Lifetimes: what a value may still be served as, and what stands in when a load fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Backend, Clock, DAY, ErrorKind, Freshness, HOUR, MINUTE, Timestamp, ttl};
use cache_mem::MemBackend;
use cache_testkit::eventually;
use cache_tiered::{Cache, Load, Origin};
use futures_util::future::join_all;

use crate::kit::{Bed, LONG, Runs, key, millis, pass, stored};

#[tokio::test(start_paused = true)]
async fn a_stale_value_stands_in_for_a_failed_load_and_the_next_one_waits_for_the_backoff() {
    for near in [100, 0] {
        let bed = Bed::new();
        let backoff = 10 * MINUTE;
        let cache = bed.strings().near(near).lifetime(ttl(HOUR).stale(DAY)).backoff(backoff).build().unwrap();
        let runs = Runs::default();
        let a = key("a");
        cache.put(&a, "old".to_owned()).await.unwrap();
        // Long stale: a backoff counted from the end of freshness would be over.
        bed.clock.advance(5 * HOUR);
        let calls = (0..20).map(|_| cache.get_or_load(&a, runs.takes(millis(10), Err("down"))));
        for hit in join_all(calls).await {
            let hit = hit.unwrap();
            assert_eq!((hit.value.as_str(), hit.freshness), ("old", Freshness::Stale), "near {near}");
            assert_eq!(hit.age, 5 * HOUR);
        }
        assert_eq!(runs.count(), 1, "near {near}");
        for _ in 0..3 {
            bed.clock.advance(backoff / 4);
            let hit = cache.get_or_load(&a, runs.takes(millis(10), Err("down"))).await.unwrap();
            assert_eq!(hit.freshness, Freshness::Stale);
        }
        assert_eq!(runs.count(), 1, "near {near}: no load during the backoff");
        bed.clock.advance(backoff / 4);
        let hit = cache.get_or_load(&a, runs.takes(millis(10), Ok("new"))).await.unwrap();
        assert_eq!((hit.value.as_str(), hit.origin), ("new", Origin::Loaded), "near {near}");
        let stats = cache.stats();
        assert_eq!((runs.count(), stats.stale, stats.load_failures), (2, 23, 1), "near {near}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_deadline_are_failures_that_a_stale_value_stands_in_for() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR).stale(DAY)).backoff(Duration::ZERO).deadline(millis(100));
    let cache = cache.build().unwrap();
    let a = key("a");
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let hit = cache.get_or_load(&a, |_| std::future::pending::<Result<String, String>>()).await.unwrap();
    assert_eq!(*hit.value, "old");
    let panics = |_| async { if true { panic!("out of luck") } else { Ok::<_, String>(String::new()) } };
    assert_eq!(*cache.get_or_load(&a, panics).await.unwrap().value, "old");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_served_past_its_validity_not_even_after_a_failed_load() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    let end = bed.now().after(2 * HOUR);
    let link = move |load: Load| async move {
        load.set_valid_until(end);
        Ok::<_, String>("link".to_owned())
    };
    cache.get_or_load(&a, link).await.unwrap();
    bed.clock.advance(HOUR);
    assert_eq!(cache.get(&a).await.unwrap().unwrap().freshness, Freshness::Stale);
    let clock = bed.clock.clone();
    let fails_late = move |_| async move {
        clock.advance(HOUR);
        Err::<String, _>("down")
    };
    let error = cache.get_or_load(&a, fails_late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load, "it expired while the load ran");
    assert!(cache.get(&a).await.unwrap().is_none());
    assert!(cache.get_or_load(&a, runs.takes(millis(1), Err("down"))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_loaded_value_past_its_validity_is_a_failed_load() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    let a = key("a");
    let end = bed.now();
    let dead_link = move |load: Load| async move {
        load.set_valid_until(end);
        Ok::<_, String>("dead link".to_owned())
    };
    let error = cache.get_or_load(&a, dead_link).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Load, Some(&a)));
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    assert_eq!(*cache.get_or_load(&a, dead_link).await.unwrap().value, "old", "a stale value stands in for it");
    assert_eq!(cache.stats().load_failures, 2);
}

#[tokio::test]
async fn a_value_that_expires_while_it_is_looked_up_is_never_served_as_expired() {
    /// Every look at it takes a millisecond.
    #[derive(Debug)]
    struct Stepping(AtomicU64);
    impl Clock for Stepping {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
        }
    }
    for life in 1..60 {
        let clock = Arc::new(Stepping(AtomicU64::new(1_000_000)));
        let near = MemBackend::builder(1 << 20).clock(clock.clone()).build();
        let cache = Cache::<String>::builder("links").near(0).backend(near).clock(clock).build().unwrap();
        let end = Timestamp::from_millis(1_000_000 + life);
        let link = move |load: Load| async move {
            load.set_valid_until(end);
            Ok::<_, String>("link".to_owned())
        };
        let _ = cache.get_or_load(&key("a"), link).await;
        assert!(eventually(LONG, async || cache.stats().running == 0).await);
        for _ in 0..3 {
            let answer = cache.get_or_load(&key("a"), |_| async { Ok::<_, String>("new".to_owned()) }).await;
            // It may end just before the caller takes it.
            let Ok(hit) = answer else { continue };
            assert_ne!(hit.freshness, Freshness::Expired, "{life} {}", hit.origin);
        }
    }
}

#[tokio::test]
async fn a_value_is_fresh_until_exactly_its_end() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR)).build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("1"))).await.unwrap();
    bed.clock.advance(millis(3_599_999));
    assert_eq!(*cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("2"))).await.unwrap().value, "1");
    bed.clock.advance(millis(1));
    assert!(cache.get(&a).await.unwrap().is_none());
    assert_eq!(*cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("2"))).await.unwrap().value, "2");
}

#[tokio::test(start_paused = true)]
async fn a_value_without_a_lifetime_is_shared_and_not_kept() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(Duration::ZERO)).build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    for round in 1..=3 {
        let calls = (0..10).map(|_| cache.get_or_load(&a, runs.takes(millis(10), Ok("x"))));
        assert!(join_all(calls).await.into_iter().all(|hit| *hit.unwrap().value == "x"));
        assert_eq!(runs.count(), round);
    }
    assert_eq!(cache.stats().near_entries, 0);
    assert_eq!(bed.in_far(&stored(&a)).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_loader_decides_about_its_value_and_the_load_about_stamp_and_cost() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let a = key("a");
    let (begun, clock) = (bed.now(), bed.clock.clone());
    let load = move |load: Load| async move {
        load.set_lifetime(ttl(MINUTE).stale(MINUTE));
        load.set_valid_until(begun.after(DAY));
        load.set_tags(["artist:7"]);
        load.set_content_type("text/plain");
        pass(Duration::from_secs(15)).await;
        clock.advance(Duration::from_secs(15));
        Ok::<_, String>(load.key().to_string())
    };
    let hit = cache.get_or_load(&a, load).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.saved), ("a", Duration::ZERO));
    cache.close().await.unwrap();
    let meta = bed.in_far(&stored(&a)).await.unwrap().meta;
    assert_eq!((meta.stamp.instant(), meta.created), (begun, bed.clock.now()));
    assert_eq!(meta.cost, Duration::from_secs(15));
    assert_eq!((meta.fresh_until, meta.stale_until), (meta.created.after(MINUTE), meta.created.after(2 * MINUTE)));
    assert_eq!(meta.valid_until, begun.after(DAY));
    assert_eq!((&*meta.tags[0], meta.content_type.as_deref()), ("artist:7", Some("text/plain")));
    assert_eq!(meta.codec.as_deref(), Some("msgpack"));
}

#[tokio::test(start_paused = true)]
async fn what_a_hit_saves_is_the_cost_of_the_load_less_the_time_to_answer() {
    let bed = Bed::new();
    let runs = Runs::default();
    let a = key("a");
    let maker = bed.strings().build().unwrap();
    maker.get_or_load(&a, runs.takes(Duration::from_secs(20), Ok("x"))).await.unwrap();
    assert_eq!(maker.get(&a).await.unwrap().unwrap().saved, Duration::from_secs(20));
    maker.close().await.unwrap();
    assert_eq!(maker.stats().load_seconds.to_string(), "20");

    let delay = cache_testkit::Fault::Delay(Duration::from_secs(1));
    bed.near.set_plan(cache_testkit::Plan::new().each(cache_testkit::Operation::Get, delay));
    let cache = bed.strings().build().unwrap();
    assert_eq!(cache.get(&a).await.unwrap().unwrap().saved, Duration::from_secs(19));
    assert_eq!(cache.stats().seconds_saved.to_string(), "19");
}

#[tokio::test]
async fn a_tier_with_the_fresh_value_wins_over_a_stale_near_one() {
    let bed = Bed::new();
    let [one, other] = [(); 2].map(|()| bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap());
    let a = key("a");
    one.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    other.put(&a, "new".to_owned()).await.unwrap();
    let hit = one.get_or_load(&a, |_| async { Err::<String, _>("must not run") }).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.freshness), ("new", Freshness::Fresh));
    assert!(bed.far.stat(&stored(&a)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn lifetimes_that_are_set_later_are_those_of_what_is_loaded_later() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(DAY)).build().unwrap();
    let runs = Runs::default();
    cache.get_or_load(&key("before"), runs.takes(millis(10), Ok("value"))).await.unwrap();
    cache.set_lifetimes(ttl(HOUR), ttl(MINUTE), ttl(MINUTE));
    cache.get_or_load(&key("after"), runs.takes(millis(10), Ok("value"))).await.unwrap();
    cache.put(&key("put"), "value".to_owned()).await.unwrap();
    bed.clock.advance(2 * HOUR);
    assert!(cache.get(&key("before")).await.unwrap().is_some());
    assert!(cache.get(&key("after")).await.unwrap().is_none());
    assert!(cache.get(&key("put")).await.unwrap().is_none());
}
