//! `Noting`: a backend that leaves a note, with a stamp of its own, in the place of what is removed.

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Entry, Hlc, Key, KeyPrefix, Meta, Result, Role, Stamp, Swept, Timestamp, Usage,
};
use cache_testkit::{Bench, NaiveModel};
use futures_util::future;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

/// What a stack does with a tier that others see, without the rest of it.
#[derive(Debug)]
pub(crate) struct Noting {
    pub(crate) stamps: Hlc,
    inner: NaiveModel,
}

impl Noting {
    pub(crate) fn new(bench: &Bench) -> Self {
        Self { stamps: Hlc::of_node(bench.clock.clone(), 7), inner: NaiveModel::new(bench.clock.clone()) }
    }
}

#[async_trait]
impl Backend for Noting {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        Ok(self.inner.stat(key).await?.filter(is_shown))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        Ok(self.inner.get(key).await?.filter(|entry| is_shown(&entry.meta)))
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.stamps.observe(entry.meta.stamp);
        self.inner.put(key, entry).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.stamps.observe(meta.stamp);
        self.inner.renew(key, present, meta).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        let found = self.stat(key).await?.is_some();
        let stamp = self.stamps.tick();
        let mut note = Meta::new(stamp, stamp.instant());
        note.role = Role::Tombstone;
        self.inner.put(key, Entry::new(note, "")).await?;
        Ok(found)
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix).try_filter(|(_, meta)| future::ready(is_shown(meta))).boxed()
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

fn is_shown(meta: &Meta) -> bool {
    meta.role != Role::Tombstone
}
