//! Many threads at once: the budget holds at every look, and nothing is lost from the accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use cache_core::{Cause, Limits, PolicyKind};
use cache_mem::{Admission, MemCache, MemStats, Terms};

const CAPACITY: u64 = 20_000;
const ENTRIES: u64 = 400;
const KEYS: u64 = 1_000;
const ROUNDS: u64 = 20_000;

/// A value knows its key, so that a mix-up is seen.
type Value = Arc<(u64, u64)>;

#[derive(Debug, Default)]
struct Heard([AtomicU64; 6]);

impl Heard {
    fn hear(&self, cause: Cause) {
        self.0[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self, cause: Cause) -> u64 {
        self.0[cause as usize].load(Ordering::Relaxed)
    }
}

/// The next number of a fixed sequence.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Offers values, removes some and clears twice; how many were taken up.
fn write(cache: &MemCache<u64, Value>, seed: u64) -> u64 {
    let (mut state, mut inserted) = (seed, 0);
    for round in 0..ROUNDS {
        let key = next(&mut state) % KEYS;
        match round % 16 {
            0 => assert!(cache.remove(&key).is_none_or(|value| value.0 == key)),
            1 if round % (ROUNDS / 2) == 1 => assert!(cache.clear() <= ENTRIES),
            kind => {
                let terms = Terms::new().weight(next(&mut state) % 200);
                let admission = cache.insert_if(key, Arc::new((key, round)), terms, |_| kind != 2);
                inserted += u64::from(admission != Admission::Declined);
            }
        }
    }
    inserted
}

fn read(cache: &MemCache<u64, Value>, seed: u64) {
    let mut state = seed;
    for _ in 0..ROUNDS {
        let key = next(&mut state) % KEYS;
        assert!(cache.get(&key).is_none_or(|value| value.0 == key));
    }
}

fn look(cache: &MemCache<u64, Value>) -> MemStats {
    let stats = cache.stats();
    assert!(stats.weight <= CAPACITY && stats.entries <= ENTRIES, "{stats:?}");
    assert_eq!(stats.inserted, stats.departed() + stats.entries, "{stats:?}");
    assert!(cache.scan(|key, value| Some(*key == value.0)).all(|agrees| agrees));
    stats
}

fn stress(policy: PolicyKind, shards: usize) {
    let heard = Arc::new(Heard::default());
    let ears = heard.clone();
    let cache: MemCache<u64, Value> = MemCache::builder()
        .capacity(CAPACITY)
        .entries(ENTRIES)
        .policy(policy)
        .shards(shards)
        .listener(move |key: &u64, value: &Value, cause| {
            assert_eq!(*key, value.0);
            ears.hear(cause);
        })
        .build();
    let (cache, done) = (&cache, &AtomicBool::new(false));
    let inserted: u64 = thread::scope(|scope| {
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                look(cache);
                thread::yield_now();
            }
        });
        let writers: Vec<_> = [11, 12, 13].map(|seed| scope.spawn(move || write(cache, seed))).into();
        let readers = [21, 22].map(|seed| scope.spawn(move || read(cache, seed)));
        let inserted = writers.into_iter().map(|writer| writer.join().unwrap_or_default()).sum();
        let readers_are_well = readers.into_iter().all(|reader| reader.join().is_ok());
        done.store(true, Ordering::Relaxed);
        assert!(readers_are_well);
        inserted
    });
    let stats = look(cache);
    assert_eq!(cache.validate(), Ok(()));
    assert_eq!(stats.inserted, inserted);
    let counted = [stats.evicted, stats.refused, stats.expired, stats.replaced, stats.removed, stats.cleared];
    let causes = [Cause::Capacity, Cause::Refused, Cause::Expired, Cause::Replaced, Cause::Removed, Cause::Cleared];
    assert_eq!(counted, causes.map(|cause| heard.get(cause)), "what was counted is what was heard");
    assert!(stats.evicted > 0 && stats.replaced > 0 && stats.removed > 0 && stats.cleared > 0, "{stats:?}");
}

#[test]
fn accounts_add_up_under_load_with_one_shard() {
    stress(PolicyKind::Lru, 1);
}

#[test]
fn accounts_add_up_under_load_with_several_shards() {
    stress(PolicyKind::S3Fifo, 5);
}

#[test]
fn resizes_at_once_end_with_shares_that_add_up() {
    let cache: MemCache<u64, u64> = MemCache::builder().entries(1_000).shards(7).build();
    thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..500 {
                    cache.insert(thread * 1_000 + round, 0);
                    cache.resize(Limits::entries(100 + thread * 13 + round));
                }
            });
        }
    });
    assert_eq!(cache.validate(), Ok(()));
    assert!(cache.len() as u64 <= cache.limits().entries);
}

#[test]
fn what_is_held_is_found_whatever_shards_keys_were_dealt_to_meanwhile() {
    let cache: MemCache<u64, u64> = MemCache::builder().entries(1_000).shards(8).build();
    thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..2_000 {
                    let key = (round * 7 + thread) % 64;
                    match round % 4 {
                        _ if thread == 0 => {
                            cache.resize(Limits::entries(1 + round % 12));
                            assert_eq!(cache.validate(), Ok(()));
                        }
                        0 => _ = cache.remove(&key),
                        1 => assert_eq!(cache.get_or_insert_with(&key, || key), key),
                        _ => _ = cache.insert(key, key),
                    }
                }
            });
        }
    });
    assert_eq!(cache.validate(), Ok(()));
    let keys: Vec<u64> = cache.iter().map(|(key, _)| key).collect();
    assert!(keys.iter().all(|key| cache.remove(key).is_some()) && cache.is_empty());
}
