//! How a flight comes to run its loader: with the fleet's leave, in its class, within its deadline.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result, Stamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout, timeout_at};

use super::class::Class;
use super::inner::Inner;
use super::leased::Leased;
use super::load::{Load, Loaded};
use super::progress::Phase;
use super::request::Goal;
use super::stats::count;
use super::traffic::{Place, within};
use super::trip::{Failure, Loader, Made, Obtained, Search, Trip};
use crate::guard::{discard, panic_message};
use crate::metrics::{LoadEnd, load_ended};

/// Pauses between looks for what another process loads: the first, and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Trip<V> {
    /// Waits for a place in the class, then takes the lease of the key, where a tier offers leases. While another
    /// process loads, the place is left to others; what comes up meanwhile ends the flight.
    pub(super) async fn right_to_load(&self, search: &mut Search<V>) -> Result<Right, Obtained<V>> {
        let mut wait = Elsewhere::new(self.cache.deadline);
        loop {
            let failed = |error| Obtained::Failed(error, search.best.clone());
            let place = self.place_in_class().await.map_err(failed)?;
            let (since, gaps) = (self.cache.tiers.stamps().tick(), self.cache.tiers.gaps());
            self.flight.begin_anew(since);
            self.enter(Phase::Searching);
            let Some(leases) = self.cache.tiers.leases() else { return Ok(Right { place, lease: None, since, gaps }) };
            match leases.take(&self.stored, since, self.cache.lease).await {
                Ok(Some(lease)) => {
                    let lease = Leased::new(leases, lease, self.cache.lease);
                    // Another process may have stored a value between the search and the lease.
                    let known = search.before.unwrap_or_else(|| newest(search));
                    *search = Search { before: search.before, ..self.search(search.goal, Some(known)).await };
                    return self.sufficient(search).map_or(Ok(Right { place, lease: Some(lease), since, gaps }), Err);
                }
                Ok(None) => {
                    drop(place);
                    self.enter(Phase::Elsewhere);
                    if wait.is_first() {
                        count(&self.cache.counters.elsewhere);
                        self.look_through(search).await?;
                    }
                    self.look_later(&mut wait, search).await?;
                }
                Err(error) => {
                    tracing::warn!(cache = %self.cache.name, %error, "no lease to be had: loading without one");
                    return Ok(Right { place, lease: None, since, gaps });
                }
            }
        }
    }

    /// Runs the loader. A result whose lease was lost is discarded: another process has begun to load then, and its
    /// value is waited for.
    pub(super) async fn load(&self, loader: Loader<V>, mut search: Search<V>, right: Right) -> Obtained<V> {
        let (cache, Right { place, lease, since, gaps }) = (&self.cache, right);
        // What was invalidated while this waited is no value to go by.
        search.best = search.best.filter(|(held, _)| cache.may_stand_in(&self.flight, &self.key, held));
        let previous = search.best.as_ref().map(|(held, _)| held.clone());
        let load = Load::new(
            self.key.clone(),
            cache.tiers.routes(&self.wants.forecast),
            previous.as_ref().map(|held| held.meta.clone()),
            self.flight.report.clone(),
        );
        let stamp = lease.as_ref().map_or(since, Leased::token);
        cache.tiers.stamps().observe(stamp);
        self.enter(Phase::Loading);
        count(&cache.counters.loads);
        cache.note_refresh(&self.flight);
        let value = previous.map(|held| held.value.clone());
        let timed = Timed { cache, began: Instant::now(), end: LoadEnd::Cancelled };
        let work = loader(load.clone(), value);
        // A loader that cannot be stopped keeps its place as long as it runs.
        let work = async move {
            let produced = work.await;
            drop(place);
            produced
        };
        let produced = self.produce(work, lease.as_ref()).await;
        let (produced, cost) = timed.end(produced);
        match produced {
            _ if lease.as_ref().is_some_and(Leased::is_lost) => {
                count(&cache.counters.leases_lost);
                drop(lease);
                // Who has taken it makes what is newer than its token.
                search.before = Some(stamp);
                self.left_to_others(&mut search).await
            }
            Ok(produced) => {
                let Search { best: previous, obstacle, .. } = search;
                Obtained::Made(Made { loaded: produced, load, stamp, since, gaps, cost, previous, obstacle, lease })
            }
            Err(error) => {
                count(&cache.counters.load_failures);
                Obtained::Failed(error, search.best)
            }
        }
    }

    /// Runs the loader in a task of its own, so that its panic and even its blocking stay there.
    async fn produce(
        &self,
        work: impl Future<Output = Result<Loaded<V>, Failure>> + Send + 'static,
        lease: Option<&Leased>,
    ) -> Result<Loaded<V>, (LoadEnd, Error)> {
        let deadline = self.cache.deadline;
        let mut task = Aborted(tokio::spawn(within(self.flight.identity(), work)));
        let lost = async {
            match lease {
                Some(lease) => lease.lost().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = timeout(deadline, &mut task.0) => ended,
            () = lost => {
                return Err((LoadEnd::Cancelled, Error::new(ErrorKind::Unavailable, "the lease of the load was lost")));
            }
        };
        match ended {
            Ok(Ok(Ok(loaded))) => Ok(loaded),
            Ok(Ok(Err(failure))) => {
                let error = Error::new(ErrorKind::Load, told(&failure)).with_source(failure);
                Err((LoadEnd::Failed, error))
            }
            Ok(Err(end)) => Err(unfinished(end)),
            Err(_) => {
                count(&self.cache.counters.timed_out);
                let message = format!("the load was stopped after its deadline of {deadline:?}");
                Err((LoadEnd::TimedOut, Error::new(ErrorKind::Timeout, message)))
            }
        }
    }

    async fn place_in_class(&self) -> Result<Option<Place>> {
        let Some(class) = &self.wants.class else { return Ok(None) };
        self.enter(Phase::Queued);
        let limit = self.cache.deadline;
        match timeout(limit, class.enter(self.flight.identity(), self.wants.urgency)).await {
            Ok(place) => place.map(Some),
            Err(_) => Err(Error::new(ErrorKind::Timeout, full(class, limit))),
        }
    }

    /// Waits for what the process loads that has the lease now.
    async fn left_to_others(&self, search: &mut Search<V>) -> Obtained<V> {
        self.enter(Phase::Elsewhere);
        let mut wait = Elsewhere::new(self.cache.deadline);
        loop {
            if let Err(obtained) = self.look_later(&mut wait, search).await {
                return obtained;
            }
            let Some(leases) = self.cache.tiers.leases() else { break };
            match leases.take(&self.stored, self.cache.tiers.stamps().tick(), self.cache.lease).await {
                Ok(None) => {}
                Ok(Some(lease)) => {
                    // Nobody loads, and the loader was used up.
                    let _ = leases.release(&lease).await;
                    break;
                }
                Err(_) => break,
            }
        }
        let message = "the lease of the load was lost and its result discarded: ask again";
        Obtained::Failed(Error::new(ErrorKind::Unavailable, message), search.best.take())
    }

    /// Pauses, then looks whether another process has stored a value.
    async fn look_later(&self, wait: &mut Elsewhere, search: &mut Search<V>) -> Result<(), Obtained<V>> {
        if !wait.pause().await {
            let message =
                format!("another process has been loading for {:?}: see whether it hangs", self.cache.deadline);
            return Err(Obtained::Failed(Error::new(ErrorKind::Timeout, message), search.best.take()));
        }
        let before = search.before.unwrap_or_else(|| newest(search));
        *search = Search { before: Some(before), ..self.search(search.goal, Some(before)).await };
        self.sufficient(search).map_or(Ok(()), Err)
    }

    /// Looks, for a refresh, what the tiers have that those above them hide: what was there before is not what another
    /// process is loading.
    async fn look_through(&self, search: &mut Search<V>) -> Result<(), Obtained<V>> {
        if search.goal == Goal::Fresh {
            return Ok(());
        }
        *search = self.search(search.goal, Some(Stamp::from_u64(u64::MAX))).await;
        self.sufficient(search).map_or(Ok(()), Err)
    }
}

