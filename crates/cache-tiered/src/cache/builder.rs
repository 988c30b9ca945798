//! `CacheBuilder`: how a typed cache is set up.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::{Backend, Clock, Error, ErrorKind, HOUR, Key, Lifetime, MINUTE, Result, ttl};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use super::class::Class;
use super::flight::Flights;
use super::inner::Inner;
use super::load::Lifetimes;
use super::near::Near;
use super::pauses::Pauses;
use super::request::{Goal, Wants};
use super::stats::Counters;
use super::traffic::Urgency;
use super::{Cache, Codec};
use crate::fnv::fnv1a;
use crate::{Forecast, Popularity, Tiered};

/// The longest span that settings count in full: a year.
const MOST: Duration = Duration::from_hours(24 * 365);
/// The longest load.
const MOST_DEADLINE: Duration = Duration::from_hours(24 * 7);

/// Sets up a [`Cache`].
#[must_use = "a builder is not a cache until it is built"]
pub struct CacheBuilder<V> {
    name: String,
    lifetime: Lifetime,
    near: u64,
    schema: u64,
    codec: Codec,
    partial: Lifetime,
    empty: Lifetime,
    jitter: f64,
    eager: Option<f64>,
    soft: Option<Duration>,
    hard: Option<Duration>,
    grace: Duration,
    deadline: Duration,
    backoff: Duration,
    memory: Option<Duration>,
    lease: Duration,
    class: Option<Class>,
    max_loads: u32,
    popularity: Option<Popularity>,
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
            partial: ttl(MINUTE),
            empty: ttl(MINUTE),
            jitter: 0.0,
            eager: None,
            soft: Some(Duration::ZERO),
            hard: None,
            grace: Duration::from_secs(30),
            deadline: HOUR,
            backoff: Duration::from_secs(1),
            memory: None,
            lease: Duration::from_secs(30),
            class: None,
            max_loads: 10_000,
            popularity: None,
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

    /// Sets the lifetime of values that their loader calls [partial](crate::Load::set_partial). The default is fresh for
    /// a minute.
    pub fn partial(mut self, lifetime: Lifetime) -> Self {
        self.partial = lifetime;
        self
    }

    /// Sets the lifetime of values that their loader calls [empty](crate::Load::set_empty). The default is fresh for a
    /// minute; a lifetime of zero does not keep them.
    pub fn empty(mut self, lifetime: Lifetime) -> Self {
        self.empty = lifetime;
        self
    }

    /// Sets the share, between 0 and 1, by which the freshness of a value may be shorter, so that values made at once
    /// do not end at once. The default is 0.
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Sets the share of its freshness, between 0 and 1, after which a value that is asked for is refreshed behind the
    /// answer. The default is not to refresh what is fresh.
    pub fn eager(mut self, share: f64) -> Self {
        self.eager = Some(share);
        self
    }

