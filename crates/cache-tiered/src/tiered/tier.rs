//! `Tier`: one backend of a stack, asked with patience and never fatal.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{
    Backend, BackendInfo, Clock, Entry, Error, ErrorKind, Freshness, Key, Meta, Outcome, Outcomes, Result, Swept,
    Timestamp, Usage,
};
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::TierOptions;
use super::suspects::Suspects;
use crate::fence::Fence;
use crate::guard::guarded;

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
    pub(super) outcomes: Outcomes,
    pub(super) suspects: Suspects,
    pub(super) puts_failed: AtomicU64,
    pub(super) removes_failed: AtomicU64,
    pub(super) promoted: AtomicU64,
    clock: Arc<dyn Clock>,
    writes: Arc<Semaphore>,
    /// Keeps writes of a key in order, those included that nobody waits for any more.
    order: Fence,
}

/// What one tier answered to one read.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) outcome: Outcome,
    pub(super) value: Option<(T, Freshness)>,
    pub(super) error: Option<Error>,
}

/// What became of an entry that a tier was to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    Stored,
    /// The body is longer than the tier takes.
    Refused,
}

/// A part of an entry that a tier can be asked for.
pub(super) trait Part: Sized + Send {
    fn ask<'a>(backend: &'a dyn Backend, key: &'a Key) -> BoxFuture<'a, Result<Option<Self>>>;
    fn meta(&self) -> &Meta;
    /// What may be copied to a nearer tier.
    fn entry(&self) -> Option<&Entry>;
}

