//! `Trip`: the task of one flight: look, load, tell those who wait, store.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Freshness, Key, Result, Stamp};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::Origin;
use super::flight::{Flight, Landed};
use super::inner::Inner;
use super::leased::Leased;
use super::load::{Load, Loaded};
use super::near::Held;
use super::pauses::Pause;
use super::progress::{Phase, Report};
use super::request::{Goal, Wants};
use super::stats::count;

/// What the producer of a value answers with when it fails.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A loader, its type forgotten. It is given the value before.
pub(super) type Loader<V> =
    Box<dyn FnOnce(Load, Option<Arc<V>>) -> BoxFuture<'static, Result<Loaded<V>, Failure>> + Send>;
/// A value and where it was found.
pub(super) type Found<V> = (Arc<Held<V>>, Origin);

/// Forgets the type of a loader that always makes a value.
pub(super) fn boxed<V, L, F, E>(loader: L) -> Loader<V>
where
    L: FnOnce(Load) -> F + Send + 'static,
    F: Future<Output = Result<V, E>> + Send + 'static,
    E: Into<Failure>,
{
    Box::new(|load, _| Box::pin(async move { loader(load).await.map(Loaded::Value).map_err(Into::into) }))
}

/// One flight on its way. Dropped, it has left the table, and those who still wait are told.
pub(super) struct Trip<V> {
    pub(super) cache: Arc<Inner<V>>,
    pub(super) key: Key,
    /// The key in the tiers.
    pub(super) stored: Key,
    pub(super) flight: Arc<Flight<V>>,
    /// What the one who began it wants.
    pub(super) wants: Wants,
    /// Says in the end what came of it.
    pub(super) span: tracing::Span,
    pub(super) _place: OwnedSemaphorePermit,
}

/// What a search through near tier and tiers came to.
pub(super) struct Search<V> {
    /// The best value there is.
    pub(super) best: Option<Found<V>>,
    /// Whether there is an entry that no new stamp would be newer than.
    pub(super) obstacle: bool,
    /// What would do.
    pub(super) goal: Goal,
    /// After a wait for another process: the stamp of what was there before.
    pub(super) before: Option<Stamp>,
}

/// How a flight came by its answer.
pub(super) enum Obtained<V> {
    Found(Found<V>, Freshness),
    Made(Made<V>),
    Failed(Error, Option<Found<V>>),
    /// A failure from before, told again.
    Repeated(Error),
}

/// What a loader has made.
pub(super) struct Made<V> {
    pub(super) loaded: Loaded<V>,
    pub(super) load: Load,
    pub(super) stamp: Stamp,
    /// What was invalidated after this stamp of this process puts it out of date.
    pub(super) since: Stamp,
    /// As [`Tiered::gaps`](crate::Tiered) at that stamp.
    pub(super) gaps: u64,
    pub(super) cost: Duration,
    /// The value before.
    pub(super) previous: Option<Found<V>>,
    pub(super) obstacle: bool,
    /// Held until the value is stored.
    pub(super) lease: Option<Leased>,
}

