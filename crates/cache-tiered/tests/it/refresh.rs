//! Refreshing: before the end, without the body, and with lifetimes that fit the value.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, DAY, Error, ErrorKind, Freshness, HOUR, MINUTE, Timestamp, ttl};
use cache_testkit::{Operation, eventually};
use cache_tiered::{Cache, Load, Loaded, Origin};
use futures_util::future::join_all;

use crate::kit::{Bed, LONG, Runs, key, millis, stored};

async fn idle(cache: &Cache<String>) {
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_refreshed_behind_the_answer_from_its_share_of_freshness_on() {
    for near in [100, 0] {
        let bed = Bed::new();
        let cache = bed.strings().near(near).eager(0.75).lifetime(ttl(HOUR)).build().unwrap();
        let (a, runs) = (key("a"), Runs::default());
        cache.get_or_load(&a, runs.takes(millis(1), Ok("old"))).await.unwrap();
        idle(&cache).await;
        bed.clock.advance(millis(45 * 60_000 - 1));
        cache.get_or_load(&a, runs.takes(millis(1), Ok("new"))).await.unwrap();
        idle(&cache).await;
        assert_eq!(runs.count(), 1, "near {near}: not due yet");
        bed.clock.advance(millis(1));
        let hits = join_all((0..20).map(|_| cache.get_or_load(&a, runs.takes(millis(1), Ok("new"))))).await;
        for hit in hits {
            let hit = hit.unwrap();
            assert_eq!((hit.value.as_str(), hit.freshness), ("old", Freshness::Fresh), "near {near}");
        }
        idle(&cache).await;
        assert_eq!((runs.count(), cache.stats().refreshes), (2, 1), "near {near}: one refresh for all");
        assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "new");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_eager_refresh_is_not_tried_again_before_the_backoff() {
    let bed = Bed::new();
    let cache = bed.strings().eager(0.5).lifetime(ttl(HOUR)).backoff(MINUTE).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(30 * MINUTE);
    for _ in 0..5 {
        let hit = cache.get_or_load(&a, runs.takes(millis(1), Err("down"))).await.unwrap();
        assert_eq!(hit.freshness, Freshness::Fresh);
        idle(&cache).await;
    }
    assert_eq!(runs.count(), 1);
    bed.clock.advance(MINUTE);
    cache.get_or_load(&a, runs.takes(millis(1), Err("down"))).await.unwrap();
    idle(&cache).await;
    assert_eq!(runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modified_gets_a_new_life_and_its_body_is_not_written_again() {
    for near in [100, 0] {
        let bed = Bed::new();
        let cache = bed.strings().near(near).lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
        let a = key("a");
        let first = |load: Load| async move {
            load.set_etag("v1");
            load.set_tags(["t"]);
            Ok::<_, Error>("body".to_owned())
        };
        cache.get_or_load(&a, first).await.unwrap();
        idle(&cache).await;
        bed.settle().await;
        let before = bed.in_far(&stored(&a)).await.unwrap();
        bed.clock.advance(2 * HOUR);
        let puts = [&bed.near, &bed.far].map(|tier| tier.calls(Operation::Put));
        let second = |load: Load, before: Option<Arc<String>>| async move {
            assert_eq!((load.previous_etag(), before.as_ref().map(|value| value.as_str())), (Some("v1"), Some("body")));
            Ok::<_, Error>(Loaded::NotModified)
        };
        let hit = cache.request(&a).revalidate(second).await.unwrap();
        assert_eq!((hit.value.as_str(), hit.origin, hit.age), ("body", Origin::Revalidated, Duration::ZERO));
        idle(&cache).await;
        let after = bed.in_far(&stored(&a)).await.unwrap();
        assert_eq!(after.body, before.body);
        assert!(after.meta.stamp > before.meta.stamp);
        assert_eq!((after.meta.fresh_until, after.meta.cost), (bed.now().after(HOUR), before.meta.cost));
        assert_eq!((after.meta.etag, after.meta.tags), (before.meta.etag, before.meta.tags));
        assert_eq!([&bed.near, &bed.far].map(|tier| tier.calls(Operation::Put)), puts, "near {near}");
        assert_eq!(bed.far.calls(Operation::Renew), 1);
        let hit = cache.get(&a).await.unwrap().unwrap();
        assert_eq!((hit.freshness, cache.stats().not_modified), (Freshness::Fresh, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_value_that_no_tier_has_any_more_is_stored_again() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    let a = key("a");
    cache.put(&a, "body".to_owned()).await.unwrap();
    bed.clock.advance(2 * HOUR);
    for tier in [&bed.near, &bed.far] {
        tier.inner().remove(&stored(&a)).await.unwrap();
    }
    let hit = cache.request(&a).revalidate(|_, _| async { Ok::<_, Error>(Loaded::NotModified) }).await.unwrap();
    assert_eq!(hit.origin, Origin::Revalidated);
    idle(&cache).await;
    let after = bed.in_far(&stored(&a)).await.unwrap();
    assert_eq!(after.meta.fresh_until, bed.now().after(HOUR));
}

#[tokio::test(start_paused = true)]
async fn a_renewed_value_is_valid_as_long_as_before_unless_its_loader_says_otherwise() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    let a = key("a");
    let end = bed.now().after(3 * HOUR);
    let link = move |load: Load| async move {
        load.set_valid_until(end);
        Ok::<_, Error>("link".to_owned())
    };
    cache.get_or_load(&a, link).await.unwrap();
    bed.clock.advance(150 * MINUTE);
    cache.request(&a).revalidate(|_, _| async { Ok::<_, Error>(Loaded::NotModified) }).await.unwrap();
    bed.clock.advance(30 * MINUTE);
    assert!(cache.get(&a).await.unwrap().is_none(), "its link ended, whatever its lifetime");
}

#[tokio::test]
async fn not_modified_without_a_value_before_is_a_failed_load() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let a = key("a");
    let asked = cache.request(&a).revalidate(|_, before| async move {
        assert_eq!(before, None);
        Ok::<_, Error>(Loaded::NotModified)
    });
    assert_eq!(asked.await.unwrap_err().kind(), ErrorKind::Load);
}

#[tokio::test(start_paused = true)]
async fn empty_and_partial_values_have_lifetimes_of_their_own_and_an_outage_is_soon_forgotten() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR)).empty(ttl(MINUTE)).partial(ttl(5 * MINUTE)).build().unwrap();
    let lifetime_of = async |name: &str, decide: fn(&Load)| {
        let (key, load) = (key(name), move |load: Load| async move {
            decide(&load);
            Ok::<_, Error>(String::new())
        });
        cache.get_or_load(&key, load).await.unwrap();
        idle(&cache).await;
        bed.in_far(&stored(&key)).await.unwrap().meta.fresh_until.since(bed.now())
    };
    assert_eq!(lifetime_of("whole", |_| {}).await, HOUR);
    assert_eq!(lifetime_of("empty", Load::set_empty).await, MINUTE);
    assert_eq!(lifetime_of("partial", Load::set_partial).await, 5 * MINUTE);
    let own = |load: &Load| {
        load.set_empty();
        load.set_lifetime(ttl(2 * HOUR));
    };
    assert_eq!(lifetime_of("own", own).await, 2 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn an_empty_value_without_a_lifetime_is_not_kept() {
    let bed = Bed::new();
    let cache = bed.strings().empty(ttl(Duration::ZERO)).build().unwrap();
    let empty = |load: Load| async move {
        load.set_empty();
        Ok::<_, Error>(String::new())
    };
    cache.get_or_load(&key("a"), empty).await.unwrap();
    idle(&cache).await;
    assert!(cache.get(&key("a")).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn values_made_at_once_end_at_different_times_and_none_later_than_its_lifetime() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(HOUR).stale(DAY)).jitter(0.25).build().unwrap();
    let mut ends = Vec::new();
    for number in 0..200 {
        let key = key(&format!("k{number}"));
        cache.get_or_load(&key, |_| async { Ok::<_, Error>(String::new()) }).await.unwrap();
        idle(&cache).await;
        let meta = bed.in_far(&stored(&key)).await.unwrap().meta;
        assert_eq!(meta.stale_until, meta.fresh_until.after(DAY));
        ends.push(meta.fresh_until.since(bed.now()));
    }
    assert!(ends.iter().all(|end| (45 * MINUTE..=HOUR).contains(end)), "{ends:?}");
    let mean = ends.iter().sum::<Duration>() / 200;
    assert!((51 * MINUTE..54 * MINUTE).contains(&mean), "spread evenly: {mean:?}");
    ends.dedup();
    assert!(ends.len() > 150);
}

#[tokio::test]
async fn jitter_leaves_what_never_ends_alone_and_shares_are_checked() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(cache_core::Lifetime::FOREVER).jitter(1.0).eager(1.0).build().unwrap();
    cache.get_or_load(&key("a"), |_| async { Ok::<_, Error>(String::new()) }).await.unwrap();
    idle(&cache).await;
    assert_eq!(bed.in_far(&stored(&key("a"))).await.unwrap().meta.fresh_until, Timestamp::NEVER);
    for bad in [-0.1, 1.1, f64::NAN] {
        assert_eq!(bed.strings().jitter(bad).build().unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(bed.strings().eager(bad).build().unwrap_err().kind(), ErrorKind::Invalid);
    }
}
