//! `CacheBuilder`: how a typed cache is set up.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cache_core::{Backend, Clock, Error, ErrorKind, HOUR, Hlc, Key, Lifetime, Result, ttl};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use super::flight::Flights;
use super::inner::Inner;
use super::near::Near;
use super::pauses::Pauses;
use super::stats::Counters;
use super::{Cache, Codec};
use crate::Tiered;

/// Sets up a [`Cache`].
#[must_use = "a builder is not a cache until it is built"]
pub struct CacheBuilder<V> {
    name: String,
    lifetime: Lifetime,
    near: u64,
    schema: u64,
    codec: Codec,
    deadline: Duration,
    backoff: Duration,
    max_loads: u32,
    tiers: Option<Tiered>,
    backend: Option<Arc<dyn Backend>>,
    clock: Option<Arc<dyn Clock>>,
    value: PhantomData<fn() -> V>,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> CacheBuilder<V> {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lifetime: ttl(HOUR),
            near: 1_000,
            schema: 0,
            codec: Codec::default(),
            deadline: HOUR,
            backoff: Duration::from_secs(1),
            max_loads: 10_000,
            tiers: None,
            backend: None,
            clock: None,
            value: PhantomData,
        }
    }

    /// Sets how long values are fresh and may stand in, where the loader does not say so itself. The default is fresh
    /// for an hour.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how many values are held decoded in this process. The default is 1,000; zero holds none.
    pub fn near(mut self, values: u64) -> Self {
        self.near = values;
        self
    }

    /// Sets the version of the value's type; the default is 0. Entries of another one are misses and are replaced:
    /// change it whenever a stored value may mean something else.
    ///
    /// Entries of a type of another [name](std::any::type_name) are misses anyway. The name may change with the
    /// compiler, and with the path of the type, which costs misses but never brings wrong values.
    pub fn schema(mut self, version: u64) -> Self {
        self.schema = version;
        self
    }

    /// Sets how values are encoded. The default is [`Codec::MessagePack`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets how long one load may take before it is stopped and its key is free again. The default is an hour.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how long, after a load failed and a stale value was served, the key is not loaded again. The default is a
    /// second.
    pub fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// Bounds the loads and writes under way; further ones are refused as
    /// [`Unavailable`](ErrorKind::Unavailable). The default is 10,000.
    pub fn max_loads(mut self, loads: u32) -> Self {
        self.max_loads = loads;
        self
    }

    /// Sets the tiers that values are stored in. Other caches may use them too, and [`Cache::close`] leaves them open.
    pub fn tiers(mut self, tiers: Tiered) -> Self {
        self.tiers = Some(tiers);
        self
    }

    /// Stores values in a single backend: short for a stack of one.
    pub fn backend(mut self, backend: impl Backend) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }

    /// Sets the source of time. The default is that of the tiers.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the name is no part of a key, when neither or both of
    /// [`tiers`](Self::tiers) and [`backend`](Self::backend) are given, or when no load is allowed.
    pub fn build(self) -> Result<Cache<V>> {
        let name = Key::of(&self.name).build()?;
        let invalid = |message| Error::new(ErrorKind::Invalid, message).with_backend(self.name.as_str());
        if self.max_loads == 0 || self.max_loads as usize > Semaphore::MAX_PERMITS {
            return Err(invalid("max_loads is out of range: give at least 1"));
        }
        let tiers = match (self.tiers, self.backend) {
            (Some(tiers), None) => tiers,
            (None, Some(backend)) => {
                let stack = Tiered::builder().name(self.name.as_str()).tier(backend);
                self.clock.iter().cloned().fold(stack, crate::TieredBuilder::clock).build()?
            }
            _ => return Err(invalid("a cache needs a place for its values: give either tiers or a backend")),
        };
        let clock = self.clock.unwrap_or_else(|| tiers.clock().clone());
        Ok(Cache(Arc::new(Inner {
            name: name.as_str().to_owned(),
            near: Near::new(self.near, clock.clone()),
            tiers,
            codec: self.codec,
            codec_name: Arc::from(self.codec.name()),
            schema: schema_of::<V>(self.schema),
            lifetime: self.lifetime,
            deadline: self.deadline,
            backoff: self.backoff,
            stamps: Hlc::new(clock.clone()),
            clock,
            flights: Flights::new(),
            pauses: Pauses::default(),
            counters: Counters::default(),
            tasks: Arc::new(Semaphore::new(self.max_loads as usize)),
            max_loads: self.max_loads,
            closed: AtomicBool::new(false),
            closing: watch::Sender::new(false),
        })))
    }
}

impl<V> fmt::Debug for CacheBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What entries are marked with: a hash (FNV-1a, the same in every process) of the type's name and version.
fn schema_of<V>(version: u64) -> u64 {
    let name = std::any::type_name::<V>().bytes();
    name.chain(version.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
