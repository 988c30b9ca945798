//! `Tier`: one backend of a stack, asked with patience and never fatal.

mod writes;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{
    Backend, BackendInfo, Entry, Error, ErrorKind, Freshness, Key, Meta, Outcome, Outcomes, Result, Stamp, Swept,
    Timestamp, Usage,
};
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::Instrument;
use tracing::field::Empty;

use super::back::Backlog;
use super::common::Common;
use super::marking::is_reserved;
use super::recover::Recovery;
use super::suspects::Suspects;
use super::{Forecast, TierOptions, WritePolicy};
use crate::fence::Fence;
use crate::guard::guarded;

pub(super) use writes::Placed;

/// The most writes of one tier under way, those included that nobody waits for any more.
const WRITES: usize = 256;
/// How long usage and sweeps may take, at least.
const UPKEEP_LIMIT: Duration = Duration::from_mins(1);
/// A batch of this many keys is given the patience of one key once more.
const BATCH: u32 = 64;

#[derive(Debug)]
pub(super) struct Tier {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) info: BackendInfo,
    pub(super) patience: Duration,
    pub(super) options: TierOptions,
    pub(super) outcomes: Outcomes,
    pub(super) suspects: Suspects,
    pub(super) recovery: Recovery,
    pub(super) backlog: Backlog,
    /// Whether somebody reads its marks because it has answered a read.
    pub(super) reading: AtomicBool,
    pub(super) puts_failed: AtomicU64,
    pub(super) removes_failed: AtomicU64,
    pub(super) promoted: AtomicU64,
    common: Arc<Common>,
    /// Whether its marks are known, or it has none.
    read: AtomicBool,
    writes: Arc<Semaphore>,
    /// How many writes are under way that nobody waits for any more.
    behind: watch::Sender<usize>,
    /// Keeps writes of a key in order, those included that nobody waits for any more.
    order: Fence,
}

/// What one tier answered to one read.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) outcome: Outcome,
    pub(super) value: Option<(T, Freshness)>,
    pub(super) error: Option<Error>,
    /// Whether it tells if the tier has the key.
    pub(super) tells: bool,
}

/// A part of an entry that a tier can be asked for.
pub(super) trait Part: Sized + Send {
    fn ask<'a>(backend: &'a dyn Backend, key: &'a Key) -> BoxFuture<'a, Result<Option<Self>>>;
    fn of(entry: Entry) -> Self;
    fn meta(&self) -> &Meta;
    /// What may be copied to a nearer tier.
    fn entry(&self) -> Option<&Entry>;
}

impl Part for Entry {
    fn ask<'a>(backend: &'a dyn Backend, key: &'a Key) -> BoxFuture<'a, Result<Option<Self>>> {
        backend.get(key)
    }

    fn of(entry: Entry) -> Self {
        entry
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn entry(&self) -> Option<&Entry> {
        Some(self)
    }
}

impl Part for Meta {
    fn ask<'a>(backend: &'a dyn Backend, key: &'a Key) -> BoxFuture<'a, Result<Option<Self>>> {
        backend.stat(key)
    }

    fn of(entry: Entry) -> Self {
        entry.meta
    }

    fn meta(&self) -> &Meta {
        self
    }

    fn entry(&self) -> Option<&Entry> {
        None
    }
}

impl Tier {
    pub(super) fn new(backend: Arc<dyn Backend>, options: TierOptions, common: Arc<Common>) -> Self {
        let mut info = backend.info();
        if let Some(name) = &options.name {
            info.name = name.clone();
        }
        info.max_body = info.max_body.min(options.max_body);
        Self {
            backend,
            patience: options.patience,
            options,
            outcomes: Outcomes::default(),
            suspects: Suspects::default(),
            recovery: Recovery::default(),
            backlog: Backlog::default(),
            reading: AtomicBool::new(false),
            puts_failed: AtomicU64::new(0),
            removes_failed: AtomicU64::new(0),
            promoted: AtomicU64::new(0),
            common,
            read: AtomicBool::new(!info.durable && !info.shared),
            info,
            writes: Arc::new(Semaphore::new(WRITES)),
            behind: watch::Sender::new(0),
            order: Fence::default(),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.info.name
    }

    /// Whether its entries outlive this process, or others see them: it keeps marks.
    pub(super) fn is_lasting(&self) -> bool {
        self.info.durable || self.info.shared
    }

    /// Whether its marks are known.
    pub(super) fn is_read(&self) -> bool {
        self.read.load(Ordering::Acquire)
    }

    pub(super) fn set_read(&self) {
        self.read.store(true, Ordering::Release);
    }

    /// Whether the tier holds a body of this length.
    pub(super) fn holds(&self, len: u64) -> bool {
        len <= self.info.max_body
    }

    /// Whether the tier is given such entries.
    pub(super) fn admits(&self, forecast: &Forecast) -> bool {
        let by_weight = forecast.weight.is_none_or(|weight| self.holds(weight));
        let by_cost = forecast.cost.is_none_or(|cost| cost >= self.options.min_cost);
        let chosen = || {
            let admit = self.options.admit.as_ref();
            admit.is_none_or(|admit| catch_unwind(AssertUnwindSafe(|| admit(forecast))).unwrap_or(false))
        };
        by_weight && by_cost && chosen()
    }

    /// How long a read is waited for that may save a load of `cost`.
    fn patience_for(&self, cost: Option<Duration>) -> Duration {
        let share = self.options.patience_per_cost;
        let priced = Duration::try_from_secs_f64(cost.unwrap_or_default().as_secs_f64() * share);
        let more = priced.unwrap_or(Duration::MAX);
        self.patience.saturating_add(more).min(self.options.most_patience)
    }

    /// What waits to be written under `key`: it is served in the place of what the backend has.
    pub(super) fn waiting(&self, key: &Key) -> Option<Entry> {
        if self.options.write == WritePolicy::Back { self.backlog.get(key) } else { None }
    }

    /// Waits until no write is under way that nobody waits for.
    pub(super) async fn caught_up(&self) {
        // The sender is this tier's own, so the wait does not fail.
        let _ = self.behind.subscribe().wait_for(|behind| *behind == 0).await;
    }

    /// Asks for one key; `cost` is what an answer may save.
    pub(super) async fn ask<T: Part>(&self, key: &Key, cost: Option<Duration>) -> Result<Option<T>> {
        self.call("get", self.patience_for(cost), async { T::ask(&*self.backend, key).await }).await
    }

    /// Asks for many keys in one call: one answer for each, in their order.
    pub(super) async fn ask_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let batches = u32::try_from(keys.len()).unwrap_or(u32::MAX) / BATCH;
        let patience = self.patience.saturating_mul(batches.saturating_add(1));
        let all = async { Ok(self.backend.get_many(keys).await) };
        match self.call("get_many", patience, all).await {
            Ok(answers) if answers.len() == keys.len() => answers,
            Ok(answers) => {
                let message = format!("{} answers to {} keys: please report this backend", answers.len(), keys.len());
                vec![Err(self.name_error(Error::new(ErrorKind::Internal, message), "get_many")); keys.len()]
            }
            Err(error) => vec![Err(error); keys.len()],
        }
    }