impl<V> Obtained<V> {
    /// One word for traces.
    fn name(&self) -> &str {
        match self {
            Self::Found((_, origin), _) => origin.name(),
            Self::Made(_) => "loaded",
            Self::Failed(error, _) | Self::Repeated(error) => error.kind().name(),
        }
    }
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Trip<V> {
    pub(super) async fn run(self, loader: Loader<V>) {
        let mut closing = self.cache.closing.subscribe();
        let obtained = tokio::select! {
            biased;
            obtained = self.obtain(loader) => obtained,
            () = self.deserted() => {
                count(&self.cache.counters.abandoned);
                let message = "the load was stopped, because nobody waited for it any more";
                Obtained::Failed(Error::new(ErrorKind::Unavailable, message), None)
            }
            () = told(&mut closing) => Obtained::Failed(self.cache.closed("load"), None),
        };
        self.span.record("outcome", obtained.name());
        match obtained {
            Obtained::Found((held, origin), freshness) => {
                // For a refresh, what another process has loaded since will do.
                let tried = self.wants.goal == Goal::Load;
                self.land(held, origin, freshness, tried);
            }
            Obtained::Made(made) => self.keep(made).await,
            Obtained::Failed(error, standby) => self.fail(error, standby),
            Obtained::Repeated(error) => self.refuse(error),
        }
    }

    async fn obtain(&self, loader: Loader<V>) -> Obtained<V> {
        let mut search = self.search(self.wants.goal, None).await;
        if let Some(found) = self.sufficient(&search) {
            search.goal = Goal::Current;
            if self.wants.goal == Goal::Current || self.sufficient(&search).is_some() {
                dismiss(loader);
                return found;
            }
            // Fresh, and shown to those who wait; the refresh that is due goes on behind them.
            self.cache.keep(&self.flight);
        }
        if search.best.is_none() {
            count(&self.cache.counters.misses);
            let pause = self.cache.pause(&self.key, self.cache.clock.now());
            if let Some(failure) = pause.and_then(|pause| pause.failure).filter(|_| self.wants.goal != Goal::Load) {
                count(&self.cache.counters.repeated_failures);
                dismiss(loader);
                return Obtained::Repeated(failure);
            }
        }
        match self.right_to_load(&mut search).await {
            Ok(right) => self.load(loader, search, right).await,
            Err(obtained) => {
                dismiss(loader);
                obtained
            }
        }
    }

    /// Looks for the best value, and shows it to those who do not wait for a load. In the tiers, it looks on past those
    /// that are not newer than `beyond`.
    pub(super) async fn search(&self, goal: Goal, beyond: Option<Stamp>) -> Search<V> {
        let near = self.cache.near_valid(&self.key).map(|held| (held, Origin::Near));
        if let Some((held, origin)) = &near {
            if self.cache.suffices(&self.key, held, goal).is_some() {
                return Search { best: near, obstacle: false, goal, before: None };
            }
            self.flight.stand_by(held.clone(), origin.clone());
        }
        let looked = self.cache.look(&self.stored, &self.cache.expecting(&self.wants).beyond(beyond)).await;
        let best = self.cache.better(near, looked.found);
        if let Some((held, origin)) = &best {
            self.cache.fill_near(&self.key, &self.stored, held, &self.flight);
            self.flight.stand_by(held.clone(), origin.clone());
            self.flight.report.send_if_modified(|report| {
                report.expect(held.cost());
                false
            });
        }
        Search { best, obstacle: looked.obstacle, goal, before: None }
    }

    /// The end of the flight, if what was found makes a load needless.
    pub(super) fn sufficient(&self, search: &Search<V>) -> Option<Obtained<V>> {
        let (held, origin) = search.best.as_ref()?;
        let now = self.cache.clock.now();
        let (freshness, origin) = match self.cache.suffices(&self.key, held, search.goal) {
            // What another process was loading when this was asked for.
            None if search.before.is_some_and(|before| held.stamp() > before) && held.is_current(now) => {
                (Freshness::Fresh, &Origin::Joined)
            }
            sufficient => (sufficient?, origin),
        };
        Some(Obtained::Found((held.clone(), origin.clone()), freshness))
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.flight.report.send_modify(|report: &mut Report| report.enter(phase));
    }

    /// Waits until nobody has waited for the flight for all of the grace, and it has left the table for that.
    async fn deserted(&self) {
        loop {
            self.flight.abandoned(self.cache.grace).await;
            if self.cache.flights.desert(&self.key, &self.flight) {
                return;
            }
        }
    }

    /// Answers with the value that stands by, else with the error.
    pub(super) fn fail(self, error: Error, standby: Option<Found<V>>) {
        let cache = &self.cache;
        let now = cache.clock.now();
        if let Some((held, origin)) = standby.filter(|_| error.kind() != ErrorKind::Closed)
            && cache.may_stand_in(&self.flight, &self.key, &held)
        {
            tracing::warn!(cache = %cache.name, %error, "a load failed: serving the value before it");
            self.pause(cache.backoff, None);
            let freshness = held.freshness(now);
            return self.land(held, origin, freshness, true);
        }
        let error = error.with_operation("load").with_key(&self.key);
        if let Some(memory) = cache.memory.filter(|_| matches!(error.kind(), ErrorKind::Load | ErrorKind::Timeout)) {
            self.pause(memory, Some(error.clone()));
        }
        self.refuse(error);
    }

    /// Notes that the load failed, unless something has made that out of date.
    fn pause(&self, span: Duration, failure: Option<Error>) {
        let (cache, now) = (&self.cache, self.cache.clock.now());
        if self.flight.watch.is_current() && cache.flights.has(&self.key, &self.flight) {
            cache.pauses.add(
                &self.key,
                Pause { since: now, end: now.after(span), began: self.flight.began(), failure },
                now,
            );
        }
    }

    /// Ends without a value.
    fn refuse(self, error: Error) {
        self.cache.flights.depart(&self.key, &self.flight);
        self.flight.answer(Err(error));
    }

    /// Ends with a value that was found.
    fn land(self, held: Arc<Held<V>>, origin: Origin, freshness: Freshness, tried: bool) {
        self.cache.flights.depart(&self.key, &self.flight);
        self.publish(held, origin, freshness, tried);
    }

    pub(super) fn publish(&self, held: Arc<Held<V>>, origin: Origin, freshness: Freshness, tried: bool) {
        self.flight.answer(Ok(Arc::new(Landed { held, origin, freshness, tried })));
    }
}

impl<V> Drop for Trip<V> {
    fn drop(&mut self) {
        self.cache.flights.depart(&self.key, &self.flight);
        self.flight.end();
    }
}

/// How long an answer took off what it once cost to load.
pub(super) fn saved(cost: Duration, began: Instant) -> Duration {
    cost.saturating_sub(began.elapsed())
}

/// Waits until the cache closes. What the channel lends is given back here: a loader that is dropped meanwhile may
/// close the cache.
async fn told(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Drops a loader that is not needed: its panic then is nobody's business.
fn dismiss<V>(loader: Loader<V>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(loader)));
}
