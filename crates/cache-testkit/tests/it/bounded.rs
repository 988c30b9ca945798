//! `Bounded`: a naive model with a budget, first in first out but for marks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Entry, Key, KeyPrefix, Limits, Meta, Result, Role, Stamp, Swept, Timestamp, Usage,
};
use cache_testkit::NaiveModel;
use futures_util::stream::BoxStream;
use tokio::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Bounded {
    inner: NaiveModel,
    limits: Limits,
    queue: Mutex<VecDeque<Key>>,
    /// Whether a remove forgets to give budget back.
    leak: bool,
    leaked: AtomicU64,
    /// Whether marks are evicted like values.
    evicts_marks: bool,
}

impl Bounded {
    pub(crate) fn new(inner: NaiveModel, limits: Limits) -> Self {
        Self { inner, limits, queue: Mutex::default(), leak: false, leaked: 0.into(), evicts_marks: false }
    }

    pub(crate) fn leaking(self) -> Self {
        Self { leak: true, ..self }
    }

    pub(crate) fn evicting_marks(self) -> Self {
        Self { evicts_marks: true, ..self }
    }

    /// Where the next victim is in `queue`.
    async fn victim(&self, queue: &VecDeque<Key>) -> Result<Option<usize>> {
        for (at, key) in queue.iter().enumerate() {
            let is_mark = self.inner.stat(key).await?.is_some_and(|meta| meta.role == Role::Mark);
            if self.evicts_marks || !is_mark {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn leaked(&self) -> u64 {
        self.leaked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Backend for Bounded {
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
        entry.check_body(Entry::MAX_BODY)?;
        let mut queue = self.queue.lock().await;
        let weight = entry.len() + key.as_str().len() as u64;
        loop {
            let usage = self.inner.usage().await?;
            let room = self.limits.weight.saturating_sub(self.leaked());
            if usage.bytes + weight <= room && usage.entries < self.limits.entries {
                break;
            }
            let Some(oldest) = self.victim(&queue).await?.and_then(|at| queue.remove(at)) else { return Ok(()) };
            self.inner.remove(&oldest).await?;
        }
        queue.push_back(key.clone());
        self.inner.put(key, entry).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.inner.renew(key, present, meta).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        let removed = self.inner.remove(key).await?;
        if removed && self.leak {
            self.leaked.fetch_add(100_000, Ordering::SeqCst);
        }
        Ok(removed)
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix)
    }

    async fn usage(&self) -> Result<Usage> {
        let mut usage = self.inner.usage().await?;
        usage.capacity = Some(self.limits.weight);
        usage.max_entries = Some(self.limits.entries);
        Ok(usage)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
