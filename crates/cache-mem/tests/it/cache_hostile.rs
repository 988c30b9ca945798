//! Input that no one should give: all of it is defined.

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Cause, Clock, DAY, Limits, ManualClock, PolicyKind, Timestamp};
use cache_mem::{Admission, MemCache, Terms};

/// Every key has the same hash.
#[derive(Debug, Clone, Copy, Default)]
struct Constant;

impl Hasher for Constant {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

/// The hash of a number is the number.
#[derive(Debug, Clone, Copy, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

fn hashed_by<H: Hasher + Default>(entries: u64, shards: usize) -> MemCache<u64, u64, BuildHasherDefault<H>> {
    MemCache::builder().entries(entries).shards(shards).hasher(BuildHasherDefault::<H>::default()).build()
}

#[test]
fn with_a_constant_hash_keys_stay_apart_and_share_one_shard() {
    let cache = hashed_by::<Constant>(1_000, 4);
    for key in 0..1_000 {
        assert_eq!(cache.insert(key, key), Admission::Stored);
    }
    assert_eq!(cache.len(), 250, "the share of one shard");
    let held = (0..1_000).filter(|key| cache.get(key).inspect(|value| assert_eq!(value, key)).is_some());
    assert_eq!(held.count(), 250);
    (0..1_000).for_each(|key| _ = cache.remove(&key));
    assert_eq!((cache.len(), cache.validate()), (0, Ok(())));
}

#[test]
fn a_hasher_that_passes_numbers_on_spreads_them_all_the_same() {
    for step in [1, 1 << 12, 1 << 32, 1 << 40] {
        let cache = hashed_by::<Identity>(16_000, 8);
        for number in 0..10_000_u64 {
            cache.insert(number * step, number);
        }
        assert_eq!(cache.len(), 10_000, "no share is full");
    }
}

#[test]
fn any_build_hasher_serves() {
    let cache: MemCache<&str, u32, BuildHasherDefault<DefaultHasher>> =
        MemCache::builder().hasher(BuildHasherDefault::default()).build();
    cache.insert("a", 1);
    assert_eq!(cache.get("a"), Some(1));
    let seeded = std::hash::RandomState::new();
    let _: u64 = seeded.hash_one("a");
    let cache = MemCache::builder().hasher(seeded).build();
    cache.insert("a", 1);
    assert_eq!(cache.get_or_insert_with(&"a", || 2), 1);
}

#[test]
fn lifetimes_of_centuries_end_when_they_end() {
    for policy in PolicyKind::ALL {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let cache: MemCache<u64, u64> = MemCache::builder().policy(policy).clock(clock.clone()).build();
        for century in 1..=20 {
            let deadline = clock.now().after(DAY * 36_525 * century as u32);
            cache.insert_with(century, century, Terms::new().expires(deadline));
        }
        let last = Timestamp::from_millis(u64::MAX - 1);
        cache.insert_with(99, 99, Terms::new().expires(last));
        for century in 1..=20 {
            clock.advance(DAY * 36_525);
            assert_eq!(cache.get(&century), None);
            let swept = cache.sweep(clock.now(), 100);
            assert_eq!((swept.expired, swept.more, cache.len()), (1, false, 21 - century as usize));
        }
        assert_eq!(cache.sweep(last, 100).expired, 1);
        assert_eq!(cache.validate(), Ok(()));
    }
}

#[test]
fn weights_at_both_ends_add_up_exactly() {
    for policy in PolicyKind::ALL {
        let cache: MemCache<u64, u64> = MemCache::builder().capacity(u64::MAX).shards(1).policy(policy).build();
        for (key, weight) in [(1, 0), (2, u64::MAX), (3, 0), (4, 1), (5, u64::MAX), (2, 0), (5, 3)] {
            assert_eq!(cache.insert_with(key, key, Terms::new().weight(weight)), Admission::Stored, "{policy} {key}");
            assert_eq!(cache.validate(), Ok(()));
        }
        assert!(cache.weight() <= 4);
    }
}

#[test]
fn what_expired_leaves_as_expired_whoever_takes_it_out() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    let takers: [fn(&MemCache<u64, u64>); 5] = [
        |cache| _ = cache.remove(&1),
        |cache| _ = cache.insert(1, 2),
        |cache| _ = cache.clear(),
        |cache| cache.resize(Limits::entries(0)),
        |cache| _ = cache.sweep(Timestamp::NEVER, 1),
    ];
    for take in takers {
        let (told, heard) = std::sync::mpsc::channel();
        let told = std::sync::Mutex::new(told);
        let cache = MemCache::builder().clock(clock.clone()).listener(move |key: &u64, _: &u64, cause| {
            told.lock().unwrap().send((*key, cause)).unwrap();
        });
        let cache = cache.build();
        cache.insert_with(1, 1, Terms::new().expires(clock.now().after(Duration::from_millis(1))));
        clock.advance(Duration::from_millis(1));
        take(&cache);
        assert_eq!(heard.try_recv(), Ok((1, Cause::Expired)));
        assert_eq!(cache.stats().expired, 1);
    }
}

#[test]
fn a_replaced_value_keeps_its_hits() {
    let cache: MemCache<u64, u64> = MemCache::builder().entries(100).policy(PolicyKind::S3Fifo).build();
    for _ in 0..3 {
        (0..50).for_each(|key| _ = cache.insert(key, key));
    }
    (1_000..3_000).for_each(|key| _ = cache.insert(key, key));
    assert!((0..50).all(|key| cache.contains(&key)), "put again and again, they are in use");
}

#[test]
fn at_the_end_of_time_an_offer_is_admitted_as_before() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(u64::MAX - 5)));
    let cache: MemCache<u64, u64> = MemCache::builder().clock(clock.clone()).build();
    cache.insert_with(1, 1, Terms::new().expires(Timestamp::from_millis(u64::MAX - 1)));
    clock.set(Timestamp::NEVER);
    assert_eq!((cache.insert(1, 2), cache.get(&1)), (Admission::Stored, Some(2)));
}

#[test]
fn after_a_jump_ahead_and_back_sweeps_find_what_expired() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let cache: MemCache<u64, u64> = MemCache::builder().shards(1).clock(clock.clone()).build();
    cache.insert_with(0, 0, Terms::new().expires(clock.now().after(DAY * 3_650)));
    clock.advance(DAY * 365);
    assert_eq!(cache.sweep(clock.now(), 10).expired, 0);
    clock.set(Timestamp::from_millis(1_700_000_000_000));
    for key in 1..100 {
        cache.insert_with(key, key, Terms::new().expires(clock.now().after(Duration::from_secs(key))));
    }
    clock.advance(Duration::from_secs(50));
    assert_eq!(cache.sweep(clock.now(), 1_000).expired, 50);
    clock.advance(DAY);
    assert_eq!((cache.sweep(clock.now(), 1_000).expired, cache.len()), (49, 1));
}
