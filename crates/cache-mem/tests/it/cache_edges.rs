//! The cache at its edges, one rule each.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Limits, ManualClock, PolicyKind, Timestamp};
use cache_mem::{Admission, MemCache, MemCacheBuilder, Terms};

fn builders() -> impl Iterator<Item = MemCacheBuilder<u32, u32>> {
    PolicyKind::ALL.into_iter().map(|policy| MemCache::builder().policy(policy))
}

#[test]
fn a_zero_capacity_holds_nothing() {
    for cache in builders().map(|builder| builder.capacity(0).build()) {
        assert_eq!(cache.insert(1, 1), Admission::Refused);
        assert_eq!(cache.insert_with(1, 1, Terms::new().weight(0)), Admission::Refused);
        assert_eq!((cache.get(&1), cache.len(), cache.stats().refused), (None, 0, 2));
    }
    for cache in builders().map(|builder| builder.entries(0).build()) {
        assert_eq!(cache.insert(1, 1), Admission::Refused);
        assert!(cache.is_empty());
    }
}

#[test]
fn values_without_weight_are_bounded_by_their_number() {
    for cache in builders().map(|builder| builder.capacity(10).entries(3).weigher(|_, _| 0).build()) {
        for key in 0..100 {
            assert_eq!(cache.insert(key, key), Admission::Stored);
        }
        assert_eq!((cache.len(), cache.weight()), (3, 0));
    }
}

#[test]
fn the_largest_weight_is_refused_by_a_smaller_capacity_and_fits_into_the_largest() {
    for cache in builders().map(|builder| builder.capacity(u64::MAX - 1).build()) {
        assert_eq!(cache.insert_with(1, 1, Terms::new().weight(u64::MAX)), Admission::Refused);
    }
    for cache in builders().map(|builder| builder.capacity(u64::MAX).shards(1).build()) {
        assert_eq!(cache.insert_with(1, 1, Terms::new().weight(u64::MAX)), Admission::Stored);
        assert_eq!(cache.insert_with(2, 2, Terms::new().weight(u64::MAX)), Admission::Stored);
        assert_eq!((cache.get(&1), cache.get(&2), cache.weight()), (None, Some(2), u64::MAX));
    }
}

#[test]
fn a_value_is_there_until_the_millisecond_before_its_deadline() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    for cache in builders().map(|builder| builder.clock(clock.clone()).build()) {
        let now = clock.now();
        assert_eq!(cache.insert_with(0, 0, Terms::new().expires(now)), Admission::Expired);
        assert_eq!(cache.get(&0), None);
        cache.insert_with(1, 1, Terms::new().expires(now.after(Duration::from_millis(5))));
        clock.advance(Duration::from_millis(4));
        assert_eq!((cache.get(&1), cache.peek(&1), cache.contains(&1)), (Some(1), Some(1), true));
        clock.advance(Duration::from_millis(1));
        assert_eq!((cache.get(&1), cache.peek(&1), cache.contains(&1)), (None, None, false));
        assert_eq!(cache.remove(&1), None);
        assert_eq!((cache.len(), cache.stats().expired), (0, 2));
    }
}

#[test]
fn cleared_and_refilled_it_holds_as_many() {
    for cache in builders().map(|builder| builder.capacity(100).weigher(|_, _| 3).build()) {
        for _ in 0..3 {
            for key in 0..1_000 {
                cache.insert(key, key);
            }
            assert_eq!((cache.len(), cache.weight()), (33, 99));
            assert_eq!(cache.clear(), 33);
            assert_eq!((cache.len(), cache.weight()), (0, 0));
        }
        assert_eq!(cache.stats().cleared, 99);
    }
}

