//! How a value that a flight has loaded is served, then kept.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Entry, Error, ErrorKind, Freshness, Lifetime, Meta, Result, Stamp, Timestamp, ttl};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Origin;
use super::inner::Storing;
use super::leased::Leased;
use super::load::Loaded;
use super::near::Held;
use super::progress::Phase;
use super::stats::count;
use super::trip::{Found, Made, Trip};
use crate::guard::guarded;
use crate::tiered::{Telling, Write};

/// What was made, ready to be served and stored.
struct Finished<V> {
    value: Arc<V>,
    meta: Meta,
    /// Stamp of the entry whose value is still right.
    renewed: Option<Stamp>,
}

/// When a load began.
#[derive(Debug, Clone, Copy)]
struct Since {
    stamp: Stamp,
    gaps: u64,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Trip<V> {
    /// Answers with a value that was made, then stores it, unless it is out of date by now.
    pub(super) async fn keep(self, mut made: Made<V>) {
        let cache = &self.cache;
        let (obstacle, since, lease) = (made.obstacle, Since { stamp: made.since, gaps: made.gaps }, made.lease.take());
        let Finished { value, meta, renewed } = match self.finish(made) {
            Ok(finished) => finished,
            Err((error, standby)) => {
                count(&cache.counters.load_failures);
                return self.fail(error, standby);
            }
        };
        let origin = if renewed.is_some() { Origin::Revalidated } else { Origin::Loaded };
        let held = cache.hold(value, Arc::new(meta));
        if cache.flights.has(&self.key, &self.flight) && !self.is_outdated(&held, since) {
            cache.fill_near(&self.key, &self.stored, &held, &self.flight);
        }
        self.enter(Phase::Storing);
        // The flight stays on the table until the value is stored: who comes meanwhile is served by it.
        self.publish(held.clone(), origin, Freshness::Fresh, true);
        let stored = self.store(&held, renewed, since, obstacle, lease.as_ref()).await;
        let kept = match lease {
            Some(lease) => lease.give_back().await,
            None => true,
        };
        match stored {
            Ok(true) if kept => {}
            // A lost lease: its tokens decide in the tiers whose value stays.
            Ok(_) => {
                count(&cache.counters.superseded);
                cache.near.remove_same(&self.key, &held);
            }
            Err(error) => {
                tracing::warn!(cache = %cache.name, %error, "a loaded value was not stored");
                cache.counters.store_failed(error);
            }
        }
    }

    /// What was made, with the loader's decisions.
    fn finish(&self, made: Made<V>) -> Result<Finished<V>, (Error, Option<Found<V>>)> {
        let cache = &self.cache;
        let failed = |message| Error::new(ErrorKind::Load, message);
        let (value, mut meta, renewed, before) = match (made.loaded, &made.previous) {
            (Loaded::Value(value), _) => {
                let mut meta = cache.meta(made.stamp);
                meta.cost = made.cost;
                (Arc::new(value), meta, None, None)
            }
            (Loaded::NotModified, Some((held, _))) => {
                count(&cache.counters.not_modified);
                let (mut meta, before) = (Meta::clone(&held.meta), lifetime_of(&held.meta));
                (meta.stamp, meta.created) = (made.stamp, cache.clock.now());
                (held.value.clone(), meta, Some(held.stamp()), Some(before))
            }
            (Loaded::NotModified, None) => {
                let message =
                    "the loader answered that the value before is still right, but there is none: load it anew";
                return Err((failed(message), None));
            }
        };
        let lifetimes = *cache.lifetimes.read();
        meta = made.load.apply(meta, &lifetimes, before);
        if meta.valid_until <= cache.clock.now() {
            let message = "the loaded value is past its valid_until: see the loader's clock and source";
            return Err((failed(message), made.previous));
        }
        Ok(Finished { value, meta, renewed })
    }

    /// Stores what was made; false when it was out of date by then.
    async fn store(
        &self,
        held: &Arc<Held<V>>,
        renewed: Option<Stamp>,
        since: Since,
        obstacle: bool,
        lease: Option<&Leased>,
    ) -> Result<bool> {
        let cache = &self.cache;
        let body = if renewed.is_none() { Some(self.encoded(held).await) } else { None };
        // A flight that has been replaced on the table was invalidated for those who came later: what theirs loads
        // counts, and taking the turn would overtake it.
        if !cache.flights.has(&self.key, &self.flight) || self.is_outdated(held, since) {
            return Ok(false);
        }
        let Some(_rights) = cache.tiers.begin_fill(&self.flight.watch).await? else { return Ok(false) };
        cache.pauses.end(&self.key);
        if self.is_outdated(held, since) || lease.is_some_and(Leased::is_lost) {
            return Ok(false);
        }
        // Once more, over what a reader may have put there: from here on no one else fills it.
        cache.near.put(&self.key, held);
        if let Some(present) = renewed
            && cache.tiers.renew_held(&self.stored, present, Meta::clone(&held.meta)).await? == Write::Stored
        {
            return Ok(true);
        }
        let body = match body {
            Some(body) => body,
            // No tier has it any more.
            None => self.encoded(held).await,
        };
        let how = Storing { forecast: &self.wants.forecast, telling: Telling::Fill, newest: obstacle };
        match body {
            Ok(body) => cache.store_over(&self.stored, &mut Entry::new(Meta::clone(&held.meta), body), &how).await,
            Err(error) => cache.tiers.clear(&self.stored).await.and(Err(error)),
        }
    }

    /// Whether what was loaded since then was invalidated meanwhile, or may have been by another process.
    fn is_outdated(&self, held: &Held<V>, since: Since) -> bool {
        // The first is told when the backplane is first heard.
        if since.gaps > 1 && self.cache.tiers.gaps() != since.gaps {
            return true;
        }
        self.cache.tiers.is_outdated(&self.stored, since.stamp.min(held.stamp()), &held.meta.tags)
    }

    async fn encoded(&self, held: &Held<V>) -> Result<bytes::Bytes> {
        guarded(async { self.cache.codec.encode(&*held.value) }).await
    }
}

/// The lifetime that a value was given.
fn lifetime_of(meta: &Meta) -> Lifetime {
    let span = |from: Timestamp, to: Timestamp| if to == Timestamp::NEVER { Duration::MAX } else { to.since(from) };
    ttl(span(meta.created, meta.fresh_until)).stale(span(meta.fresh_until, meta.stale_until))
}
