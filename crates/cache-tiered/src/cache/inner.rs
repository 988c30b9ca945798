//! What the clones of a cache and its flights share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::{Clock, Entry, Error, ErrorKind, Freshness, Hlc, Key, Lifetime, Meta, Result, Stamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, watch};
use tokio::time::Instant;

use super::chain::Chain;
use super::flight::{Boarding, Flight, Flights, Landed};
use super::near::{Held, Near};
use super::pauses::Pauses;
use super::stats::{Counters, count};
use super::trip::{Loader, Trip, saved};
use super::{Codec, Hit, Origin};
use crate::Tiered;
use crate::fence::Watch;
use crate::guard::guarded;
use crate::tiered::Write;

pub(super) struct Inner<V> {
    /// The first part of every key in the tiers.
    pub(super) name: String,
    pub(super) tiers: Tiered,
    pub(super) near: Near<V>,
    pub(super) codec: Codec,
    /// [`Codec::name`], made once.
    pub(super) codec_name: Arc<str>,
    /// Of the type and its version.
    pub(super) schema: u64,
    pub(super) lifetime: Lifetime,
    pub(super) deadline: Duration,
    pub(super) backoff: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stamps: Hlc,
    pub(super) flights: Flights<V>,
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
    pub(super) found: Option<(Held<V>, Origin)>,
    /// Whether there is an entry that no new stamp would be newer than.
    pub(super) obstacle: bool,
    pub(super) error: Option<Error>,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Inner<V> {
    /// The fresh value of the near tier.
    pub(super) fn near_hit(&self, key: &Key) -> Option<Hit<V>> {
        let held = self.near.get(key)?;
        let now = self.clock.now();
        if held.freshness(now) != Freshness::Fresh {
            return None;
        }
        count(&self.counters.near_hits);
        self.counters.saved(held.cost);
        let age = now.since(held.created);
        Some(Hit { value: held.value, origin: Origin::Near, age, saved: held.cost, freshness: Freshness::Fresh })
    }

    /// Joins the flight of `key`, or begins one with `loader`; whether this call has begun it.
    pub(super) fn board(
        self: &Arc<Self>,
        key: &Key,
        force: bool,
        loader: &mut Option<Loader<V>>,
    ) -> Result<(Arc<Flight<V>>, bool)> {
        let stored = self.stored_key(key)?;
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Invalid, "there is no Tokio runtime: call this within one").with_source(error)
        })?;
        let (chain, identity) = (Chain::present(), Arc::as_ptr(self).addr());
        if chain.contains(identity, key) {
            let message = format!("a load of {key} asked for itself: it would wait forever");
            return Err(Error::new(ErrorKind::Invalid, message).with_key(key));
        }
        let mut ready = None;
        let start = || {
            let place = self.place("load")?;
            let loader = loader.take().ok_or_else(|| Error::new(ErrorKind::Internal, "a loader was used twice"))?;
            let (flight, answer) = Flight::new(self.tiers.watch(&stored));
            let trip = Trip {
                cache: self.clone(),
                key: key.clone(),
                stored,
                flight: flight.clone(),
                answer,
                force,
                chain: chain.and(identity, key.clone()),
                _place: place,
            };
            ready = Some(trip.run(loader));
            Ok(flight)
        };
        let boarding = self.flights.board(key, self.clock.now(), start).map_err(|error| error.with_key(key))?;
        // Off the table's lock: a runtime that has ended drops the trip here and now, and with it, it departs.
        if let Some(trip) = ready {
            runtime.spawn(trip);
        }
        Ok(match boarding {
            Boarding::Lead(flight) => (flight, true),
            Boarding::Join(flight) => (flight, false),
        })
    }

    /// Looks `key` up in the tiers.
    pub(super) async fn look(&self, stored: &Key) -> Looked<V> {
        let lookup = self.tiers.lookup(stored).await;
        let error = lookup.error.map(|error| error.with_key(stored));
        let Some(found) = lookup.found else { return Looked { found: None, obstacle: false, error } };
        let obstacle = !self.stamps.observe(found.entry.meta.stamp);
        let value = guarded(async { self.decode(&found.entry) }).await;
        let found = match value {
            Ok(value) => {
                let held = Held::new(Arc::new(value), &found.entry.meta);
                Some((held, Origin::Tier { index: found.tier, name: found.name }))
            }
            Err(error) => {
                tracing::debug!(cache = self.name, key = %stored, %error, "an entry is no value of this cache");
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
        near: Option<(Held<V>, Origin)>,
        below: Option<(Held<V>, Origin)>,
    ) -> Option<(Held<V>, Origin)> {
        let now = self.clock.now();
        let worth = |(held, _): &(Held<V>, Origin)| (held.freshness(now) == Freshness::Fresh, held.stamp);
        // Of equals, the last.
        below.into_iter().chain(near).max_by_key(worth)
    }

    /// Keeps a fresh value from a tier in the near tier.
    pub(super) fn fill_near(&self, key: &Key, held: &Held<V>, watch: &Watch) {
        if held.freshness(self.clock.now()) == Freshness::Fresh {
            self.near.fill(key, held.clone(), watch);
        }
    }

    /// The answer for one caller of a flight, counted.
    pub(super) fn hit(&self, landed: &Landed<V>, lead: bool, began: Instant) -> Hit<V> {
        let origin = match &landed.origin {
            Origin::Loaded if !lead => Origin::Joined,
            origin => origin.clone(),
        };
        self.serve(&landed.held, origin, landed.freshness, began)
    }

    pub(super) fn serve(&self, held: &Held<V>, origin: Origin, freshness: Freshness, began: Instant) -> Hit<V> {
        let saved = if origin == Origin::Loaded { Duration::ZERO } else { saved(held.cost, began) };
        self.counters.saved(saved);
        match origin {
            _ if freshness == Freshness::Stale => count(&self.counters.stale),
            Origin::Near => count(&self.counters.near_hits),
            Origin::Tier { .. } => count(&self.counters.tier_hits),
            Origin::Joined => count(&self.counters.joins),
            Origin::Loaded => {}
        }
        let age = self.clock.now().since(held.created);
        Hit { value: held.value.clone(), origin, age, saved, freshness }
    }

    /// Stores `entry`; false when a newer one is there. With `force` that one is removed first. An entry that is not
    /// kept, because it has expired or is too long for every tier, takes the one before it away all the same. The
    /// caller has the rights to the key.
    pub(super) async fn store_over(&self, stored: &Key, entry: &Entry, force: bool) -> Result<bool> {
        let mut answer = self.tiers.store(stored, entry).await;
        if force && matches!(answer, Ok(Write::Superseded(_))) {
            self.tiers.clear(stored).await?;
            answer = self.tiers.store(stored, entry).await;
        }
        match answer {
            Ok(Write::Stored) => Ok(true),
            Ok(Write::Superseded(_)) => Ok(false),
            Ok(Write::Expired) => self.tiers.clear(stored).await.map(|_| true),
            Err(error) => {
                if error.kind() == ErrorKind::TooLarge {
                    self.tiers.clear(stored).await?;
                }
                Err(error)
            }
        }
    }

    /// Meta of a value that is complete now.
    pub(super) fn meta(&self, stamp: Stamp) -> Meta {
        let mut meta = Meta::new(stamp, self.clock.now());
        meta.codec = Some(self.codec_name.clone());
        meta.schema = self.schema;
        meta
    }

    /// The key in the tiers: the cache's name, then the parts of `key`.
    pub(super) fn stored_key(&self, key: &Key) -> Result<Key> {
        Key::parse(&format!("{}:{key}", self.name))
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
