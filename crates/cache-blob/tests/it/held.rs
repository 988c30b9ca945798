//! `Held`: a backend that lets some calls wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use cache_core::{Backend, BackendInfo, Entry, Key, KeyPrefix, Meta, Swept, Timestamp, Usage};
use cache_mem::MemBackend;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;

use crate::support::{MIB, key, memory};

/// A backend whose removals of segments, or looks at segments that are there, wait until they are let go.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) inner: MemBackend,
    pub(crate) holds_removals: AtomicBool,
    pub(crate) holds_looks: AtomicBool,
    pub(crate) waiting: AtomicU64,
    pub(crate) go: Semaphore,
}

impl Held {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: memory(64 * MIB),
            holds_removals: AtomicBool::new(false),
            holds_looks: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            go: Semaphore::new(0),
        })
    }

    async fn hold(&self, flag: &AtomicBool, at: &Key) {
        if flag.load(Ordering::SeqCst) && *at != key() {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            drop(self.go.acquire().await.unwrap());
        }
    }
}

#[async_trait]
impl Backend for Held {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> cache_core::Result<Option<Meta>> {
        let found = self.inner.stat(key).await;
        if matches!(found, Ok(Some(_))) {
            self.hold(&self.holds_looks, key).await;
        }
        found
    }

    async fn get(&self, key: &Key) -> cache_core::Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> cache_core::Result<()> {
        self.inner.put(key, entry).await
    }

    async fn remove(&self, key: &Key) -> cache_core::Result<bool> {
        self.hold(&self.holds_removals, key).await;
        self.inner.remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, cache_core::Result<(Key, Meta)>> {
        self.inner.scan(prefix)
    }

    async fn usage(&self) -> cache_core::Result<Usage> {
        self.inner.usage().await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> cache_core::Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    async fn close(&self) -> cache_core::Result<()> {
        self.inner.close().await
    }
}
