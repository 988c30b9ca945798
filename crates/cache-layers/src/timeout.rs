//! `Timeout`: a limit on the time of each call.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{
    Backend, BackendInfo, Backplane, Entry, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept, Timestamp,
    Usage,
};
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::around::{backend_around, refusal};

/// Keys of a batch that share one limit.
const BATCH: usize = 64;

/// A backend that answers within a limit, or with [`ErrorKind::Timeout`].
///
/// The limit holds for each call, for each step of a scan, and for each 64 keys of a batch, begun ones included: a
/// batch of 65 keys has twice the limit. [`close`](Backend::close) flushes and has a limit of its own.
///
/// **Whether a write that timed out took effect is unknown**: it was dropped where it stood, so by the contract the
/// old entry, the new one or none is there. What was answered in part of a batch that timed out is lost: every key of it
/// fails. A scan ends after a step that timed out.
///
/// An answer that is there at once costs no timer. Needs a tokio runtime with time enabled. Cancelling a call cancels
/// the one inside.
#[derive(Debug)]
pub struct Timeout<B> {
    inner: B,
    name: Arc<str>,
    limit: Duration,
    closing: Duration,
}

impl<B: Backend> Timeout<B> {
    /// How long [`close`](Backend::close) may take unless said otherwise.
    pub const CLOSING: Duration = Duration::from_secs(30);

    /// Limits each call of `inner` to `limit`.
    pub fn new(inner: B, limit: Duration) -> Self {
        let name = inner.info().name;
        Self { inner, name, limit, closing: Self::CLOSING }
    }

    /// Limits [`close`](Backend::close) to `limit`; [`CLOSING`](Self::CLOSING) unless set.
    #[must_use]
    pub fn closing(mut self, limit: Duration) -> Self {
        self.closing = limit;
        self
    }

    /// The backend inside.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        key: Option<&Key>,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.within(self.limit, operation, key, work).await?
    }

    async fn batch<T: Clone>(
        &self,
        operation: &'static str,
        len: usize,
        work: impl Future<Output = Vec<Result<T>>> + Send,
    ) -> Vec<Result<T>> {
        let shares = u32::try_from(len.div_ceil(BATCH).max(1)).unwrap_or(u32::MAX);
        let limit = self.limit.saturating_mul(shares);
        let answers = self.within(limit, operation, None, work).await;
        answers.unwrap_or_else(|error| vec![Err(error); len])
    }

    async fn end(&self, work: impl Future<Output = Result<()>> + Send) -> Result<()> {
        self.within(self.closing, "close", None, work).await?
    }

    async fn within<T>(
        &self,
        limit: Duration,
        operation: &'static str,
        key: Option<&Key>,
        work: impl Future<Output = T> + Send,
    ) -> Result<T> {
        tokio::time::timeout(limit, work).await.map_err(|_| {
            let message = format!("no answer within {limit:?}: whether it took effect is unknown");
            refusal(ErrorKind::Timeout, message, &self.name, operation, key)
        })
    }
}

backend_around!(Timeout);