    /// Sets how long a stale value is held back in the hope of a fresh one. The default is zero: it is served at once,
    /// and refreshed behind the answer.
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.soft = Some(limit);
        self
    }

    /// Lets a stale value stand in only for a load that failed, however long that takes.
    pub fn stale_on_failure_only(mut self) -> Self {
        self.soft = None;
        self
    }

    /// Sets how long a caller waits at most; the load goes on without it. None has begun while the tiers have not yet
    /// told what is out of date in them. The default is as long as it takes.
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.hard = Some(limit);
        self
    }

    /// Sets how long a load goes on after the last caller has left. The default is 30 seconds. A load that refreshes
    /// behind an answer goes on in any case.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace.min(MOST);
        self
    }

    /// Repeats the failure of a load for `span` to whoever asks, without a new load. The default is to start anew.
    pub fn remember_failures(mut self, span: Duration) -> Self {
        self.memory = Some(span);
        self
    }

    /// Sets for how long a lease is taken where a tier offers them; it is renewed three times in that span. The default
    /// is 30 seconds.
    pub fn lease(mut self, span: Duration) -> Self {
        self.lease = span.min(MOST);
        self
    }

    /// Puts the loads of this cache into `class`, where the caller names no other one.
    pub fn class(mut self, class: &Class) -> Self {
        self.class = Some(class.clone());
        self
    }

    /// Counts in `popularity` how often callers ask for which key, under the keys as they give them. What is asked
    /// [behind](crate::Request::behind) does not count, nor does [`Cache::get`].
    pub fn popularity(mut self, popularity: Popularity) -> Self {
        self.popularity = Some(popularity);
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

    /// Sets how long one load may take before it is stopped and its key is free again, seven days at most: a removal is
    /// kept in shared tiers for a day longer, so that no load that began before it ends after. The default is an hour.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.min(MOST_DEADLINE);
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
    /// [`ErrorKind::Invalid`] when the name is no part of a key or that of the tiers' marks, when neither or both of
    /// [`tiers`](Self::tiers) and [`backend`](Self::backend) are given, when no load is allowed, when a lease is shorter
    /// than 100 ms, or when a share is not between 0 and 1.
    pub fn build(self) -> Result<Cache<V>> {
        let name = Key::of(&self.name).build()?;
        self.check()?;
        let tiers = match (self.tiers, self.backend) {
            (Some(tiers), None) => tiers,
            (None, Some(backend)) => {
                let stack = Tiered::builder().name(self.name.as_str()).tier(backend);
                self.clock.iter().cloned().fold(stack, crate::TieredBuilder::clock).build()?
            }
            _ => {
                return Err(invalid(
                    &self.name,
                    "a cache needs a place for its values: give either tiers or a backend",
                ));
            }
        };
        let clock = self.clock.unwrap_or_else(|| tiers.clock().clone());
        let wants = Wants {
            goal: Goal::Fresh,
            soft: self.soft,
            hard: self.hard,
            class: self.class,
            forecast: Forecast::default(),
            urgency: Urgency::Awaited,
        };
        let inner = Arc::new(Inner {
            near: Near::new(self.near, clock.clone()),
            name,
            codec: self.codec,
            codec_name: Arc::from(self.codec.name()),
            schema: schema_of::<V>(self.schema),
            lifetimes: RwLock::new(Lifetimes {
                whole: self.lifetime,
                partial: self.partial,
                empty: self.empty,
                jitter: self.jitter,
            }),
            eager: self.eager,
            grace: self.grace,
            deadline: self.deadline,
            backoff: self.backoff,
            memory: self.memory,
            lease: self.lease,
            wants,
            popularity: self.popularity,
            clock,
            flights: Flights::new(),
            gaps: AtomicU64::new(0),
            pauses: Pauses::default(),
            counters: Counters::default(),
            tasks: Arc::new(Semaphore::new(self.max_loads as usize)),
            max_loads: self.max_loads,
            closed: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            tiers,
        });
        let listener: Weak<Inner<V>> = Arc::downgrade(&inner);
        inner.tiers.listen(listener);
        Ok(Cache(inner))
    }

    fn check(&self) -> Result<()> {
        if self.max_loads == 0 || self.max_loads as usize > Semaphore::MAX_PERMITS {
            return Err(invalid(&self.name, "max_loads is out of range: give at least 1"));
        }
        if self.lease < Duration::from_millis(100) {
            return Err(invalid(&self.name, "a lease of less than 100 ms cannot be renewed in time: take seconds"));
        }
        if self.name == crate::tiered::MARKS {
            return Err(invalid(&self.name, "the tiers keep invalidations below this name: choose another one"));
        }
        let share = 0.0..=1.0;
        if !share.contains(&self.jitter) || self.eager.is_some_and(|eager| !share.contains(&eager)) {
            return Err(invalid(&self.name, "jitter and eager are shares: give numbers between 0 and 1"));
        }
        Ok(())
    }
}

impl<V> fmt::Debug for CacheBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

fn invalid(name: &str, message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message).with_backend(name)
}

/// What entries are marked with: a hash, the same in every process, of the type's name and version.
fn schema_of<V>(version: u64) -> u64 {
    fnv1a(std::any::type_name::<V>().bytes().chain(version.to_le_bytes()))
}