/// The right to run a loader, until this is dropped.
pub(super) struct Right {
    place: Option<Place>,
    lease: Option<Leased>,
    /// This process's stamp of the time before: a token may be ahead of marks that are newer.
    since: Stamp,
    /// How often news of other processes may have been missed until then.
    gaps: u64,
}

/// Aborts its task when it is dropped.
struct Aborted<T>(JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The pauses of a load that waits for that of another process.
struct Elsewhere {
    end: Instant,
    next: Option<Duration>,
}

impl Elsewhere {
    fn new(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, next: None }
    }

    const fn is_first(&self) -> bool {
        self.next.is_none()
    }

    /// Waits a little, longer each time; false once the limit is reached.
    async fn pause(&mut self) -> bool {
        let span = self.next.map_or(LOOKS.0, |span| (span * 2).min(LOOKS.1));
        self.next = Some(span);
        timeout_at(self.end, tokio::time::sleep(span)).await.is_ok()
    }
}

/// The stamp of the best value that a search has found.
fn newest<V>(search: &Search<V>) -> Stamp {
    search.best.as_ref().map_or(Stamp::ZERO, |(held, _)| held.stamp())
}

fn full(class: &Class, limit: Duration) -> String {
    format!("no place in the class {} within {limit:?}: raise its number of places", class.name())
}

/// What a loader's error says; its own panic over that is no reason to lose the failure.
fn told(failure: &Failure) -> String {
    let text = catch_unwind(AssertUnwindSafe(|| failure.to_string()));
    format!("the loader failed: {}", text.as_deref().unwrap_or("its error cannot be shown"))
}

fn unfinished(end: JoinError) -> (LoadEnd, Error) {
    match end.try_into_panic() {
        Ok(panic) => {
            let message = format!("the loader panicked: {}", panic_message(&*panic));
            discard(panic);
            (LoadEnd::Panicked, Error::new(ErrorKind::Load, message))
        }
        Err(_) => (LoadEnd::Cancelled, Error::new(ErrorKind::Unavailable, "the load ended with its runtime")),
    }
}

/// Counts the time of a load, also of one that is dropped.
struct Timed<'a, V> {
    cache: &'a Inner<V>,
    began: Instant,
    end: LoadEnd,
}

impl<V> Timed<'_, V> {
    /// Ends the load with what it came to; how long it took.
    fn end<T>(mut self, produced: Result<T, (LoadEnd, Error)>) -> (Result<T>, Duration) {
        let cost = self.began.elapsed();
        self.end = produced.as_ref().map_or_else(|(end, _)| *end, |_| LoadEnd::Loaded);
        (produced.map_err(|(_, error)| error), cost)
    }
}

impl<V> Drop for Timed<'_, V> {
    fn drop(&mut self) {
        let span = self.began.elapsed();
        self.cache.counters.loaded_for(span);
        load_ended(self.cache.name.as_str(), self.end, span);
    }
}
