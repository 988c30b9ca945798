//! `Lived`: a tier in which nothing is kept longer than the user allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Key, KeyPrefix, Leases, Meta, Result, Role, Stamp, Swept, Timestamp, Usage,
};
use futures_util::stream::BoxStream;

/// A tier whose values end a span after they were made at the latest. Marks and tombstones keep their own deadlines.
#[derive(Debug, Clone)]
pub(super) struct Lived {
    inner: Arc<dyn Backend>,
    longest: Longest,
}

/// The longest that anything is kept, if there is such a limit. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Longest(Arc<AtomicU64>);

impl Longest {
    /// Milliseconds that stand for no limit.
    const NONE: u64 = u64::MAX;

    pub(crate) fn new(span: Option<Duration>) -> Self {
        Self(Arc::new(AtomicU64::new(Self::millis(span))))
    }

    pub(crate) fn get(&self) -> Option<Duration> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&millis| millis != Self::NONE).map(Duration::from_millis)
    }

    /// What is put from here on ends by then at the latest; what is kept already keeps its deadline.
    pub(crate) fn set(&self, span: Option<Duration>) {
        self.0.store(Self::millis(span), Ordering::Relaxed);
    }

    fn millis(span: Option<Duration>) -> u64 {
        span.map_or(Self::NONE, |span| u64::try_from(span.as_millis()).unwrap_or(Self::NONE))
    }
}

impl Lived {
    pub(super) fn new(inner: Arc<dyn Backend>, longest: Longest) -> Self {
        Self { inner, longest }
    }

    fn shorten(&self, mut meta: Meta) -> Meta {
        if meta.role == Role::Value
            && let Some(longest) = self.longest.get()
        {
            // Clocks of tiers may be a tick apart: what lives for no time has ended long ago, by all of them.
            let end = if longest.is_zero() { Timestamp::EPOCH } else { meta.created.after(longest) };
            meta.fresh_until = meta.fresh_until.min(end);
            meta.stale_until = meta.stale_until.min(end);
        }
        meta
    }

    fn shortened(&self, entry: Entry) -> Entry {
        Entry::new(self.shorten(entry.meta), entry.body)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Lived {
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

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.inner.put(key, self.shortened(entry)).await
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        self.inner.put_many(entries.into_iter().map(|(key, entry)| (key, self.shortened(entry))).collect()).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.inner.renew(key, present, self.shorten(meta)).await
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

    fn leases(&self) -> Option<&dyn Leases> {
        self.inner.leases()
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.inner.backplane()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use cache_core::{DAY, HOUR, Lifetime, ttl};
    use cache_mem::MemBackend;

    use super::*;

    #[tokio::test]
    async fn values_end_by_then_and_others_when_they_say() {
        let longest = Longest::new(Some(DAY));
        let tier = Lived::new(Arc::new(MemBackend::new(1 << 20)), longest.clone());
        let key = Key::of("a").build().unwrap();
        let now = Timestamp::from_millis(u64::MAX / 2);
        let put = async |meta: Meta| {
            tier.put(&key, Entry::new(meta, "body")).await.unwrap();
            tier.stat(&key).await.unwrap().unwrap()
        };
        let meta = |stamp: u64| Meta::new(Stamp::from_u64(stamp), now);
        assert_eq!(put(meta(1).with_lifetime(Lifetime::FOREVER)).await.expires(), now.after(DAY));
        let kept = put(meta(2).with_lifetime(ttl(HOUR).stale(30 * DAY))).await;
        assert_eq!((kept.fresh_until, kept.stale_until), (now.after(HOUR), now.after(DAY)));
        assert_eq!(put(meta(3).with_lifetime(ttl(HOUR))).await.expires(), now.after(HOUR));
        let mut tombstone = meta(4);
        tombstone.role = Role::Tombstone;
        assert_eq!(put(tombstone).await.expires(), Timestamp::NEVER);
        longest.set(Some(HOUR));
        assert_eq!(put(meta(5).with_lifetime(Lifetime::FOREVER)).await.expires(), now.after(HOUR));
        longest.set(None);
        assert_eq!(put(meta(6).with_lifetime(Lifetime::FOREVER)).await.expires(), Timestamp::NEVER);
    }
}
