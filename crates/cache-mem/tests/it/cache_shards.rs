//! How a capacity is split over shards.

use cache_core::Limits;
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