impl Part for Entry {
    fn ask<'a>(backend: &'a dyn Backend, key: &'a Key) -> BoxFuture<'a, Result<Option<Self>>> {
        backend.get(key)
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

    fn meta(&self) -> &Meta {
        self
    }

    fn entry(&self) -> Option<&Entry> {
        None
    }
}

impl Tier {
    pub(super) fn new(backend: Arc<dyn Backend>, options: &TierOptions, clock: Arc<dyn Clock>) -> Self {
        let mut info = backend.info();
        if let Some(name) = &options.name {
            info.name = name.clone();
        }
        info.max_body = info.max_body.min(options.max_body);
        Self {
            backend,
            info,
            patience: options.patience,
            outcomes: Outcomes::default(),
            suspects: Suspects::default(),
            puts_failed: AtomicU64::new(0),
            removes_failed: AtomicU64::new(0),
            promoted: AtomicU64::new(0),
            clock,
            writes: Arc::new(Semaphore::new(WRITES)),
            order: Fence::default(),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.info.name
    }

    pub(super) fn admits(&self, len: u64) -> bool {
        len <= self.info.max_body
    }

    /// Asks for one key, and counts the answer.
    pub(super) async fn read<T: Part>(&self, key: &Key) -> Answer<T> {
        let answer = self.call("get", self.patience, async { T::ask(&*self.backend, key).await }).await;
        self.judge(key, answer)
    }

    /// Asks for many keys in one call, and counts the answers: one for each, in their order.
    pub(super) async fn read_many(&self, keys: &[Key]) -> Vec<Answer<Entry>> {
        let batches = u32::try_from(keys.len()).unwrap_or(u32::MAX) / BATCH;
        let patience = self.patience.saturating_mul(batches.saturating_add(1));
        let all = async { Ok(self.backend.get_many(keys).await) };
        let answers = match self.call("get_many", patience, all).await {
            Ok(answers) if answers.len() == keys.len() => answers,
            Ok(answers) => {
                let message = format!("{} answers to {} keys: please report this backend", answers.len(), keys.len());
                vec![Err(self.name_error(Error::new(ErrorKind::Internal, message), "get_many")); keys.len()]
            }
            Err(error) => vec![Err(error); keys.len()],
        };
        keys.iter().zip(answers).map(|(key, answer)| self.judge(key, answer)).collect()
    }

    /// The meta of `key`, if the tier has an entry that may be served. Not counted.
    pub(super) async fn peek(&self, key: &Key) -> Option<Meta> {
        let meta = self.call("stat", self.patience, async { self.backend.stat(key).await }).await.ok()??;
        let servable = !meta.is_expired(self.clock.now()) && self.suspects.trusts(key, &meta);
        servable.then_some(meta)
    }

    /// Stores `entry`, or makes sure that nothing older is served from here.
    pub(super) async fn replace(&self, key: &Key, entry: &Entry) -> Result<Placed> {
        let failure = if self.admits(entry.len()) {
            match self.put(key, entry).await {
                Ok(()) => return Ok(Placed::Stored),
                Err(error) => Some(error).filter(|error| error.kind() != ErrorKind::TooLarge),
            }
        } else {
            None
        };
        if let Some(error) = &failure {
            self.puts_failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(tier = %self.name(), %error, "a tier did not take an entry");
        }
        if failure.as_ref().is_some_and(|error| error.kind() == ErrorKind::Timeout) {
            // The write may still be under way; what it stores is at least as new as the floor.
            self.suspects.add(key, entry.meta.stamp, self.clock.now());
        } else {
            // A failure leaves the key suspect.
            let _ = self.remove(key).await;
        }
        failure.map_or(Ok(Placed::Refused), Err)
    }

    /// Copies an entry from a lower tier.
    pub(super) async fn promote(&self, key: &Key, entry: &Entry) -> Result<()> {
        self.put(key, entry).await?;
        self.promoted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Removes `key`, or makes sure that it is not served from here. An entry that would not have been served does
    /// not count as found.
    pub(super) async fn remove(&self, key: &Key) -> Result<bool> {
        let suspect = self.suspects.contains(key);
        match self.write("remove", key, |backend, key| async move { backend.remove(&key).await }).await {
            Ok(found) => {
                self.suspects.clear(key);
                Ok(found && !suspect)
            }
            Err(error) => {
                self.suspects.add(key, Suspects::EVERYTHING, self.clock.now());
                self.removes_failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(tier = %self.name(), %error, "a tier did not remove a key: it is not served from there");
                Err(error)
            }
        }
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
        let answer = timeout(patience, guarded(work)).await;
        answer.unwrap_or_else(|_| Err(impatient(patience))).map_err(|error| self.name_error(error, operation))
    }

    async fn put(&self, key: &Key, entry: &Entry) -> Result<()> {
        if self.suspects.contains(key) {
            // What should have gone may have a newer stamp than the entry, and would win over it.
            self.remove(key).await?;
        }
        let entry = entry.clone();
        self.write("put", key, |backend, key| async move { backend.put(&key, entry).await }).await
    }

    /// Runs a write after those of the same key before it. When patience ends it goes on by itself, in a place of its
    /// own among the [`WRITES`], and later writes of the key still wait for it.
    async fn write<T, F>(
        &self,
        operation: &'static str,
        key: &Key,
        work: impl FnOnce(Arc<dyn Backend>, Key) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let deadline = Instant::now() + self.patience;
        let begin = async {
            let place = timeout_at(deadline, self.writes.clone().acquire_owned()).await;
            let place = place.ok().and_then(std::result::Result::ok).ok_or_else(|| impatient(self.patience))?;
            let turn = self.order.turn(key, deadline - Instant::now()).await?;
            Ok((place, turn))
        };
        let named = |error: Error| self.name_error(error, operation).with_key(key);
        let rights = begin.await.map_err(named)?;
        let work = guarded(work(self.backend.clone(), key.clone()));
        let mut work = Box::pin(async move {
            let answer = work.await;
            drop(rights);
            answer
        });
        if let Ok(answer) = timeout_at(deadline, &mut work).await {
            return answer.map_err(named);
        }
        tokio::spawn(work);
        Err(named(impatient(self.patience)))
    }

    fn judge<T: Part>(&self, key: &Key, answer: Result<Option<T>>) -> Answer<T> {
        let (outcome, value, error) = match answer {
            Ok(Some(value)) => match value.meta().freshness(self.clock.now()) {
                Freshness::Expired => (Outcome::Miss, None, None),
                _ if !self.suspects.trusts(key, value.meta()) => (Outcome::Skipped, None, None),
                Freshness::Fresh => (Outcome::Hit, Some((value, Freshness::Fresh)), None),
                freshness => (Outcome::Stale, Some((value, freshness)), None),
            },
            Ok(None) => (Outcome::Miss, None, None),
            Err(error) => {
                let outcome = match error.kind() {
                    ErrorKind::Corrupt => Outcome::Corrupt,
                    ErrorKind::Timeout => Outcome::Timeout,
                    ErrorKind::TooLarge => Outcome::TooLarge,
                    _ => Outcome::Unavailable,
                };
                tracing::debug!(tier = %self.name(), %error, outcome = outcome.name(), "a tier did not answer");
                (outcome, None, Some(error))
            }
        };
        self.outcomes.count(outcome);
        Answer { outcome, value, error }
    }

    fn name_error(&self, error: Error, operation: &'static str) -> Error {
        let error = if error.operation().is_none() { error.with_operation(operation) } else { error };
        if error.backend().is_none() { error.with_backend(self.name().clone()) } else { error }
    }
}

fn impatient(patience: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("no answer within {patience:?}: see whether the backend works"))
}
