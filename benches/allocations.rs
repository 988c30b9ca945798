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
fn the_counter_sees_an_allocation() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
}
