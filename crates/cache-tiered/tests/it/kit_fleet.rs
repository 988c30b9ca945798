//! What the tests of invalidation and recovery share: tiers of any kind that outlive their stack, and a backplane.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Clock, Entry, Error, ErrorKind, Heard, Key, KeyPrefix, ManualClock, Mark, Meta,
    Position, Result, Swept, Timestamp, Usage,
};
use cache_testkit::{Bench, Faulty, NaiveModel};
use cache_tiered::{TierOptions, Tiered, TieredBuilder};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::kit::{LONG, PATIENCE};

/// What a tier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Passing,
    Durable,
    Shared,
}

/// A stack over faulty tiers that can be opened again.
pub(crate) struct Rig {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) places: Vec<Arc<Faulty<Place>>>,
    /// Of the stacks opened from this one.
    options: Vec<TierOptions>,
    pub(crate) tiers: Tiered,
}

impl Rig {
    /// A stack over tiers named `"0"`, `"1"`, and so on.
    pub(crate) fn of<const N: usize>(kinds: [Kind; N]) -> Self {
        Self::with(kinds.map(|kind| (kind, TierOptions::new())), |builder| builder)
    }

    pub(crate) fn with<const N: usize>(
        tiers: [(Kind, TierOptions); N],
        build: impl FnOnce(TieredBuilder) -> TieredBuilder,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(Bench::START));
        let hub = Arc::new(Hub::default());
        let (mut places, mut builder) = (Vec::new(), Tiered::builder().clock(clock.clone()));
        for (index, (kind, options)) in tiers.into_iter().enumerate() {
            let place = Arc::new(Faulty::new(Place::new(index, kind, clock.clone(), hub.clone())));
            builder = builder.tier_with(place.clone(), options.patience(PATIENCE));
            places.push(place);
        }
        let options = vec![TierOptions::new(); N];
        Self { clock, places, options, tiers: build(builder).build().unwrap() }
    }

    /// The next process on the same machine, with a clock of its own: what is passing is empty.
    pub(crate) fn restarted_at(&self, now: Timestamp) -> Self {
        self.reopened(now, |kind| kind == Kind::Passing, |builder| builder)
    }

    /// The next process, set up in another way.
    pub(crate) fn restarted_with(&self, build: impl FnOnce(TieredBuilder) -> TieredBuilder) -> Self {
        self.reopened(self.clock.now(), |kind| kind == Kind::Passing, build)
    }

    /// The same tiers, treated in another way.
    pub(crate) fn with_options(mut self, options: &[TierOptions]) -> Self {
        self.options = options.to_vec();
        self.restarted()
    }

    /// Another process of the fleet: only what is shared is the same.
    pub(crate) fn peer(&self) -> Self {
        self.reopened(self.clock.now(), |kind| kind != Kind::Shared, |builder| builder)
    }

    pub(crate) fn restarted(&self) -> Self {
        self.restarted_at(self.clock.now())
    }

    fn reopened(
        &self,
        now: Timestamp,
        is_new: impl Fn(Kind) -> bool,
        build: impl FnOnce(TieredBuilder) -> TieredBuilder,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let (mut places, mut builder) = (Vec::new(), Tiered::builder().clock(clock.clone()));
        for (index, (place, options)) in self.places.iter().zip(&self.options).enumerate() {
            let (kind, hub) = (place.inner().kind, place.inner().hub.clone());
            let place = if is_new(kind) {
                Arc::new(Faulty::new(Place::new(index, kind, clock.clone(), hub)))
            } else {
                place.clone()
            };
            builder = builder.tier_with(place.clone(), options.clone().patience(PATIENCE));
            places.push(place);
        }
        let options = self.options.clone();
        Self { clock, places, options, tiers: build(builder).build().unwrap() }
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock_millis(&self) -> u64 {
        self.clock.now().as_millis()
    }

    pub(crate) fn entry(&self, body: &'static str) -> Entry {
        Entry::new(Meta::new(self.tiers.stamps().tick(), self.clock.now()), body)
    }

    pub(crate) fn tagged(&self, tag: &str, body: &'static str) -> Entry {
        let mut entry = self.entry(body);
        entry.meta.tags = [tag.into()].into();
        entry
    }

    pub(crate) async fn put(&self, key: &Key, body: &'static str) -> Entry {
        let entry = self.entry(body);
        self.tiers.put(key, entry.clone()).await.unwrap();
        entry
    }

    /// What a tier holds, asked directly.
    pub(crate) async fn held(&self, tier: usize, key: &Key) -> Option<Entry> {
        self.places[tier].inner().get(key).await.unwrap()
    }

    pub(crate) async fn settle(&self) {
        self.tiers.settle(LONG).await.unwrap();
    }

    pub(crate) async fn body(&self, key: &Key) -> Option<String> {
        let found = self.tiers.get(key).await.unwrap();
        found.map(|entry| String::from_utf8(entry.body.to_vec()).unwrap())
    }

    /// Entries that hold marks in a tier.
    pub(crate) async fn marks_in(&self, tier: usize) -> usize {
        let prefix = KeyPrefix::below(&Key::parse("~marks").unwrap());
        self.places[tier].inner().scan(&prefix).count().await
    }
}

/// A [`NaiveModel`] of a kind; shared ones are on a [`Hub`].
#[derive(Debug)]
pub(crate) struct Place {
    info: BackendInfo,
    kind: Kind,
    inner: NaiveModel,
    pub(crate) hub: Arc<Hub>,
}

impl Place {
    fn new(index: usize, kind: Kind, clock: Arc<ManualClock>, hub: Arc<Hub>) -> Self {
        let mut info = BackendInfo::new(index.to_string());
        info.durable = kind != Kind::Passing;
        info.shared = kind == Kind::Shared;
        Self { info, kind, inner: NaiveModel::new(clock), hub }
    }
}

#[async_trait]
impl Backend for Place {
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

    fn backplane(&self) -> Option<&dyn Backplane> {
        (self.kind == Kind::Shared).then_some(self)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

/// What was published, and who waits for more.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    told: Mutex<Vec<Mark>>,
    broken: AtomicBool,
    more: Notify,
}

impl Hub {
    pub(crate) fn told(&self) -> Vec<Mark> {
        self.told.lock().clone()
    }

    /// Whether nothing can be published.
    pub(crate) fn break_off(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// The next of those after `at`.
    async fn next(&self, at: usize) -> Mark {
        loop {
            let more = self.more.notified();
            if let Some(mark) = self.told.lock().get(at) {
                return mark.clone();
            }
            more.await;
        }
    }
}

#[async_trait]
impl Backplane for Place {
    async fn publish(&self, mark: &Mark) -> Result<()> {
        if self.hub.broken.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "broken off"));
        }
        self.hub.told.lock().push(mark.clone());
        self.hub.more.notify_waiters();
        Ok(())
    }

    fn subscribe(&self, after: Option<Position>) -> BoxStream<'static, Result<Heard>> {
        let hub = self.hub.clone();
        let position = |at: usize| Position::new(at.to_string());
        let begin = match &after {
            Some(after) => after.as_str().parse().unwrap(),
            None => hub.told.lock().len(),
        };
        let gap = after.is_none().then(|| Ok(Heard::Gap(position(begin))));
        let marks = stream::unfold(begin, move |at| {
            let hub = hub.clone();
            async move { Some((Ok(Heard::Mark(hub.next(at).await, position(at + 1))), at + 1)) }
        });
        stream::iter(gap).chain(marks).boxed()
    }
}
