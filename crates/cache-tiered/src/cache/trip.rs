//! `Trip`: the task of one flight: look, load, tell those who wait, store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Entry, Error, ErrorKind, Freshness, Key, Meta, Result};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};

use super::chain::Chain;
use super::flight::{Answer, Flight, Landed};
use super::near::Held;
use super::stats::count;
use super::{Inner, Load, Origin};
use crate::guard::{guarded, panic_message};

/// What the producer of a value answers with when it fails.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A loader, its type forgotten.
pub(super) type Loader<V> = Box<dyn FnOnce(Load) -> BoxFuture<'static, Result<V, Failure>> + Send>;

/// Forgets the type of a loader.
pub(super) fn boxed<V, L, F, E>(loader: L) -> Loader<V>
where
    L: FnOnce(Load) -> F + Send + 'static,
    F: Future<Output = Result<V, E>> + Send + 'static,
    E: Into<Failure>,
{
    Box::new(|load| Box::pin(async move { loader(load).await.map_err(Into::into) }))
}

/// One flight on its way. Dropped, it has left the table, and those who still wait are told.
pub(super) struct Trip<V> {
    pub(super) cache: Arc<Inner<V>>,
    pub(super) key: Key,
    /// The key in the tiers.
    pub(super) stored: Key,
    pub(super) flight: Arc<Flight<V>>,
    pub(super) answer: watch::Sender<Option<Answer<V>>>,
    /// Whether to load although there is a fresh value.
    pub(super) force: bool,
    /// The loads that this one runs within, and itself.
    pub(super) chain: Chain,
    pub(super) _place: OwnedSemaphorePermit,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Trip<V> {
    pub(super) async fn run(self, loader: Loader<V>) {
        let near = self.cache.near.get(&self.key).map(|held| (held, Origin::Near));
        if let Some((held, origin)) = &near
            && let Some(freshness) = self.suffices(held)
        {
            return self.land(held.clone(), origin.clone(), freshness, false);
        }
        let looked = self.cache.look(&self.stored).await;
        let best = self.cache.better(near, looked.found);
        if let Some((held, origin)) = &best
            && let Some(freshness) = self.suffices(held)
        {
            self.cache.fill_near(&self.key, held, &self.flight.watch);
            return self.land(held.clone(), origin.clone(), freshness, false);
        }
        if best.is_none() {
            count(&self.cache.counters.misses);
        }
        self.load(loader, best, looked.obstacle).await;
    }

    /// How fresh a value is that was found, if it makes a load needless.
    fn suffices(&self, held: &Held<V>) -> Option<Freshness> {
        let now = self.cache.clock.now();
        let freshness = held.freshness(now);
        let enough = match freshness {
            Freshness::Fresh => true,
            Freshness::Stale => self.cache.pauses.has(&self.key, now),
            _ => false,
        };
        (enough && !self.force).then_some(freshness)
    }

    async fn load(self, loader: Loader<V>, standby: Option<(Held<V>, Origin)>, obstacle: bool) {
        let cache = &self.cache;
        let load = Load::new(self.key.clone());
        let stamp = cache.stamps.tick();
        let begun = Instant::now();
        count(&cache.counters.loads);
        let produced = self.produce(loader, load.clone()).await;
        let cost = begun.elapsed();
        cache.counters.loaded_for(cost);
        match produced {
            Ok(value) => {
                let mut meta = load.apply(cache.meta(stamp), cache.lifetime);
                meta.cost = cost;
                if meta.valid_until <= cache.clock.now() {
                    let message = "the loaded value is past its valid_until: see the loader's clock and source";
                    return self.fail(Error::new(ErrorKind::Load, message), standby);
                }
                self.keep(Arc::new(value), meta, obstacle).await;
            }
            Err(error) => self.fail(error, standby),
        }
    }

    /// Runs the loader in a task of its own, so that its panic and even its blocking stay there.
    async fn produce(&self, loader: Loader<V>, load: Load) -> Result<V> {
        let deadline = self.cache.deadline;
        let mut closing = self.cache.closing.subscribe();
        let mut task = tokio::spawn(self.chain.clone().scope(async move { loader(load).await }));
        let ended = tokio::select! {
            biased;
            ended = timeout(deadline, &mut task) => ended,
            _ = closing.wait_for(|closing| *closing) => {
                task.abort();
                return Err(self.cache.closed("load"));
            }
        };
        match ended {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(failure))) => {
                Err(Error::new(ErrorKind::Load, format!("the loader failed: {failure}")).with_source(failure))
            }
            Ok(Err(end)) => Err(unfinished(end)),
            Err(_) => {
                task.abort();
                let message = format!("the load was stopped after its deadline of {deadline:?}");
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    /// Answers with a value that was loaded, then stores it, unless the key was written meanwhile.
    async fn keep(self, value: Arc<V>, meta: Meta, obstacle: bool) {
        let cache = &self.cache;
        let held = Held::new(value.clone(), &meta);
        cache.near.fill(&self.key, held.clone(), &self.flight.watch);
        // The flight stays on the table until the value is stored: who comes meanwhile is served by it.
        self.publish(held.clone(), Origin::Loaded, Freshness::Fresh, true);
        let store = async {
            let body = guarded(async { cache.codec.encode(&*value) }).await;
            let Some(_rights) = cache.tiers.begin_fill(&self.flight.watch).await? else { return Ok(false) };
            cache.pauses.end(&self.key);
            // Once more, over what a reader may have put there: from here on no one else fills it.
            cache.near.put(&self.key, held);
            let stored = match body {
                Ok(body) => cache.store_over(&self.stored, &Entry::new(meta, body), obstacle).await,
                Err(error) => cache.tiers.clear(&self.stored).await.and(Err(error)),
            };
            if let Ok(false) = stored {
                cache.near.remove(&self.key);
            }
            stored
        };
        match store.await {
            Ok(true) => {}
            Ok(false) => count(&cache.counters.superseded),
            Err(error) => {
                tracing::warn!(cache = cache.name, %error, "a loaded value was not stored");
                cache.counters.store_failed(error);
            }
        }
    }

    /// Answers with the value that stands by, else with the error.
    fn fail(self, error: Error, standby: Option<(Held<V>, Origin)>) {
        let cache = &self.cache;
        count(&cache.counters.load_failures);
        let now = cache.clock.now();
        // What was written meanwhile takes the right to stand in away.
        let may_stand_in = error.kind() != ErrorKind::Closed && self.flight.watch.is_current();
        if let Some((held, origin)) = standby.filter(|_| may_stand_in)
            && let freshness = held.freshness(now)
            && freshness != Freshness::Expired
        {
            tracing::warn!(cache = cache.name, %error, "a load failed: serving the value before it");
            cache.pauses.add(&self.key, now.after(cache.backoff), now);
            return self.land(held, origin, freshness, true);
        }
        cache.flights.depart(&self.key, &self.flight);
        self.answer.send_replace(Some(Err(error.with_operation("load").with_key(&self.key))));
    }

    /// Ends with a value that was found.
    fn land(self, held: Held<V>, origin: Origin, freshness: Freshness, tried: bool) {
        self.cache.flights.depart(&self.key, &self.flight);
        self.publish(held, origin, freshness, tried);
    }

    fn publish(&self, held: Held<V>, origin: Origin, freshness: Freshness, tried: bool) {
        self.answer.send_replace(Some(Ok(Arc::new(Landed { held, origin, freshness, tried }))));
    }
}

impl<V> Drop for Trip<V> {
    fn drop(&mut self) {
        self.cache.flights.depart(&self.key, &self.flight);
    }
}

fn unfinished(end: JoinError) -> Error {
    match end.try_into_panic() {
        Ok(panic) => Error::new(ErrorKind::Load, format!("the loader panicked: {}", panic_message(&*panic))),
        Err(_) => Error::new(ErrorKind::Unavailable, "the load ended with its runtime"),
    }
}

/// How long an answer took off what it once cost to load.
pub(super) fn saved(cost: Duration, began: Instant) -> Duration {
    cost.saturating_sub(began.elapsed())
}
