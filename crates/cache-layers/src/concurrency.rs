//! `Concurrency`: a limit on the number of calls at once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Error, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept,
    Timestamp, Usage,
};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use crate::around::{backend_around, refusal};

/// A backend that is asked a bounded number of things at once.
///
/// Further calls wait in a queue that is bounded in length and time, first come, first served; who finds it full or
/// waits too long gets [`ErrorKind::Unavailable`] and the backend was not asked. A batch counts as one call. A scan
/// takes its turn at every step and holds nothing between steps; it ends when it is refused one.
/// [`close`](Backend::close) does not wait.
///
/// Inside a [`Breaker`](crate::Breaker) those refusals would count as failures of the backend: put it outside.
///
/// Cancelling a call at any point gives its place back. Waiting needs a tokio runtime with time enabled.
#[derive(Debug)]
pub struct Concurrency<B> {
    inner: B,
    name: Arc<str>,
    /// Closed together with `inner`: calls then go on to hear so from it.
    running: Semaphore,
    places: Semaphore,
    calls: usize,
    queue: usize,
    wait: Duration,
}

impl<B: Backend> Concurrency<B> {
    /// How many calls wait at most unless said otherwise.
    pub const QUEUE: usize = 1024;
    /// How long a call waits at most unless said otherwise.
    pub const WAIT: Duration = Duration::from_secs(5);

    /// Lets at most `calls` calls of `inner` run at once, at least one.
    pub fn new(inner: B, calls: usize) -> Self {
        let name = inner.info().name;
        let calls = calls.clamp(1, Semaphore::MAX_PERMITS);
        let (running, places) = (Semaphore::new(calls), Semaphore::new(Self::QUEUE));
        Self { inner, name, running, places, calls, queue: Self::QUEUE, wait: Self::WAIT }
    }

    /// Lets at most `len` calls wait, [`QUEUE`](Self::QUEUE) unless set; with zero, who cannot run at once is refused.
    #[must_use]
    pub fn queue(mut self, len: usize) -> Self {
        self.queue = len.min(Semaphore::MAX_PERMITS);
        self.places = Semaphore::new(self.queue);
        self
    }

    /// Lets a call wait for at most `limit`, [`WAIT`](Self::WAIT) unless set.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    /// The backend inside.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// How many calls run now.
    pub fn running(&self) -> usize {
        self.calls - self.running.available_permits()
    }

    /// How many calls wait now.
    pub fn waiting(&self) -> usize {
        self.queue - self.places.available_permits()
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        key: Option<&Key>,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let _turn = self.turn(operation, key).await?;
        work.await
    }

    async fn batch<T: Clone>(
        &self,
        operation: &'static str,
        len: usize,
        work: impl Future<Output = Vec<Result<T>>> + Send,
    ) -> Vec<Result<T>> {
        match self.turn(operation, None).await {
            Ok(_turn) => work.await,
            Err(error) => vec![Err(error); len],
        }
    }

    async fn end(&self, work: impl Future<Output = Result<()>> + Send) -> Result<()> {
        work.await?;
        self.running.close();
        Ok(())
    }

    /// Leave to run until it is dropped; `None` when the backend was closed and needs no protection.
    async fn turn(&self, operation: &'static str, key: Option<&Key>) -> Result<Option<SemaphorePermit<'_>>> {
        match self.running.try_acquire() {
            Ok(permit) => return Ok(Some(permit)),
            Err(TryAcquireError::Closed) => return Ok(None),
            Err(TryAcquireError::NoPermits) => {}
        }
        let Ok(_place) = self.places.try_acquire() else {
            let (calls, queue) = (self.calls, self.queue);
            return Err(self.busy(format!("{calls} calls run and {queue} wait: try again later"), operation, key));
        };
        let turn = tokio::time::timeout(self.wait, self.running.acquire()).await.map_err(|_| {
            let (calls, wait) = (self.calls, self.wait);
            self.busy(format!("no turn within {wait:?} behind {calls} calls: try again later"), operation, key)
        })?;
        Ok(turn.ok())
    }

    fn busy(&self, message: String, operation: &'static str, key: Option<&Key>) -> Error {
        refusal(ErrorKind::Unavailable, message, &self.name, operation, key)
    }
}

backend_around!(Concurrency);
