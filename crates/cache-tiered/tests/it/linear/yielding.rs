//! `Yielding`: a backend whose calls let others run before and after their work.

use async_trait::async_trait;
use cache_core::{Backend, BackendInfo, Entry, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage};
use cache_testkit::Rng;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use tokio::task::yield_now;

/// The most yields in a row.
const MOST: u64 = 4;

#[derive(Debug)]
pub(super) struct Yielding<B> {
    inner: B,
    durable: bool,
    rng: Mutex<Rng>,
}

impl<B: Backend> Yielding<B> {
    pub(super) const fn new(inner: B, durable: bool, seed: u64) -> Self {
        Self { inner, durable, rng: Mutex::new(Rng::new(seed)) }
    }

    async fn pause(&self) {
        let yields = self.rng.lock().below(MOST);
        for _ in 0..yields {
            yield_now().await;
        }
    }

    async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        self.pause().await;
        let answer = work.await;
        self.pause().await;
        answer
    }
}

#[async_trait]
impl<B: Backend> Backend for Yielding<B> {
    fn info(&self) -> BackendInfo {
        let mut info = self.inner.info();
        info.durable = self.durable;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.around(self.inner.stat(key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.around(self.inner.get(key)).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.around(self.inner.put(key, entry)).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.around(self.inner.renew(key, present, meta)).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.around(self.inner.remove(key)).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix)
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.around(self.inner.sweep(now, limit)).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
