//! What the tests share: two faulty tiers on a clock that stands still, and loaders that count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Clock, Entry, Hlc, Key, KeyPrefix, Lifetime, ManualClock, Meta, Result, Swept, Timestamp,
    Usage,
};
use cache_testkit::{Bench, Faulty, NaiveModel};
use cache_tiered::{Cache, CacheBuilder, TierOptions, Tiered};
use futures_util::stream::BoxStream;

/// The patience of both tiers.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// A wait that no test needs.
pub(crate) const LONG: Duration = Duration::from_mins(10);

/// Two faulty tiers, `near` over `far`; only `far` is durable.
pub(crate) struct Bed {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stamps: Hlc,
    pub(crate) near: Arc<Faulty<Plain>>,
    pub(crate) far: Arc<Faulty<Plain>>,
    pub(crate) tiers: Tiered,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::with(TierOptions::new(), 100)
    }

    pub(crate) fn with(near_options: TierOptions, queue: usize) -> Self {
        let clock = Arc::new(ManualClock::new(Bench::START));
        let near = Arc::new(Faulty::new(Plain::new("near", false, clock.clone())));
        let far = Arc::new(Faulty::new(Plain::new("far", true, clock.clone())));
        let tiers = Tiered::builder()
            .tier_with(near.clone(), near_options.patience(PATIENCE))
            .tier_with(far.clone(), TierOptions::new().patience(PATIENCE))
            .queue(queue)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { stamps: Hlc::new(clock.clone()), clock, near, far, tiers }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new entry that never expires.
    pub(crate) fn entry(&self, body: &'static str) -> Entry {
        Entry::new(Meta::new(self.stamps.tick(), self.now()), body)
    }

    pub(crate) fn lasting(&self, lifetime: Lifetime, body: &'static str) -> Entry {
        Entry::new(Meta::new(self.stamps.tick(), self.now()).with_lifetime(lifetime), body)
    }

    /// A new entry that is only in `far`.
    pub(crate) async fn put_far(&self, key: &Key, body: &'static str) -> Entry {
        let entry = self.entry(body);
        self.far.inner().put(key, entry.clone()).await.unwrap();
        entry
    }

    /// What `near` holds, asked directly.
    pub(crate) async fn in_near(&self, key: &Key) -> Option<Entry> {
        self.near.inner().get(key).await.unwrap()
    }

    /// What `far` holds, asked directly.
    pub(crate) async fn in_far(&self, key: &Key) -> Option<Entry> {
        self.far.inner().get(key).await.unwrap()
    }

    pub(crate) async fn settle(&self) {
        self.tiers.settle(LONG).await.unwrap();
    }

    /// A cache of strings over the tiers, which serves stale ones only when a load has failed.
    pub(crate) fn strings(&self) -> CacheBuilder<String> {
        Cache::builder("strings").tiers(self.tiers.clone()).stale_on_failure_only()
    }
}

/// The time of tokio's clock, which tests pause, as the time of day.
#[derive(Debug)]
pub(crate) struct Paused(tokio::time::Instant);

impl Paused {
    /// When it begins.
    pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Self::START.after(self.0.elapsed())
    }
}

/// A [`NaiveModel`] that says what it is told about itself.
#[derive(Debug)]
pub(crate) struct Plain {
    info: BackendInfo,
    inner: NaiveModel,
}

impl Plain {
    fn new(name: &'static str, durable: bool, clock: Arc<ManualClock>) -> Self {
        let mut info = BackendInfo::new(name);
        info.durable = durable;
        Self { info, inner: NaiveModel::new(clock) }
    }
}

#[async_trait]
impl Backend for Plain {
    fn info(&self) -> BackendInfo {
        self.info.clone()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.inner.stat(key).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
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

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// Where a cache of [`Bed::strings`] keeps `key` in the tiers.
pub(crate) fn stored(key: &Key) -> Key {
    Key::parse(&format!("strings:{key}")).unwrap()
}

/// Counts runs of loaders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs(Arc<AtomicU64>);

impl Runs {
    pub(crate) fn begin(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// A loader that takes `span` and answers with `answer`.
    pub(crate) fn takes(
        &self,
        span: Duration,
        answer: std::result::Result<&'static str, &'static str>,
    ) -> impl FnOnce(
        cache_tiered::Load,
    ) -> futures_util::future::BoxFuture<'static, std::result::Result<String, &'static str>>
    + Send
    + Clone
    + use<> {
        let runs = self.clone();
        move |_| {
            Box::pin(async move {
                runs.begin();
                pass(span).await;
                answer.map(str::to_owned)
            })
        }
    }
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets `span` pass on the paused clock.
pub(crate) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}
