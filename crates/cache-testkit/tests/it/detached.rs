//! `Detached`: a naive model that works on the blocking pool, where a dropped call goes on.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use cache_testkit::NaiveModel;
use futures_util::stream::BoxStream;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

#[derive(Debug)]
pub(crate) struct Detached(Arc<NaiveModel>);

impl Detached {
    pub(crate) fn new(inner: NaiveModel) -> Self {
        Self(Arc::new(inner))
    }

    async fn pooled<T, F>(&self, work: impl FnOnce(Arc<NaiveModel>) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        let (inner, handle) = (self.0.clone(), Handle::current());
        let answer = spawn_blocking(move || handle.block_on(work(inner))).await;
        answer.unwrap_or_else(|lost| Err(Error::new(ErrorKind::Internal, "the task was lost").with_source(lost)))
    }
}

#[async_trait]
impl Backend for Detached {
    fn info(&self) -> BackendInfo {
        self.0.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        let key = key.clone();
        self.pooled(move |inner| async move { inner.stat(&key).await }).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let key = key.clone();
        self.pooled(move |inner| async move { inner.get(&key).await }).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let key = key.clone();
        self.pooled(move |inner| async move { inner.put(&key, entry).await }).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        let key = key.clone();
        self.pooled(move |inner| async move { inner.renew(&key, present, meta).await }).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        let key = key.clone();
        self.pooled(move |inner| async move { inner.remove(&key).await }).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.0.scan(prefix)
    }

    async fn usage(&self) -> Result<Usage> {
        self.pooled(|inner| async move { inner.usage().await }).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.pooled(move |inner| async move { inner.sweep(now, limit).await }).await
    }

    async fn close(&self) -> Result<()> {
        self.pooled(|inner| async move { inner.close().await }).await
    }
}
