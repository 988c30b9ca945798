//! Loads and invalidations that overlap: which value is kept, what is counted, and that no figure is lost.

use std::time::Duration;

use cache_core::{Backend, DAY, Error, Freshness, HOUR, Key, MINUTE, Selector, ttl};
use cache_testkit::eventually;
use cache_tiered::{Cache, Class, Load};
use tokio::task::JoinHandle;

use crate::kit::{Bed, LONG, Runs, key, millis, pass, stored};

async fn idle(cache: &Cache<String>) {
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
}

/// Asks for `name` in a task and gives it time to begin. The load takes `span`, its value has `tags`.
async fn ask(
    cache: &Cache<String>,
    runs: &Runs,
    (name, tags): (&str, &'static [&'static str]),
    (span, text): (Duration, &'static str),
) -> JoinHandle<String> {
    let (cache, runs, key) = (cache.clone(), runs.clone(), key(name));
    let loader = move |load: Load| async move {
        load.set_tags(tags.iter().copied());
        runs.begin();
        pass(span).await;
        Ok::<_, Error>(text.to_owned())
    };
    let task = tokio::spawn(async move { cache.get_or_load(&key, loader).await.unwrap().value.to_string() });
    pass(millis(1)).await;
    task
}

#[tokio::test(start_paused = true)]
async fn the_load_begun_after_an_invalidation_is_joined_and_kept_though_the_one_before_ends_first() {
    let tags: [&'static [&'static str]; 2] = [&["t"], &[]];
    for tags in tags {
        let bed = Bed::new();
        let (cache, runs) = (bed.strings().build().unwrap(), Runs::default());
        let before = ask(&cache, &runs, ("a", tags), (MINUTE, "before")).await;
        cache.invalidate(&Selector::tag("t")).await.unwrap();
        let after = ask(&cache, &runs, ("a", tags), (2 * MINUTE, "after")).await;
        assert_eq!(before.await.unwrap(), "before");
        let joined = ask(&cache, &runs, ("a", tags), (millis(1), "third")).await;
        assert_eq!((after.await.unwrap().as_str(), joined.await.unwrap().as_str()), ("after", "after"));
        idle(&cache).await;
        assert_eq!((runs.count(), cache.stats().superseded), (2, 1), "{tags:?}");
        assert_eq!(*cache.get(&key("a")).await.unwrap().unwrap().value, "after", "{tags:?}");
        let fresh = bed.strings().build().unwrap();
        assert_eq!(*fresh.get(&key("a")).await.unwrap().unwrap().value, "after", "in the tiers, {tags:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_load_before_an_invalidation_keeps_nothing_though_the_one_after_ends_first() {
    let bed = Bed::new();
    let (cache, runs) = (bed.strings().build().unwrap(), Runs::default());
    let before = ask(&cache, &runs, ("a", &[]), (2 * MINUTE, "before")).await;
    cache.invalidate(&Selector::tag("t")).await.unwrap();
    let after = ask(&cache, &runs, ("a", &[]), (MINUTE, "after")).await;
    assert_eq!((after.await.unwrap().as_str(), before.await.unwrap().as_str()), ("after", "before"));
    idle(&cache).await;
    assert_eq!(*cache.get(&key("a")).await.unwrap().unwrap().value, "after", "a caller has seen it");
}

#[tokio::test(start_paused = true)]
async fn a_load_whose_loader_has_not_begun_is_not_replaced_by_an_invalidation() {
    let bed = Bed::new();
    let class = Class::new("c", 1);
    let (cache, runs) = (bed.strings().class(&class).build().unwrap(), Runs::default());
    let busy = ask(&cache, &runs, ("busy", &[]), (MINUTE, "busy")).await;
    let queued = ask(&cache, &runs, ("a", &[]), (MINUTE, "a")).await;
    cache.invalidate(&Selector::tag("other")).await.unwrap();
    let joined = ask(&cache, &runs, ("a", &[]), (MINUTE, "again")).await;
    assert_eq!(busy.await.unwrap(), "busy");
    assert_eq!((queued.await.unwrap().as_str(), joined.await.unwrap().as_str()), ("a", "a"));
    idle(&cache).await;
    assert_eq!((runs.count(), cache.stats().superseded), (2, 0));
    assert_eq!(*cache.get(&key("a")).await.unwrap().unwrap().value, "a");
}

#[tokio::test(start_paused = true)]
async fn the_refresh_behind_a_stale_value_of_a_tier_is_counted() {
    let bed = Bed::new();
    let cache = bed.strings().near(0).soft_timeout(Duration::ZERO).lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.put(&a, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let hit = cache.get_or_load(&a, runs.takes(MINUTE, Ok("new"))).await.unwrap();
    assert_eq!(hit.freshness, Freshness::Stale);
    idle(&cache).await;
    assert_eq!((cache.stats().loads, cache.stats().refreshes), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_finds_a_fresh_value_in_a_tier_is_none() {
    let bed = Bed::new();
    let cache = bed.strings().soft_timeout(Duration::ZERO).lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    let (a, runs) = (key("a"), Runs::default());
    cache.get_or_load(&a, runs.takes(millis(1), Ok("old"))).await.unwrap();
    idle(&cache).await;
    bed.clock.advance(HOUR);
    let other = bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    other.refresh(&a, runs.takes(millis(1), Ok("new"))).await.unwrap();
    idle(&other).await;
    cache.get_or_load(&a, runs.takes(MINUTE, Ok("newer"))).await.unwrap();
    idle(&cache).await;
    assert_eq!((runs.count(), cache.stats().loads, cache.stats().refreshes), (2, 1, 0));
}

/// How a value leaves the near tier.
#[derive(Debug, Clone, Copy)]
enum Way {
    Remove,
    Put,
    InvalidateAll,
    InvalidateKey,
    Expire,
    Evict,
    Close,
    TierRemove,
}

impl Way {
    const ALL: [Self; 8] = [
        Self::Remove,
        Self::Put,
        Self::InvalidateAll,
        Self::InvalidateKey,
        Self::Expire,
        Self::Evict,
        Self::Close,
        Self::TierRemove,
    ];

    async fn go(self, bed: &Bed, cache: &Cache<String>, a: &Key) {
        match self {
            Self::Remove => assert!(cache.remove(a).await.unwrap()),
            Self::Put => cache.put(a, "new".to_owned()).await.unwrap(),
            Self::InvalidateAll => {
                cache.invalidate(&Selector::all()).await.unwrap();
                assert!(cache.get(a).await.unwrap().is_none());
            }
            Self::InvalidateKey => drop(cache.invalidate(&Selector::Key(a.clone())).await.unwrap()),
            Self::Expire => {
                bed.clock.advance(HOUR);
                assert!(cache.get(a).await.unwrap().is_none());
                cache.get_or_load(a, Runs::default().takes(millis(1), Ok("new"))).await.unwrap();
            }
            Self::Evict => {
                for number in 0..50 {
                    cache.put(&key(&format!("k{number}")), "other".to_owned()).await.unwrap();
                }
            }
            Self::Close => cache.close().await.unwrap(),
            Self::TierRemove => assert!(bed.tiers.remove(&stored(a)).await.unwrap()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_hits_of_a_value_and_what_they_saved_stay_counted_when_it_leaves_the_near_tier() {
    for way in Way::ALL {
        let bed = Bed::new();
        let cache = bed.strings().near(1).lifetime(ttl(HOUR)).build().unwrap();
        let (a, runs) = (key("a"), Runs::default());
        cache.get_or_load(&a, runs.takes(millis(2_000), Ok("x"))).await.unwrap();
        idle(&cache).await;
        for _ in 0..3 {
            cache.get_or_load(&a, runs.takes(millis(1), Ok("no"))).await.unwrap();
        }
        way.go(&bed, &cache, &a).await;
        let stats = cache.stats();
        assert_eq!(stats.near_hits, 3, "{way:?}");
        assert!((stats.seconds_saved - 6.0).abs() < 0.1, "{way:?} saved {}", stats.seconds_saved);
    }
}
