//! What the clones of a cache and its flights share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Clock, Entry, Error, ErrorKind, Freshness, Key, Mark, Meta, Result, Selector, Stamp, Timestamp};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, watch};
use tokio::time::Instant;

use super::flight::{Flight, Flights, Landed};
use super::load::Lifetimes;
use super::near::{Held, Near};
use super::pauses::{Pause, Pauses};
use super::request::Wants;
use super::stats::{Counters, count};
use super::trip::saved;
use super::{Codec, Hit, Origin};
use crate::fence::Watch;
use crate::guard::guarded;
use crate::tiered::{Listener, Telling, Write};
use crate::{Forecast, Lookup, Popularity, Tiered};

pub(super) struct Inner<V> {
    /// The first part of every key in the tiers.
    pub(super) name: Key,
    pub(super) tiers: Tiered,
    pub(super) near: Near<V>,
    pub(super) codec: Codec,
    /// [`Codec::name`], made once.
    pub(super) codec_name: Arc<str>,
    /// Of the type and its version.
    pub(super) schema: u64,
    pub(super) lifetimes: RwLock<Lifetimes>,
    pub(super) eager: Option<f64>,
    pub(super) grace: Duration,
    pub(super) deadline: Duration,
    pub(super) backoff: Duration,
    /// How long failures are repeated.
    pub(super) memory: Option<Duration>,
    pub(super) lease: Duration,
    /// What callers want who do not say so.
    pub(super) wants: Wants,
    pub(super) popularity: Option<Popularity>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) flights: Flights<V>,
    /// How often news from other processes may have been missed: what was read before is not kept.
    pub(super) gaps: AtomicU64,
    pub(super) pauses: Pauses,
    pub(super) counters: Counters,
    /// Places of flights, puts and removes.
    pub(super) tasks: Arc<Semaphore>,
    pub(super) max_loads: u32,
    pub(super) closed: AtomicBool,
    /// Tells loads to stop.
    pub(super) closing: watch::Sender<bool>,
}

/// What the tiers have under a key.
pub(super) struct Looked<V> {
    pub(super) found: Option<(Arc<Held<V>>, Origin)>,
    /// Whether there is an entry that no new stamp would be newer than.
    pub(super) obstacle: bool,
    pub(super) error: Option<Error>,
}

/// Since when a reader looks at a key.
pub(super) struct Seen<'a> {
    pub(super) watch: &'a Watch,
    /// The count of the backplane's gaps at that time.
    pub(super) gaps: u64,
}

