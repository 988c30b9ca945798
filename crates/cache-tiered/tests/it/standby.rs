//! What stands by during a load and after it: values in the tiers, remembered failures, lifetimes, and progress.

use std::fmt;
use std::time::Duration;

use cache_core::{DAY, Error, ErrorKind, Freshness, HOUR, MINUTE, Selector, ttl};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, CacheBuilder, Load, Loaded};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use crate::kit::{Bed, LONG, PATIENCE, Runs, key, millis, pass};

/// A cache whose values are fresh for an hour and stale for a day.
fn aging(bed: &Bed) -> CacheBuilder<String> {
    bed.strings().lifetime(ttl(HOUR).stale(DAY))
}

/// A cache whose values are due for a refresh some time before 100 s have passed, when they become stale.
fn eager(bed: &Bed) -> CacheBuilder<String> {
    bed.strings().eager(0.8).lifetime(ttl(millis(100_000)).stale(HOUR))
}

async fn idle(cache: &Cache<String>) {
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_becomes_stale_during_its_refresh_is_loaded_once() {
    for near in [0, 100] {
        let bed = Bed::new();
        let (a, runs) = (key("a"), Runs::default());
        eager(&bed).build().unwrap().put(&a, "old".to_owned()).await.unwrap();
        bed.clock.advance(millis(90_000));
        // It knows the value from the tiers only.
        let cache = eager(&bed).near(near).soft_timeout(Duration::ZERO).build().unwrap();
        let hit = cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
        assert_eq!(hit.freshness, Freshness::Fresh);
        pass(millis(100)).await;
        bed.clock.advance(millis(11_000));
        let hit = cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
        pass(millis(100)).await;
        assert_eq!((hit.freshness, runs.count()), (Freshness::Stale, 1), "near {near}");
        idle(&cache).await;
        assert_eq!((runs.count(), cache.get(&a).await.unwrap().unwrap().value.as_str()), (1, "new"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_fresh_value_joins_the_refresh_behind_a_value_that_was_served() {
    let bed = Bed::new();
    let cache = eager(&bed).near(0).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(millis(90_000));
    cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
    pass(millis(100)).await;
    bed.clock.advance(millis(11_000));
    let hit = cache.get_or_load(&a, runs.takes(MINUTE, Ok("newer"))).await.unwrap();
    assert_eq!((hit.value.as_str(), runs.count()), ("new", 1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_joins_the_load_behind_a_fresh_value_of_a_tier() {
    let bed = Bed::new();
    let cache = eager(&bed).near(0).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(millis(90_000));
    let hit = cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
    assert_eq!(*hit.value, "old");
    let hit = cache.refresh(&a, runs.takes(MINUTE, Ok("newer"))).await.unwrap();
    assert_eq!((hit.value.as_str(), runs.count()), ("new", 1));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_value_of_a_tier_is_served_during_a_refresh() {
    let bed = Bed::new();
    let cache = aging(&bed).near(0).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    let (other, loader) = (cache.clone(), runs.takes(MINUTE, Ok("new")));
    let refreshing = tokio::spawn(async move { other.refresh(&key("a"), loader).await });
    pass(millis(100)).await;
    let began = Instant::now();
    let hit = cache.get_or_load(&a, runs.takes(MINUTE, Ok("no"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.freshness), ("old", Freshness::Fresh));
    assert!(began.elapsed() < MINUTE / 2, "it waited for the refresh");
    assert_eq!(*refreshing.await.unwrap().unwrap().value, "new");
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_when_there_is_no_room_for_its_load() {
    let bed = Bed::new();
    let cache = aging(&bed).soft_timeout(Duration::ZERO).max_loads(1).build().unwrap();
    let (a, b, runs) = (key("a"), key("b"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let mut busy = Box::pin(cache.get_or_load(&b, runs.takes(HOUR, Ok("b"))));
    assert!((&mut busy).now_or_never().is_none());
    let hit = cache.get_or_load(&a, runs.takes(millis(1), Ok("new"))).await.unwrap();
    assert_eq!((hit.value.as_str(), hit.freshness), ("old", Freshness::Stale));
}

#[tokio::test(start_paused = true)]
async fn a_value_whose_valid_until_passes_before_its_caller_looks_is_not_served() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let (a, end) = (key("a"), bed.now().after(MINUTE));
    let loader = move |load: Load| async move {
        load.set_valid_until(end);
        Ok::<_, Error>("link".to_owned())
    };
    let mut call = Box::pin(cache.get_or_load(&a, loader));
    assert!((&mut call).now_or_never().is_none());
    idle(&cache).await;
    bed.clock.advance(HOUR);
    assert!(call.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_ends_a_remembered_failure() {
    for selector in [Selector::all(), Selector::Key(key("a"))] {
        let bed = Bed::new();
        let cache = bed.strings().remember_failures(MINUTE).build().unwrap();
        let (a, runs) = (key("a"), Runs::default());
        cache.get_or_load(&a, runs.takes(millis(1), Err("down"))).await.unwrap_err();
        cache.get_or_load(&a, runs.takes(millis(1), Ok("up"))).await.unwrap_err();
        assert_eq!(runs.count(), 1, "it is remembered");
        cache.invalidate(&selector).await.unwrap();
        let hit = cache.get_or_load(&a, runs.takes(millis(1), Ok("up"))).await;
        assert_eq!(*hit.unwrap().value, "up", "{selector:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_load_that_was_overtaken_is_not_remembered() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(MINUTE)).remember_failures(HOUR).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    let (other, loader) = (cache.clone(), runs.takes(2 * MINUTE, Err("old fault")));
    let overtaken = tokio::spawn(async move { other.get_or_load(&key("a"), loader).await });
    pass(millis(10_000)).await;
    cache.remove(&a).await.unwrap();
    cache.get_or_load(&a, runs.takes(millis(1), Ok("good"))).await.unwrap();
    overtaken.await.unwrap().unwrap_err();
    bed.clock.advance(MINUTE);
    let hit = cache.get_or_load(&a, runs.takes(millis(1), Ok("good again"))).await;
    assert_eq!(*hit.unwrap().value, "good again");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_however_many_were_before_it() {
    let bed = Bed::new();
    let cache = bed.strings().remember_failures(HOUR).build().unwrap();
    let runs = Runs::default();
    for number in 0..5_000 {
        let key = key(&format!("k{number}"));
        cache.get_or_load(&key, |_| async { Err::<String, _>("down") }).await.unwrap_err();
    }
    cache.get_or_load(&key("k4999"), runs.takes(millis(1), Ok("up"))).await.unwrap_err();
    assert_eq!(runs.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_value_found_right_keeps_the_lifetime_that_it_was_given() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR)).empty(ttl(millis(10_000)).stale(MINUTE)).build().unwrap();
    let a = key("a");
    let empty = |load: Load| async move {
        load.set_empty();
        Ok::<_, Error>(String::new())
    };
    cache.get_or_load(&a, empty).await.unwrap();
    idle(&cache).await;
    bed.clock.advance(millis(11_000));
    cache.request(&a).revalidate(|_, _| async { Ok::<_, Error>(Loaded::NotModified) }).await.unwrap();
    idle(&cache).await;
    bed.clock.advance(millis(9_000));
    assert_eq!(cache.get(&a).await.unwrap().unwrap().freshness, Freshness::Fresh);
    bed.clock.advance(millis(2_000));
    assert_eq!(cache.get(&a).await.unwrap().unwrap().freshness, Freshness::Stale);
    bed.clock.advance(MINUTE);
    assert!(cache.get(&a).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_put_says_nothing_about_how_long_its_load_takes() {
    let bed = Bed::new();
    let cache = aging(&bed).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let mut call = Box::pin(cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))));
    assert!((&mut call).now_or_never().is_none());
    pass(millis(100)).await;
    assert_eq!((runs.count(), cache.progress(&a).unwrap().current().eta), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_a_load_that_has_ended_says_so_at_once_every_time() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let a = key("a");
    let (keep, kept) = tokio::sync::oneshot::channel();
    let loader = move |load: Load| async move {
        let _ = keep.send(load);
        pass(MINUTE).await;
        Ok::<_, Error>("x".to_owned())
    };
    let mut call = Box::pin(cache.get_or_load(&a, loader));
    assert!((&mut call).now_or_never().is_none());
    pass(millis(10)).await;
    let mut watch = cache.progress(&a).unwrap();
    // Who loads may keep what it tells its progress with.
    let load = kept.await.unwrap();
    call.await.unwrap();
    while watch.changed().await.is_some() {}
    load.progress(0.5, "late");
    for _ in 0..2 {
        assert_eq!(timeout(MINUTE, watch.changed()).await.unwrap(), None);
    }
}

/// A failure that cannot say what it is.
#[derive(Debug)]
struct Mute;

#[expect(clippy::panic, reason = "what it is for")]
impl fmt::Display for Mute {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("mute")
    }
}

impl std::error::Error for Mute {}

#[tokio::test(start_paused = true)]
async fn a_failure_whose_display_panics_is_a_failure_as_any_other() {
    let bed = Bed::new();
    let cache = aging(&bed).build().unwrap();
    let (a, b) = (key("a"), key("b"));
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let hit = timeout(MINUTE, cache.get_or_load(&a, |_| async { Err::<String, _>(Mute) })).await.unwrap().unwrap();
    assert_eq!((hit.value.as_str(), hit.freshness), ("old", Freshness::Stale));
    let error = timeout(MINUTE, cache.get_or_load(&b, |_| async { Err::<String, _>(Mute) })).await.unwrap();
    assert_eq!((error.unwrap_err().kind(), cache.stats().load_failures), (ErrorKind::Load, 2));
}

/// What cannot be dropped in peace.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "bomb");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_is_not_needed_and_panics_when_dropped_disturbs_nobody() {
    let bed = Bed::new();
    // The value is in the tiers only: the task of the load has the loader then.
    let cache = bed.strings().near(0).build().unwrap();
    let a = key("a");
    cache.put(&a, "there".to_owned()).await.unwrap();
    let bomb = Bomb;
    let loader = move |_| async move {
        let _bomb = bomb;
        Ok::<_, Error>(String::new())
    };
    let hit = timeout(MINUTE, cache.get_or_load(&a, loader)).await.unwrap().unwrap();
    assert_eq!(*hit.value, "there");
    idle(&cache).await;
}

/// A cache that waits 100 ms at most, and whose value of `a` is stale while it is stored, for a second and a half.
async fn stale_during_the_store(bed: &Bed, near: u64) -> Cache<String> {
    bed.far.set_plan(Plan::new().each(Operation::Put, Fault::Delay(millis(1500))));
    let cache = bed.strings().near(near).hard_timeout(millis(100)).build().unwrap();
    let brief = |load: Load| async move {
        load.set_lifetime(ttl(millis(10)).stale(HOUR));
        Ok::<_, Error>("old".to_owned())
    };
    cache.get_or_load(&key("a"), brief).await.unwrap();
    bed.clock.advance(millis(20));
    cache
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_stale_when_it_is_stored_stands_in_from_the_soft_limit_on_and_at_the_hard_one() {
    for near in [0, 100] {
        for soft in [None, Some(millis(40))] {
            let bed = Bed::new();
            let cache = stale_during_the_store(&bed, near).await;
            let (a, runs, began) = (key("a"), Runs::default(), Instant::now());
            let mut request = cache.request(&a);
            if let Some(soft) = soft {
                request = request.soft_timeout(soft);
            }
            let hit = request.load(runs.takes(millis(1), Ok("new"))).await.unwrap();
            assert_eq!((hit.value.as_str(), hit.freshness), ("old", Freshness::Stale), "near {near}");
            assert_eq!(began.elapsed().as_millis(), soft.unwrap_or(millis(100)).as_millis(), "near {near}");
            assert_eq!((runs.count(), cache.stats().impatient), (0, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_a_store_is_told_the_key_and_counted() {
    let bed = Bed::new();
    let cache = stale_during_the_store(&bed, 100).await;
    let (a, runs) = (key("a"), Runs::default());
    let error = cache.refresh(&a, runs.takes(millis(1), Ok("new"))).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Timeout, Some(&a)));
    let invalidating = cache.clone();
    tokio::spawn(async move { invalidating.invalidate(&Selector::all()).await });
    pass(millis(1)).await;
    let error = cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.key()),
        (ErrorKind::Timeout, Some(&a)),
        "what was invalidated stands in for nothing"
    );
    assert_eq!(cache.stats().impatient, 2);
}

#[tokio::test(start_paused = true)]
async fn marks_that_a_tier_does_not_tell_hold_nobody_up_for_longer_than_the_hard_limit() {
    let bed = Bed::new();
    let cache = bed.strings().hard_timeout(millis(100)).build().unwrap();
    bed.far.set_plan(Plan::new().each(Operation::Scan, Fault::Hang));
    let (a, began) = (key("a"), Instant::now());
    let error = cache.get_or_load(&a, |_| async { Ok::<_, Error>("new".to_owned()) }).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Timeout, Some(&a)));
    assert_eq!((began.elapsed().as_millis(), cache.stats().impatient), (100, 1));
    // Those who left have not ended the look: it ends with the patience of the tier.
    let loads = async || cache.get_or_load(&a, |_| async { Ok::<_, Error>("new".to_owned()) }).await.is_ok();
    assert!(eventually(2 * PATIENCE, loads).await);
}
