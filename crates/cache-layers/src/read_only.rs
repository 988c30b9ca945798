//! `ReadOnly`: a backend that takes no writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Error, ErrorKind, Heard, Key, KeyPrefix, Leases, Mark, Meta, Position,
    Result, Stamp, Swept, Timestamp, Usage,
};
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::around::refusal;

/// A backend whose reads pass and whose writes are refused: a shipped set of entries, or another's cache.
///
/// `put`, `put_many`, `renew` and `remove` fail with [`ErrorKind::Invalid`] and [`Retry::Never`](cache_core::Retry):
/// the request is wrong here and stays so, the backend itself is well. That kind opens no breaker and asks for no
/// later attempt. `sweep` does nothing and says that nothing remains. There are no leases, since what is loaded under
/// one could not be kept here; a backplane is heard and not spoken on.
///
/// [`close`](Backend::close) closes the backend inside. Cancelling a read cancels the one inside.
#[derive(Debug)]
pub struct ReadOnly<B> {
    inner: B,
    name: Arc<str>,
    closed: AtomicBool,
}

impl<B: Backend> ReadOnly<B> {
    /// Lets only reads through to `inner`.
    pub fn new(inner: B) -> Self {
        let name = inner.info().name;
        Self { inner, name, closed: AtomicBool::new(false) }
    }

    /// The backend inside.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    fn refuse(&self, operation: &'static str, key: Option<&Key>) -> Error {
        let (kind, message) = if self.is_closed() {
            (ErrorKind::Closed, "the backend was closed: open a new one")
        } else {
            (ErrorKind::Invalid, "the backend is read-only: write to another one")
        };
        refusal(kind, message, &self.name, operation, key)
    }

    fn is_closed(&self) -> bool {
        // Relaxed: who must see the end of this backend is told by the return of close.
        self.closed.load(Ordering::Relaxed)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for ReadOnly<B> {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.inner.stat(key).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        self.inner.get_many(keys).await
    }

    async fn put(&self, key: &Key, _: Entry) -> Result<()> {
        Err(self.refuse("put", Some(key)))
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        entries.iter().map(|(key, _)| Err(self.refuse("put_many", Some(key)))).collect()
    }

    async fn renew(&self, key: &Key, _: Stamp, _: Meta) -> Result<bool> {
        Err(self.refuse("renew", Some(key)))
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        Err(self.refuse("remove", Some(key)))
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix)
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn sweep(&self, _: Timestamp, _: usize) -> Result<Swept> {
        if self.is_closed() {
            return Err(self.refuse("sweep", None));
        }
        Ok(Swept::default())
    }

    fn leases(&self) -> Option<&dyn Leases> {
        None
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.inner.backplane().map(|_| self as &dyn Backplane)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await?;
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Hears what the backplane of the backend inside tells, and tells nothing.
#[async_trait]
impl<B: Backend> Backplane for ReadOnly<B> {
    async fn publish(&self, _: &Mark) -> Result<()> {
        Err(self.refuse("publish", None))
    }

    fn subscribe(&self, after: Option<Position>) -> BoxStream<'static, Result<Heard>> {
        self.inner.backplane().map_or_else(|| stream::empty().boxed(), |backplane| backplane.subscribe(after))
    }
}
