//! The peers, each in one shard and with a fixed hash where it lets itself be told.

use std::hash::{BuildHasher, Hasher};

use benches::random::mix;
use benches::replay::Replayed;
use benches::trace::{Request, Trace};
use foyer_memory::{EvictionConfig, LfuConfig, LruConfig, S3FifoConfig, SieveConfig};
use moka::policy::EvictionPolicy;
use quick_cache::unsync::DefaultLifecycle;

/// A cache of the given capacity for a trace.
pub(crate) type Maker = fn(&Trace, u64) -> Box<dyn Replayed>;

/// All peers by name.
pub(crate) const PEERS: [(&str, Maker); 8] = [
    ("moka tinylfu", |_, capacity| Box::new(moka(capacity, EvictionPolicy::tiny_lfu()))),
    ("moka lru", |_, capacity| Box::new(moka(capacity, EvictionPolicy::lru()))),
    ("quick_cache", |trace, capacity| Box::new(QuickCache::new(trace.entries(capacity), capacity))),
    ("foyer s3fifo", |_, capacity| Box::new(foyer(capacity, S3FifoConfig::default()))),
    ("foyer sieve", |_, capacity| Box::new(foyer(capacity, SieveConfig {}))),
    ("foyer lru", |_, capacity| Box::new(foyer(capacity, LruConfig::default()))),
    ("foyer lfu", |_, capacity| Box::new(foyer(capacity, LfuConfig::default()))),
    ("TinyUFO", |trace, capacity| Box::new(TinyUfo::new(trace, capacity))),
];

/// A hash that is the same in every run.
#[derive(Debug, Clone, Copy, Default)]
struct Fixed(u64);

impl BuildHasher for Fixed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

impl Hasher for Fixed {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = mix(self.0 ^ u64::from(byte)).wrapping_add(1);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = mix(self.0 ^ u64::from(number));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Moka(moka::sync::Cache<u32, u64, Fixed>);

fn moka(capacity: u64, policy: EvictionPolicy) -> Moka {
    let weigh = |_: &u32, bytes: &u64| u32::try_from(*bytes).unwrap_or(u32::MAX);
    let builder = moka::sync::Cache::builder().max_capacity(capacity).eviction_policy(policy).weigher(weigh);
    Moka(builder.build_with_hasher(Fixed::default()))
}

impl Replayed for Moka {
    fn request(&mut self, request: &Request) -> bool {
        let hit = self.0.get(&request.key).is_some();
        if !hit {
            self.0.insert(request.key, request.bytes);
        }
        // It would otherwise decide later, in batches.
        self.0.run_pending_tasks();
        hit
    }
}

/// Weighs a value by the bytes that it stands for.
#[derive(Debug, Clone, Copy)]
struct Bytes;

impl quick_cache::Weighter<u32, u64> for Bytes {
    fn weight(&self, _: &u32, bytes: &u64) -> u64 {
        *bytes
    }
}

struct QuickCache(quick_cache::unsync::Cache<u32, u64, Bytes, Fixed>);

impl QuickCache {
    fn new(entries: usize, capacity: u64) -> Self {
        Self(quick_cache::unsync::Cache::with(entries, capacity, Bytes, Fixed::default(), DefaultLifecycle::default()))
    }
}

impl Replayed for QuickCache {
    fn request(&mut self, request: &Request) -> bool {
        let hit = self.0.get(&request.key).is_some();
        if !hit {
            self.0.insert(request.key, request.bytes);
        }
        hit
    }
}

struct Foyer(foyer_memory::Cache<u32, u64, Fixed>);

fn foyer(capacity: u64, policy: impl Into<EvictionConfig>) -> Foyer {
    let builder = foyer_memory::CacheBuilder::new(capacity as usize).with_shards(1).with_eviction_config(policy);
    let builder = builder.with_weighter(|_: &u32, bytes: &u64| *bytes as usize);
    Foyer(builder.with_hash_builder(Fixed::default()).build())
}

impl Replayed for Foyer {
    fn request(&mut self, request: &Request) -> bool {
        let hit = self.0.get(&request.key).is_some();
        if !hit {
            self.0.insert(request.key, request.bytes);
        }
        hit
    }
}

/// `TinyUFO` weighs in 16 bits: bytes are counted in units so large that the largest value fits.
struct TinyUfo {
    cache: tinyufo::TinyUfo<u32, ()>,
    unit: u64,
}

impl TinyUfo {
    fn new(trace: &Trace, capacity: u64) -> Self {
        let largest = trace.requests.iter().map(|request| request.bytes).max().unwrap_or(1);
        let unit = largest.div_ceil(u64::from(u16::MAX));
        let limit = ((capacity / unit) as usize).max(1);
        Self { cache: tinyufo::TinyUfo::new(limit, trace.entries(capacity)), unit }
    }
}

impl Replayed for TinyUfo {
    fn request(&mut self, request: &Request) -> bool {
        let hit = self.cache.get(&request.key).is_some();
        if !hit {
            self.cache.put(request.key, (), request.bytes.div_ceil(self.unit) as u16);
        }
        hit
    }
}
