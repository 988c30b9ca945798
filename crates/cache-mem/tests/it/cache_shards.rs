//! How a capacity is split over shards.

use cache_core::{Cause, Limits};
use cache_mem::{Admission, MemCache, MemCacheBuilder, Terms};

fn builder() -> MemCacheBuilder<u32, u32> {
    MemCache::builder()
}

#[test]
fn a_small_cache_has_one_shard() {
    assert_eq!(builder().entries(255).build().shards(), 1);
    assert_eq!(builder().capacity(255).build().shards(), 1);
    assert_eq!(builder().capacity(u64::MAX).weigher(|_, _| 5).build().shards(), 1);
    assert_eq!(builder().capacity(1 << 20).max_weight(1 << 20).build().shards(), 1);
}

#[test]
fn a_large_cache_has_several() {
    assert!(builder().entries(1 << 20).build().shards() > 1);
    assert!(builder().capacity(1 << 30).weigher(|_, _| 5).max_weight(1 << 20).build().shards() > 1);
}

#[test]
fn the_shares_add_up_to_the_capacity() {
    for shards in 1..40 {
        let cache = builder().capacity(1_000_003).entries(1_009).shards(shards).build();
        assert_eq!((cache.shards(), cache.validate()), (shards, Ok(())));
        cache.resize(Limits { weight: u64::MAX, entries: 7 });
        assert_eq!(cache.validate(), Ok(()));
    }
}

#[test]
fn every_shard_takes_the_weight_promised() {
    for shards in [1, 2, 3, 7, 64, usize::MAX] {
        let cache = builder().capacity(10_000).max_weight(900).shards(shards).build();
        assert!(cache.shards() <= 11);
        for key in 0..1_000 {
            assert_eq!(cache.insert_with(key, key, Terms::new().weight(900)), Admission::Stored, "{shards} shards");
        }
        assert!(cache.weight() <= 10_000);
    }
}

#[test]
fn a_value_heavier_than_a_share_is_refused_and_evicts_nothing_else() {
    let cache = builder().capacity(1_000).shards(10).build();
    assert_eq!(cache.shards(), 10);
    for key in 0..100 {
        cache.insert(key, key);
    }
    let held = cache.len();
    assert_eq!(cache.insert_with(1_000, 0, Terms::new().weight(101)), Admission::Refused);
    assert_eq!(cache.len(), held);
}

#[test]
fn few_entries_are_not_spread_over_more_shards_than_there_are() {
    assert_eq!(builder().entries(3).shards(8).build().shards(), 3);
    assert_eq!(builder().entries(0).shards(8).build().shards(), 1);
    assert_eq!(builder().entries(3).shards(0).build().shards(), 1);
}

#[test]
fn keys_spread_evenly_over_the_shards() {
    // An eighth of 80,000 in each share of 11,000: the deviation that would lose one is beyond ten sigma.
    let cache = builder().entries(88_000).shards(8).build();
    for key in 0..80_000 {
        cache.insert(key, key);
    }
    assert_eq!(cache.len(), 80_000);
}

#[test]
fn resized_below_the_number_of_shards_it_serves_every_key_within_the_limits() {
    let cache = builder().entries(100_000).shards(8).build();
    (0..1_000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    for (limits, most) in [(Limits::entries(4), 4), (Limits::entries(1), 1), (Limits::weight(5), 5)] {
        cache.resize(limits);
        assert_eq!(cache.validate(), Ok(()));
        for key in 0..1_000 {
            assert_eq!(cache.insert(key, key), Admission::Stored);
            assert_eq!(cache.get(&key), Some(key));
        }
        assert_eq!((cache.len(), cache.iter().count(), cache.validate()), (most, most, Ok(())));
    }
    cache.resize(Limits::entries(100_000));
    (0..50_000).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    assert_eq!((cache.len(), cache.shards(), cache.validate()), (50_000, 8, Ok(())), "the shares are what they were");
}

#[test]
fn resized_it_takes_the_weight_promised() {
    let cache = builder().capacity(10_000).max_weight(900).shards(8).build();
    assert_eq!(cache.shards(), 8);
    cache.resize(Limits::weight(2_000));
    for key in 0..100 {
        assert_eq!(cache.insert_with(key, key, Terms::new().weight(900)), Admission::Stored);
    }
    assert_eq!((cache.len(), cache.validate()), (2, Ok(())));
}

#[test]
fn what_leaves_because_keys_change_their_shards_is_told() {
    let (told, heard) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let listener = move |_: &u64, _: &u64, cause| told.lock().unwrap().send(cause).unwrap();
    let cache: MemCache<u64, u64> = MemCache::builder().entries(800).shards(8).listener(listener).build();
    (0..100).for_each(|key| assert!(cache.insert(key, key).is_stored()));
    cache.resize(Limits::entries(3));
    assert_eq!(heard.try_iter().filter(|&cause| cause == Cause::Cleared).count(), 100);
    assert_eq!((cache.len(), cache.stats().cleared), (0, 100));
}
