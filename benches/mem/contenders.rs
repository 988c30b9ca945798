//! The memory caches side by side: text to bytes, each with the defaults that its users get.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use cache_core::PolicyKind;
use cache_mem::MemCache;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// What every cache is asked for.
pub(crate) type Key = String;

/// What every cache holds.
pub(crate) type Value = Arc<[u8]>;

/// Name of the map that never evicts: the limit of what a cache could reach.
pub(crate) const LIMIT: &str = "sharded map, never evicts";

/// Shards of that map: enough that four threads rarely meet.
const LIMIT_SHARDS: usize = 64;

/// A cache with room for a number of entries, all of weight 1.
pub(crate) trait Contender: Send + Sync + Sized {
    /// Whether the cache holds keys, or hashes of them only.
    const HOLDS_KEYS: bool = true;

    /// A cache with room for `entries`.
    fn new(entries: usize) -> Self;

    /// The value of `key`, counted as a hit.
    fn get(&self, key: &Key) -> Option<Value>;

    /// Offers a value.
    fn insert(&self, key: Key, value: Value);

    /// Entries held, if it tells.
    fn len(&self) -> Option<usize>;

    /// Does what the cache has put off.
    fn settle(&self) {}
}

impl Contender for MemCache<Key, Value> {
    fn new(entries: usize) -> Self {
        reelcache(entries, PolicyKind::default())
    }

    fn get(&self, key: &Key) -> Option<Value> {
        Self::get(self, key)
    }

    fn insert(&self, key: Key, value: Value) {
        Self::insert(self, key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(Self::len(self))
    }
}

/// Reelcache's memory tier under a policy.
pub(crate) fn reelcache(entries: usize, policy: PolicyKind) -> MemCache<Key, Value> {
    // Without a weigher each entry weighs 1. Policies that plan with a capacity are told this one.
    MemCache::builder().capacity(entries as u64).policy(policy).build()
}

impl Contender for quick_cache::sync::Cache<Key, Value> {
    fn new(entries: usize) -> Self {
        Self::new(entries)
    }

    fn get(&self, key: &Key) -> Option<Value> {
        Self::get(self, key)
    }

    fn insert(&self, key: Key, value: Value) {
        Self::insert(self, key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(Self::len(self))
    }
}

impl Contender for moka::sync::Cache<Key, Value> {
    fn new(entries: usize) -> Self {
        Self::new(entries as u64)
    }

    fn get(&self, key: &Key) -> Option<Value> {
        Self::get(self, key)
    }

    fn insert(&self, key: Key, value: Value) {
        Self::insert(self, key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.entry_count() as usize)
    }

    fn settle(&self) {
        self.run_pending_tasks();
    }
}

impl Contender for mini_moka::sync::Cache<Key, Value> {
    fn new(entries: usize) -> Self {
        Self::new(entries as u64)
    }

    fn get(&self, key: &Key) -> Option<Value> {
        Self::get(self, key)
    }

    fn insert(&self, key: Key, value: Value) {
        Self::insert(self, key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.entry_count() as usize)
    }

    fn settle(&self) {
        mini_moka::sync::ConcurrentCacheExt::sync(self);
    }
}

/// foyer with SIEVE, whose hits do the least.
pub(crate) struct Foyer(foyer_memory::Cache<Key, Value>);

impl Contender for Foyer {
    fn new(entries: usize) -> Self {
        Self(foyer_memory::CacheBuilder::new(entries).with_eviction_config(foyer_memory::SieveConfig {}).build())
    }

    fn get(&self, key: &Key) -> Option<Value> {
        self.0.get(key).map(|entry| entry.value().clone())
    }

    fn insert(&self, key: Key, value: Value) {
        self.0.insert(key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.entries())
    }
}

impl Contender for tinyufo::TinyUfo<Key, Value> {
    const HOLDS_KEYS: bool = false;

    fn new(entries: usize) -> Self {
        Self::new(entries, entries)
    }

    fn get(&self, key: &Key) -> Option<Value> {
        Self::get(self, key)
    }

    fn insert(&self, key: Key, value: Value) {
        self.put(key, value, 1);
    }

    fn len(&self) -> Option<usize> {
        None
    }
}

type Shard = HashTable<(Key, Value)>;

/// A map in shards, each behind a lock, that never evicts.
pub(crate) struct Limit {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
}

impl Limit {
    fn place(&self, key: &Key) -> (MutexGuard<'_, Shard>, u64) {
        let hash = self.hasher.hash_one(key);
        let shard = &self.shards[(hash >> 24) as usize % LIMIT_SHARDS];
        (shard.lock().unwrap_or_else(PoisonError::into_inner), hash)
    }
}

impl Contender for Limit {
    fn new(_: usize) -> Self {
        Self { shards: (0..LIMIT_SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    fn get(&self, key: &Key) -> Option<Value> {
        let (shard, hash) = self.place(key);
        shard.find(hash, |held| held.0 == *key).map(|held| held.1.clone())
    }

    fn insert(&self, key: Key, value: Value) {
        let (mut shard, hash) = self.place(&key);
        let entry = shard.entry(hash, |held| held.0 == key, |held| self.hasher.hash_one(&held.0));
        let replaced = match entry {
            Entry::Occupied(mut held) => Some(std::mem::replace(&mut held.get_mut().1, value)),
            Entry::Vacant(place) => {
                place.insert((key, value));
                None
            }
        };
        drop(shard);
        drop(replaced);
    }

    fn len(&self) -> Option<usize> {
        Some(self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum())
    }
}