    /// What an answer of the tier means, counted. An entry below `floor` is not served: that was known before the tier
    /// was asked, and may be forgotten by then.
    pub(super) fn judge<T: Part>(&self, key: &Key, answer: Result<Option<T>>, floor: Stamp) -> Answer<T> {
        let mut tells = true;
        let (outcome, value, error) = match answer {
            Ok(Some(value)) => match self.freshness(key, value.meta()) {
                Freshness::Expired => (Outcome::Miss, None, None),
                _ if !self.is_read() => {
                    tells = false;
                    (Outcome::Skipped, None, None)
                }
                _ if value.meta().stamp < floor.max(self.suspects.floor(key)) => (Outcome::Skipped, None, None),
                Freshness::Fresh => (Outcome::Hit, Some((value, Freshness::Fresh)), None),
                freshness => (Outcome::Stale, Some((value, freshness)), None),
            },
            Ok(None) => (Outcome::Miss, None, None),
            Err(error) => {
                let outcome = match error.kind() {
                    ErrorKind::Corrupt => Outcome::Corrupt,
                    ErrorKind::Timeout => Outcome::Timeout,
                    ErrorKind::TooLarge => Outcome::TooLarge,
                    ErrorKind::BreakerOpen => Outcome::BreakerOpen,
                    _ => Outcome::Unavailable,
                };
                tells = outcome == Outcome::Corrupt;
                (outcome, None, Some(error))
            }
        };
        tracing::debug!(tier = %self.name(), %key, outcome = outcome.name(), ?error, "read");
        self.outcomes.count(outcome);
        Answer { outcome, value, error, tells }
    }

    /// The answer of a tier that is not asked, counted.
    pub(super) fn pass<T>(&self) -> Answer<T> {
        self.outcomes.count(Outcome::Skipped);
        Answer { outcome: Outcome::Skipped, value: None, error: None, tells: false }
    }

    /// Whether an entry with this meta may be served from here.
    pub(super) fn serves(&self, key: &Key, meta: &Meta) -> bool {
        self.is_read() && self.suspects.trusts(key, meta) && self.freshness(key, meta) != Freshness::Expired
    }

    /// How fresh an entry of this tier is.
    fn freshness(&self, key: &Key, meta: &Meta) -> Freshness {
        let own = !self.info.shared && !is_reserved(key);
        if own && self.common.news.covering(key, meta.stamp, &meta.tags).is_some() {
            return Freshness::Expired;
        }
        self.common.freshness(key, meta)
    }

    /// The meta of whatever the tier has under `key`, served or not, which is no answer to a reader: not counted.
    pub(super) async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        let found = self.call("stat", self.patience, async { self.backend.stat(key).await }).await?;
        if let Some(meta) = &found {
            self.common.stamps.observe(meta.stamp);
        }
        Ok(found)
    }

    /// Drops what has expired.
    pub(super) async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.call("sweep", self.patience.max(UPKEEP_LIMIT), async { self.backend.sweep(now, limit).await }).await
    }

    /// What the tier holds.
    pub(super) async fn usage(&self) -> Result<Usage> {
        self.call("usage", self.patience.max(UPKEEP_LIMIT), async { self.backend.usage().await }).await
    }

    /// Runs a call that changes no single key. `work` calls the backend when it is polled, not before: a backend may
    /// panic before it has returned a future.
    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        patience: Duration,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let span = tracing::debug_span!("tier", tier = %self.name(), operation, outcome = Empty);
        let answer = timeout(patience, guarded(work)).instrument(span.clone()).await;
        let answer = answer.unwrap_or_else(|_| Err(impatient(patience)));
        span.record("outcome", answer.as_ref().map_or_else(|error| error.kind().name(), |_| "answered"));
        if answer.is_ok() {
            self.recovery.works();
        }
        answer.map_err(|error| self.name_error(error, operation))
    }

    fn name_error(&self, error: Error, operation: &'static str) -> Error {
        let error = if error.operation().is_none() { error.with_operation(operation) } else { error };
        if error.backend().is_none() { error.with_backend(self.name().clone()) } else { error }
    }
}

fn impatient(patience: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("no answer within {patience:?}: see whether the backend works"))
}
