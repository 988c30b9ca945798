//! A tier that takes everything, and at once drops some of it again.

use async_trait::async_trait;
use cache_core::{Backend, BackendInfo, Entry, Key, KeyPrefix, Meta, Result, Swept, Timestamp, Usage};
use cache_mem::MemBackend;
use futures_util::stream::BoxStream;

/// Drops what has a tag and one of these content types.
#[derive(Debug)]
pub(crate) struct Forgetful {
    inner: MemBackend,
    drops: &'static [&'static str],
}

impl Forgetful {
    pub(crate) fn new(drops: &'static [&'static str]) -> Self {
        Self { inner: MemBackend::new(1 << 30), drops }
    }
}

#[async_trait]
impl Backend for Forgetful {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.inner.stat(key).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let is_dropped = entry.meta.content_type.as_deref().is_some_and(|kind| self.drops.contains(&kind));
        if is_dropped && !entry.meta.tags.is_empty() {
            return Ok(());
        }
        self.inner.put(key, entry).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.inner.remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix)
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