#[test]
fn resized_to_nothing_and_back_it_works_again() {
    for cache in builders().map(|builder| builder.entries(10).build()) {
        for limits in [Limits::entries(0), Limits::weight(0)] {
            cache.insert(1, 1);
            cache.resize(limits);
            assert_eq!((cache.len(), cache.limits()), (0, limits));
            assert_eq!(cache.insert(1, 1), Admission::Refused);
            cache.resize(Limits::entries(1_000));
            (0..1_000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
            assert_eq!(cache.len(), 1_000);
        }
    }
}

#[test]
fn a_condition_decides_with_nothing_in_between() {
    let cache: MemCache<u32, u32> = MemCache::builder().build();
    let newer = |key, value| cache.insert_if(key, value, Terms::new(), |old| old.is_none_or(|old| *old < value));
    assert_eq!(newer(1, 5), Admission::Stored);
    assert_eq!(newer(1, 4), Admission::Declined);
    assert_eq!(newer(1, 6), Admission::Stored);
    assert_eq!(cache.remove_if(&1, |value| *value == 5), None);
    assert_eq!(cache.remove_if(&1, |value| *value == 6), Some(6));
    assert_eq!(cache.remove_if(&1, |_| true), None);
}

#[test]
fn a_peek_does_not_save_a_value_and_a_get_does() {
    let cache: MemCache<u32, u32> = MemCache::builder().entries(2).policy(PolicyKind::Lru).build();
    cache.insert(1, 1);
    cache.insert(2, 2);
    cache.peek(&1);
    cache.insert(3, 3);
    assert_eq!(cache.peek(&1), None);
    cache.get(&2);
    cache.insert(4, 4);
    assert_eq!((cache.peek(&2), cache.peek(&3)), (Some(2), None));
}

#[test]
fn a_look_sees_the_value_with_the_instant_that_found_it_unexpired() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    for cache in builders().map(|builder| builder.clock(clock.clone()).build()) {
        let now = clock.now();
        cache.insert_with(1, 7, Terms::new().expires(now.after(Duration::from_millis(1))));
        assert_eq!(cache.get_with(&1, |value, at| (*value, at)), Some((7, now)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.get_with(&1, |_, _| unreachable!("the value has expired")), None::<()>);
    }
}

#[test]
fn a_look_counts_as_a_hit() {
    for policy in [PolicyKind::Lru, PolicyKind::S3Fifo] {
        let cache: MemCache<u32, u32> = MemCache::builder().policy(policy).entries(2).build();
        cache.insert(1, 1);
        cache.insert(2, 2);
        for _ in 0..2 {
            cache.get_with(&1, |_, _| ());
        }
        cache.insert(3, 3);
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(1), None), "{policy}");
    }
}

#[test]
fn a_limited_sweep_reaches_every_shard_in_the_end() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    let cache: MemCache<u32, u32> = MemCache::builder().entries(10_000).shards(8).clock(clock.clone()).build();
    let expires = clock.now().after(Duration::from_millis(1));
    for key in 0..2_000 {
        cache.insert_with(key, key, Terms::new().expires(expires));
    }
    cache.insert(5_000, 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(cache.sweep(clock.now(), 0).expired, 0);
    let mut total = 0;
    loop {
        let swept = cache.sweep(clock.now(), 300);
        assert!(swept.expired <= 300 && swept.bytes == swept.expired);
        total += swept.expired;
        if !swept.more {
            break;
        }
    }
    assert_eq!((total, cache.len()), (2_000, 1));
}

#[test]
fn a_scan_sees_what_is_held_all_the_time_exactly_once() {
    let cache: MemCache<u32, u32> = MemCache::builder().entries(8_000).shards(3).build();
    for key in 0..2_000 {
        cache.insert(key, 0);
    }
    let mut seen = Vec::new();
    for (number, key) in cache.scan(|key, _| Some(*key)).enumerate() {
        seen.push(key);
        // Meanwhile the upper half leaves, the lower half is replaced and strangers arrive.
        let number = u32::try_from(number).unwrap();
        cache.remove(&(1_000 + number % 1_000));
        cache.insert(number % 1_000, 1);
        cache.insert(10_000 + number, 1);
    }
    seen.retain(|key| *key < 1_000);
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..1_000));
}

#[test]
fn debug_shows_figures_and_no_values() {
    let cache: MemCache<&str, &str> = MemCache::builder().entries(7).build();
    cache.insert("key", "secret");
    let shown = format!("{cache:?}");
    assert!(shown.contains('7') && !shown.contains("secret") && !shown.contains("key"), "{shown}");
}
