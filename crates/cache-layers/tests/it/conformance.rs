//! The conformance suite, through every layer and a stack of them.

use async_trait::async_trait;
use cache_core::{Backend, BackendInfo, Entry, Key, KeyPrefix, Limits, Meta, Result, Stamp, Swept, Timestamp, Usage};
use cache_layers::{Breaker, Compressed, Concurrency, Metered, Prefixed, Signed, SigningKey, Timeout};
use cache_mem::MemBackend;
use cache_testkit::{Bench, Fixture, NaiveModel, conformance};
use futures_util::stream::{BoxStream, StreamExt};

use crate::kit::{key, millis};

fn mem(bench: &Bench) -> MemBackend {
    let Limits { weight, entries } = bench.limits;
    MemBackend::builder(weight).entries(entries).clock(bench.clock.clone()).build()
}

conformance!(timeout, |bench| async move { Ok(Fixture::new(Timeout::new(mem(&bench), millis(60_000)))) });
conformance!(breaker, |bench| async move { Ok(Fixture::new(Breaker::new(mem(&bench)).clock(bench.clock))) });
conformance!(concurrency, |bench| async move { Ok(Fixture::new(Concurrency::new(mem(&bench), 2))) });
conformance!(compressed, |bench| async move { Ok(Fixture::new(Compressed::new(mem(&bench)))) });
conformance!(compressed_always, |bench| async move { Ok(Fixture::new(Compressed::new(mem(&bench)).min_len(1))) });
conformance!(signed, |bench| async move {
    Ok(Fixture::new(Signed::new(mem(&bench), SigningKey::of(b"0123456789abcdef")?)))
});
conformance!(metered, |bench| async move { Ok(Fixture::new(Metered::new(mem(&bench)).clock(bench.clock))) });
conformance!(prefixed, |bench| async move {
    let beside = NaiveModel::new(bench.clock.clone());
    Ok(Fixture::new(Spill { inner: Prefixed::new(mem(&bench), key("alice:p=1")), beside }))
});
conformance!(stacked, |bench| async move {
    let guarded = Concurrency::new(Breaker::new(Timeout::new(mem(&bench), millis(60_000))), 8);
    Ok(Fixture::new(Metered::new(Compressed::new(guarded))))
});

/// Keeps the few keys elsewhere that are too long below a prefix, the one rule that `Prefixed` cannot hold.
#[derive(Debug)]
struct Spill {
    inner: Prefixed<MemBackend>,
    beside: NaiveModel,
}

impl Spill {
    fn of(&self, key: &Key) -> &dyn Backend {
        if key.as_str().len() + "alice:p=1:".len() > Key::MAX_BYTES { &self.beside } else { &self.inner }
    }
}

#[async_trait]
impl Backend for Spill {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.of(key).stat(key).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.of(key).get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        match keys {
            [key] => self.of(key).get_many(keys).await,
            _ => self.inner.get_many(keys).await,
        }
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.of(key).put(key, entry).await
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        self.inner.put_many(entries).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.of(key).renew(key, present, meta).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.of(key).remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix).chain(self.beside.scan(prefix)).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    async fn close(&self) -> Result<()> {
        self.beside.close().await?;
        self.inner.close().await
    }
}