/// How an entry is to be stored.
pub(super) struct Storing<'a> {
    pub(super) forecast: &'a Forecast,
    pub(super) telling: Telling,
    /// Whether it is newer than what is there, whatever the stamps say.
    pub(super) newest: bool,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Inner<V> {
    /// The value of the near tier that is fresh and not due for a refresh.
    pub(super) fn near_hit(&self, key: &Key) -> Option<(Hit<V>, Timestamp)> {
        let epoch = self.tiers.epoch();
        self.near.get_with(key, |kept, now| {
            kept.is_current(now, epoch).then(|| {
                kept.hit();
                let (created, saved) = (kept.created(), kept.cost());
                let (value, age) = (kept.value().clone(), now.since(created));
                (Hit { value, origin: Origin::Near, created, age, saved, freshness: Freshness::Fresh }, now)
            })
        })
    }

    /// Notes that a caller has asked for `key`.
    pub(super) fn asked(&self, key: &Key, now: Timestamp) {
        if let Some(popularity) = &self.popularity {
            popularity.hit_at(key, now);
        }
    }

    /// The value of the near tier, if no mark covers it.
    pub(super) fn near_valid(&self, key: &Key) -> Option<Arc<Held<V>>> {
        // Read before the marks are looked at: one that is added meanwhile is looked at next time.
        let epoch = self.tiers.epoch();
        let (held, is_checked) = self.near.get(key, epoch)?;
        if !is_checked {
            let stored = self.stored_key(key).ok()?;
            if self.is_covered(&stored, &held.meta) {
                self.near.remove_same(key, &held);
                return None;
            }
            self.near.check(key, &held, epoch);
        }
        Some(held)
    }

    /// Why `key` is not loaded again yet, if its load has just failed and nothing was invalidated since.
    pub(super) fn pause(&self, key: &Key, now: Timestamp) -> Option<Pause> {
        let pause = self.pauses.get(key, now)?;
        let stored = self.stored_key(key).ok()?;
        (!self.tiers.may_be_outdated(&stored, pause.began)).then_some(pause)
    }

    /// Whether a mark says that the entry of `stored` is out of date.
    pub(super) fn is_covered(&self, stored: &Key, meta: &Meta) -> bool {
        self.tiers.is_outdated(stored, meta.stamp, &meta.tags)
    }

    /// A value to be held near.
    pub(super) fn hold(&self, value: Arc<V>, meta: Arc<Meta>) -> Arc<Held<V>> {
        // Whoever keeps it near checks the marks after this.
        let epoch = self.tiers.epoch();
        Held::new(value, meta, self.eager, epoch)
    }

    /// What the tiers are told of a value that a caller with `wants` asks for.
    pub(super) fn expecting(&self, wants: &Wants) -> Forecast {
        wants.forecast.clone().expecting(self.counters.mean_load())
    }

    /// Looks `key` up in the tiers.
    pub(super) async fn look(&self, stored: &Key, forecast: &Forecast) -> Looked<V> {
        self.read(stored, self.tiers.lookup_for(stored, forecast).await).await
    }

    /// What an answer of the tiers means.
    pub(super) async fn read(&self, stored: &Key, lookup: Lookup) -> Looked<V> {
        let error = lookup.error.map(|error| error.with_key(stored));
        let Some(found) = lookup.found else { return Looked { found: None, obstacle: false, error } };
        let obstacle = !self.tiers.stamps().observe(found.entry.meta.stamp);
        let value = guarded(async { self.decode(&found.entry) }).await;
        let found = match value {
            Ok(value) => {
                let held = self.hold(Arc::new(value), Arc::new(found.entry.meta));
                Some((held, Origin::Tier { index: found.tier, name: found.name }))
            }
            Err(error) => {
                tracing::debug!(cache = %self.name, key = %stored, %error, "an entry is no value of this cache");
                count(&self.counters.undecodable);
                None
            }
        };
        Looked { found, obstacle, error }
    }

    fn decode(&self, entry: &Entry) -> Result<V> {
        let meta = &entry.meta;
        if meta.schema != self.schema || meta.codec.as_deref() != Some(self.codec.name()) {
            return Err(Error::new(ErrorKind::Corrupt, "the entry has another type, schema or codec"));
        }
        self.codec.decode(&entry.body)
    }

    /// The one that serves better: the fresh one, else the newer, else the nearer.
    pub(super) fn better(
        &self,
        near: Option<(Arc<Held<V>>, Origin)>,
        below: Option<(Arc<Held<V>>, Origin)>,
    ) -> Option<(Arc<Held<V>>, Origin)> {
        let now = self.clock.now();
        let worth = |(held, _): &(Arc<Held<V>>, Origin)| (held.freshness(now) == Freshness::Fresh, held.stamp());
        // Of equals, the last.
        below.into_iter().chain(near).max_by_key(worth)
    }

    /// Keeps what was read or loaded on `flight` in the near tier, unless it is out of date by now.
    pub(super) fn fill_near(&self, key: &Key, stored: &Key, held: &Arc<Held<V>>, flight: &Flight<V>) {
        let seen = Seen { watch: &flight.watch, gaps: flight.gaps };
        self.fill_near_seen(key, stored, held, &seen);
    }

    /// As [`fill_near`](Self::fill_near), for what was read without a flight.
    pub(super) fn fill_near_seen(&self, key: &Key, stored: &Key, held: &Arc<Held<V>>, seen: &Seen<'_>) {
        if held.freshness(self.clock.now()) != Freshness::Expired {
            self.near.fill(key, held, || {
                seen.watch.is_current()
                    && self.gaps.load(Ordering::Acquire) == seen.gaps
                    && !self.is_covered(stored, &held.meta)
                    && self.tiers.vouches_for(stored, held.stamp())
            });
        }
    }

    /// The answer for one caller of a flight, counted.
    pub(super) fn hit(&self, key: &Key, landed: &Landed<V>, lead: bool, began: Instant) -> Result<Hit<V>> {
        let now = self.clock.now();
        if landed.held.meta.valid_until <= now {
            let message = "the value has passed its valid_until before this caller took it: ask again";
            return Err(Error::new(ErrorKind::Load, message).with_operation("load").with_key(key));
        }
        let origin = match &landed.origin {
            Origin::Loaded | Origin::Revalidated if !lead => Origin::Joined,
            origin => origin.clone(),
        };
        Ok(self.serve_at(now, &landed.held, origin, landed.freshness, began))
    }

    pub(super) fn serve(&self, held: &Held<V>, origin: Origin, freshness: Freshness, began: Instant) -> Hit<V> {
        self.serve_at(self.clock.now(), held, origin, freshness, began)
    }

    fn serve_at(&self, now: Timestamp, held: &Held<V>, origin: Origin, freshness: Freshness, began: Instant) -> Hit<V> {
        let saved = if origin == Origin::Loaded { Duration::ZERO } else { saved(held.cost(), began) };
        self.counters.saved(saved);
        match origin {
            _ if freshness == Freshness::Stale => count(&self.counters.stale),
            Origin::Near => count(&self.counters.near_hits),
            Origin::Tier { .. } => count(&self.counters.tier_hits),
            Origin::Joined => count(&self.counters.joins),
            Origin::Loaded | Origin::Revalidated => {}
        }
        let (value, created) = (held.value.clone(), held.meta.created);
        Hit { value, origin, created, age: now.since(created), saved, freshness }
    }

    /// Stores `entry`; false when it is out of date already. An entry that is not kept, because it has expired or is too
    /// long for every tier, takes the one before it away all the same. The caller has the rights to the key.
    ///
    /// # Errors
    /// Those of the tiers; for a caller's write that an invalidation covers which no stamp would be newer than, because
    /// it is from a clock far ahead, [`ErrorKind::Unavailable`].
    pub(super) async fn store_over(&self, stored: &Key, entry: &mut Entry, how: &Storing<'_>) -> Result<bool> {
        let forecast = how.forecast.completed(entry);
        let mut answer = self.tiers.store_for(stored, entry, &forecast, how.telling).await;
        if let Ok(Write::Superseded(newer)) = answer
            && how.newest
        {
            let followed = self.tiers.stamps().observe(newer);
            if followed && how.telling == Telling::Fill {
                return Ok(false);
            }
            if !followed {
                // No stamp would be newer than that of a clock so far ahead.
                self.tiers.clear(stored).await?;
            }
            entry.meta.stamp = self.tiers.stamps().tick();
            answer = self.tiers.store_for(stored, entry, &forecast, how.telling).await;
        }
        match answer {
            Ok(Write::Stored | Write::Unwanted) => Ok(true),
            Ok(Write::Covered(mark)) if how.telling == Telling::Write && !self.tiers.stamps().observe(mark) => {
                let message = "an invalidation made by a clock far ahead covers it: set the clocks right";
                Err(Error::new(ErrorKind::Unavailable, message).with_operation("put").with_key(stored))
            }
            // Another process's newer write counts, wherever it is; what is here is older than this one.
            Ok(Write::Superseded(_)) if how.telling == Telling::Write => {
                self.tiers.withdraw(stored, entry.meta.stamp).await.map(|_| false)
            }
            Ok(Write::Superseded(_) | Write::Covered(_) | Write::Absent) => Ok(false),
            Ok(Write::Expired) => self.drop_before(stored, entry, how.telling).await.map(|_| true),
            Err(error) => {
                if error.kind() == ErrorKind::TooLarge {
                    self.drop_before(stored, entry, how.telling).await?;
                }
                Err(error)
            }
        }
    }

    /// Drops what is in the tiers before a value that is not kept there. Only a caller's write is told to others.
    async fn drop_before(&self, stored: &Key, entry: &Entry, telling: Telling) -> Result<bool> {
        match telling {
            Telling::Write => self.tiers.retire(stored).await,
            Telling::Fill => self.tiers.withdraw(stored, entry.meta.stamp).await,
        }
    }

    /// Meta of a value that is complete now.
    pub(super) fn meta(&self, stamp: Stamp) -> Meta {
        let mut meta = Meta::new(stamp, self.clock.now());
        meta.codec = Some(self.codec_name.clone());
        meta.schema = self.schema;
        meta
    }

    /// A place for a task.
    pub(super) fn place(&self, operation: &'static str) -> Result<OwnedSemaphorePermit> {
        self.check_open(operation)?;
        self.tasks.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::Closed => self.closed(operation),
            TryAcquireError::NoPermits => {
                let message = format!("{} loads are under way, as many as may be: ask again later", self.max_loads);
                Error::new(ErrorKind::Unavailable, message).with_operation(operation)
            }
        })
    }

    pub(super) fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(self.closed(operation)) } else { Ok(()) }
    }

    pub(super) fn closed(&self, operation: &'static str) -> Error {
        let message = format!("the cache {} was closed: build a new one", self.name);
        Error::new(ErrorKind::Closed, message).with_operation(operation)
    }
}

impl<V> Inner<V> {
    /// The key in the tiers: the cache's name, then the parts of `key`.
    pub(super) fn stored_key(&self, key: &Key) -> Result<Key> {
        Key::parse(&format!("{}:{key}", self.name))
    }
}

impl<V: Send + Sync> Listener for Inner<V> {
    /// Values that a mark of many keys covers are found out when they are asked for.
    fn marked(&self, mark: &Mark) {
        if let Selector::Key(stored) = &mark.selector
            && let Some(rest) = stored.as_str().strip_prefix(self.name.as_str()).and_then(|rest| rest.strip_prefix(':'))
            && let Ok(key) = Key::parse(rest)
        {
            self.near.remove_older(&key, mark.stamp);
            self.pauses.end(&key);
        }
    }

    fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::AcqRel);
        self.near.clear();
    }
}
