//! A hit in the near tier allocates nothing, counted by the allocator.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use cache_core::Key;
use cache_mem::{MemBackend, MemCache};
use cache_tiered::{Cache, Origin};

#[tokio::test]
async fn a_near_hit_through_get_or_load_allocates_nothing() {
    let cache = Cache::<u64>::builder("near").backend(MemBackend::new(1 << 20)).build().unwrap();
    let key = Key::of("video").part("a3f4b2c1").param("max_frames", 3000).build().unwrap();
    cache.get_or_load(&key, async |_| Ok::<_, Infallible>(7)).await.unwrap();

    let counted = measure(|| {
        for _ in 0..1_000 {
            let hit = pin!(cache.get_or_load(&key, async |_| Ok::<_, Infallible>(8)));
            let Poll::Ready(Ok(hit)) = hit.poll(&mut Context::from_waker(Waker::noop())) else {
                panic!("a hit of the near tier waits for nothing");
            };
            assert_eq!((*hit.value, &hit.origin), (7, &Origin::Near));
        }
    });
    assert_eq!(counted.count_total, 0, "allocations in 1,000 hits");
}

#[test]
fn a_hit_in_the_memory_tier_allocates_nothing() {
    let cache: MemCache<Key, u64> = MemCache::builder().entries(100).build();
    let key = Key::of("video").part("a3f4b2c1").build().unwrap();
    cache.insert(key.clone(), 7);
    let counted = measure(|| {
        for _ in 0..1_000 {
            assert_eq!(black_box(cache.get(&key)), Some(7));
        }
    });
    assert_eq!(counted.count_total, 0, "allocations in 1,000 hits");
}

#[test]
fn an_insert_into_a_full_memory_tier_allocates_nothing_but_the_key() {
    let cache: MemCache<String, u64> = MemCache::builder().entries(1_000).build();
    let key = |number: u64| format!("{number:0>60}");
    // Twice as many as fit, and some of them twice: every table has grown, and evictions of every sort were seen.
    (0..20_000).for_each(|number| {
        cache.insert(key(number), number);
        cache.get(&key(number / 2));
    });
    let keys: Vec<String> = (20_000..25_000).map(key).collect();
    let before = cache.stats();
    let counted = measure(|| {
        for key in keys {
            cache.insert(key, 7);
        }
    });
    let after = cache.stats();
    assert_eq!(after.inserted - before.inserted, 5_000);
    assert!(after.evicted - before.evicted > 4_000, "{after:?}");
    // What a table of sampled keys needs for its rearrangements, and nothing for each insert.
    assert!(counted.count_total <= 8, "{} allocations in 5,000 inserts that evict", counted.count_total);
}

#[test]
fn a_replacement_in_the_memory_tier_allocates_nothing() {
    let cache: MemCache<u64, u64> = MemCache::builder().entries(1_000).build();
    let fill = |value| {
        for key in 0..500 {
            cache.insert(key, value);
        }
    };
    fill(0);
    let counted = measure(|| fill(1));
    assert_eq!(counted.count_total, 0, "allocations in 500 replacements");
}

#[test]
fn the_counter_sees_an_allocation() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
}
