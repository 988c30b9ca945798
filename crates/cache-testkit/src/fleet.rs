//! `Fleet`: a backend as the processes of a fleet share it.

mod backplane;
mod leases;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Error, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept,
    Timestamp, Usage,
};
use futures_util::stream::{self, BoxStream, StreamExt};

pub use backplane::LocalBackplane;
pub use leases::LocalLeases;

/// One process's connection to a backend that a fleet of processes shares.
///
/// For simulations of a fleet in one process: each process has a `Fleet` of its own around the same backend in an
/// `Arc`, with the same leases and a [peer](LocalBackplane::peer) of the same backplane. `close` ends this
/// connection; the backend inside stays open for the others.
///
/// ```
/// # use std::sync::Arc;
/// # use cache_core::Backend;
/// # use cache_testkit::{Bench, Fleet, LocalBackplane, LocalLeases, NaiveModel};
/// let clock = Bench::default().clock;
/// let (shared, leases) = (Arc::new(NaiveModel::new(clock.clone())), Arc::new(LocalLeases::new(clock)));
/// let backplane = LocalBackplane::new(100);
/// let connect = || {
///     Fleet::new(shared.clone()).with_leases(leases.clone()).with_backplane(Arc::new(backplane.peer()))
/// };
/// let (one, two) = (connect(), connect());
/// assert!(one.info().shared && two.leases().is_some());
/// ```
#[derive(Debug)]
pub struct Fleet<B> {
    inner: B,
    leases: Option<Arc<dyn Leases>>,
    backplane: Option<Arc<dyn Backplane>>,
    closed: AtomicBool,
}

impl<B: Backend> Fleet<B> {
    /// A connection to `inner`, without leases and backplane.
    pub const fn new(inner: B) -> Self {
        Self { inner, leases: None, backplane: None, closed: AtomicBool::new(false) }
    }

    /// Offers `leases`.
    #[must_use]
    pub fn with_leases(mut self, leases: Arc<dyn Leases>) -> Self {
        self.leases = Some(leases);
        self
    }

    /// Offers `backplane`.
    #[must_use]
    pub fn with_backplane(mut self, backplane: Arc<dyn Backplane>) -> Self {
        self.backplane = Some(backplane);
        self
    }

    /// The backend that all share, also after this connection was closed.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    fn open(&self, operation: &'static str) -> Result<&B> {
        if self.closed.load(Ordering::Acquire) {
            Err(Error::new(ErrorKind::Closed, "the connection was closed: open a new one")
                .with_backend("fleet")
                .with_operation(operation))
        } else {
            Ok(&self.inner)
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Fleet<B> {
    fn info(&self) -> BackendInfo {
        let mut info = self.inner.info();
        info.shared = true;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.open("stat")?.stat(key).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.open("get")?.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        match self.open("get_many") {
            Ok(inner) => inner.get_many(keys).await,
            Err(closed) => vec![Err(closed); keys.len()],
        }
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.open("put")?.put(key, entry).await
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        match self.open("put_many") {
            Ok(inner) => inner.put_many(entries).await,
            Err(closed) => vec![Err(closed); entries.len()],
        }
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.open("renew")?.renew(key, present, meta).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.open("remove")?.remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        match self.open("scan") {
            Ok(inner) => inner.scan(prefix),
            Err(closed) => stream::iter([Err(closed)]).boxed(),
        }
    }

    async fn usage(&self) -> Result<Usage> {
        self.open("usage")?.usage().await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.open("sweep")?.sweep(now, limit).await
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.leases.as_deref()
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.backplane.as_deref()
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}
