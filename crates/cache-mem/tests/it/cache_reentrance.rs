//! Values, listeners, weighers and conditions that misbehave: no deadlock, no broken account.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cache_core::{Cause, Clock, Limits, ManualClock, Timestamp};
use cache_mem::{Admission, MemCache, Terms};

use crate::without_deadlock;

type Cache = MemCache<u32, Arc<Caller>>;

/// A value whose destructor uses the cache that held it.
#[derive(Debug, Default)]
struct Caller {
    cache: Weak<Cache>,
    calls: Arc<AtomicUsize>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.insert(1_000, Arc::default());
            cache.get(&1);
            cache.remove(&1_000);
            cache.validate().ok();
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_destructor_may_use_the_cache_whatever_its_value_leaves_for() {
    without_deadlock(|| {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let cache: Arc<Cache> = Arc::new(MemCache::builder().entries(3).clock(clock.clone()).build());
        let calls = Arc::new(AtomicUsize::new(0));
        let value = || Arc::new(Caller { cache: Arc::downgrade(&cache), calls: calls.clone() });
        let mut expected = 0;
        let mut drops = |count: usize, what: &str| {
            expected += count;
            assert_eq!(calls.load(Ordering::Relaxed), expected, "{what}");
            assert_eq!(cache.validate(), Ok(()));
        };
        cache.insert(1, value());
        cache.insert(1, value());
        drops(1, "replaced");
        cache.insert_if(1, value(), Terms::new(), |_| false);
        drops(1, "declined");
        cache.insert_with(2, value(), Terms::new().weight(u64::MAX).expires(clock.now()));
        drops(1, "expired already");
        drop(cache.remove(&1));
        drops(1, "removed");
        (10..14).for_each(|key| assert_eq!(cache.insert(key, value()), Admission::Stored));
        // The newcomer of the destructor evicts another one, whose destructor does so again.
        assert!(calls.load(Ordering::Relaxed) > 4, "evicted");
        cache.clear();
        drops(4, "cleared");
        cache.insert_with(5, value(), Terms::new().expires(clock.now().after(Duration::from_millis(1))));
        clock.advance(Duration::from_millis(1));
        cache.sweep(clock.now(), 10);
        drops(1, "swept");
        cache.insert(6, value());
        cache.resize(Limits::entries(0));
        drops(1, "resized");
        cache.insert(7, value());
        drops(1, "refused");
    });
}

#[test]
fn a_listener_may_use_the_cache() {
    without_deadlock(|| {
        let own: Arc<OnceLock<Weak<MemCache<u32, u32>>>> = Arc::default();
        let seen = own.clone();
        let cache = MemCache::builder().entries(10).listener(move |key: &u32, _: &u32, cause| {
            let cache = seen.get().and_then(Weak::upgrade).unwrap();
            assert!(cache.len() <= 10);
            // Once more, under another key; what leaves for that is let go.
            if cause == Cause::Capacity && *key < 1_000 {
                cache.insert(key + 1_000, 0);
            }
        });
        let cache = Arc::new(cache.build());
        own.set(Arc::downgrade(&cache)).unwrap();
        (0..100).for_each(|key| assert!(cache.insert(key, key).is_stored()));
        cache.clear();
        assert_eq!(cache.validate(), Ok(()));
    });
}

#[test]
fn a_panicking_weigher_changes_nothing() {
    let cache: MemCache<u32, u32> =
        MemCache::builder().capacity(100).weigher(|_, value| if *value == 13 { panic!("thirteen") } else { 1 }).build();
    cache.insert(1, 1);
    assert!(catch_unwind(AssertUnwindSafe(|| cache.insert(1, 13))).is_err());
    assert_eq!((cache.get(&1), cache.stats().inserted, cache.validate()), (Some(1), 1, Ok(())));
}

#[test]
fn a_panicking_listener_leaves_the_accounts_in_order() {
    let panics = Arc::new(AtomicBool::new(true));
    let armed = panics.clone();
    let cache: MemCache<u32, u32> = MemCache::builder()
        .entries(4)
        .listener(move |_, _, _| assert!(!armed.load(Ordering::Relaxed), "the listener's own fault"))
        .build();
    (0..4).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    let attempts: [fn(&MemCache<u32, u32>); 4] = [
        |cache| _ = cache.insert(9, 9),
        |cache| _ = cache.remove(&9),
        |cache| cache.resize(Limits::entries(1)),
        |cache| _ = cache.clear(),
    ];
    for attempt in attempts {
        assert!(catch_unwind(AssertUnwindSafe(|| attempt(&cache))).is_err());
        assert_eq!(cache.validate(), Ok(()));
    }
    assert!(cache.is_empty());
    panics.store(false, Ordering::Relaxed);
    assert_eq!((cache.insert(5, 5), cache.get(&5)), (Admission::Stored, Some(5)));
}

#[test]
fn a_cache_is_cleared_whole_even_if_the_listener_panics() {
    let cache: MemCache<u32, u32> =
        MemCache::builder().entries(10_000).shards(8).listener(|_, _, cause| assert_ne!(cause, Cause::Cleared)).build();
    (0..1_000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    assert!(catch_unwind(AssertUnwindSafe(|| cache.clear())).is_err());
    assert_eq!((cache.len(), cache.stats().cleared, cache.validate()), (0, 1_000, Ok(())));
}

#[test]
fn a_panicking_condition_changes_nothing_and_leaves_no_lock() {
    without_deadlock(|| {
        let cache: Arc<Cache> = Arc::new(MemCache::builder().build());
        let value = || Arc::new(Caller { cache: Arc::downgrade(&cache), calls: Arc::default() });
        cache.insert(1, value());
        let insert = || cache.insert_if(1, value(), Terms::new(), |_| panic!("no idea"));
        assert!(catch_unwind(AssertUnwindSafe(insert)).is_err());
        let remove = || cache.remove_if(&1, |_| panic!("no idea"));
        assert!(catch_unwind(AssertUnwindSafe(remove)).is_err());
        assert!(cache.contains(&1));
        assert_eq!(cache.validate(), Ok(()));
        cache.clear();
    });
}
