//! Dropped futures: sound backends pass, one that leaks fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cache_core::{Backend, BackendInfo, Entry, Key, KeyPrefix, Meta, Result, Swept, Timestamp, Usage};
use cache_testkit::{Bench, Fault, Faulty, Fixture, NaiveModel, Opened, Plan, check_dropped_methods};
use futures_util::stream::BoxStream;
use tokio::task::yield_now;

use crate::detached::Detached;

#[tokio::test(start_paused = true)]
async fn a_backend_that_answers_at_once_passes() {
    let open = async |bench: Bench| Ok(Fixture::new(NaiveModel::new(bench.clock)));
    assert_eq!(check_dropped_methods(open).await.unwrap(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_answers_late_passes() {
    let open = async |bench: Bench| {
        let faulty = Faulty::new(NaiveModel::new(bench.clock));
        faulty.set_plan(Plan::new().all(Fault::Delay(std::time::Duration::from_millis(1))));
        Ok(Fixture::new(faulty))
    };
    assert_eq!(check_dropped_methods(open).await.unwrap(), 33);
}

#[tokio::test]
async fn a_backend_whose_dropped_calls_go_on_passes() {
    let open = async |bench: Bench| Ok(Fixture::new(Detached::new(NaiveModel::new(bench.clock))));
    check_dropped_methods(open).await.unwrap();
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "put dropped at DropPoint { polls: 1, woken: false }, (entries, bytes) are not (0, 0)")]
async fn a_backend_whose_dropped_put_leaks_its_weight_fails() {
    drop(check_dropped_methods(leaky).await);
}

async fn leaky(bench: Bench) -> Opened<Leaky> {
    Ok(Fixture::new(Leaky { inner: NaiveModel::new(bench.clock), reserved: Arc::default() }))
}

/// Reserves room for a put, and gives it back only when the put comes to its end.
#[derive(Debug)]
struct Leaky {
    inner: NaiveModel,
    reserved: Arc<AtomicU64>,
}

#[async_trait]
impl Backend for Leaky {
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
        let len = entry.len();
        self.reserved.fetch_add(len, Ordering::SeqCst);
        yield_now().await;
        let answer = self.inner.put(key, entry).await;
        self.reserved.fetch_sub(len, Ordering::SeqCst);
        answer
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.inner.remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix)
    }

    async fn usage(&self) -> Result<Usage> {
        let mut usage = self.inner.usage().await?;
        usage.bytes += self.reserved.load(Ordering::SeqCst);
        Ok(usage)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
