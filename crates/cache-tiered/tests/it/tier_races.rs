//! Races: what a tier answers is not served when it was out of date before the tier was asked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Entry, ErrorKind, HOUR, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{TierOptions, Tiered, WritePolicy};
use futures_util::stream::BoxStream;
use parking_lot::Mutex;

use crate::kit::{LONG, PATIENCE, key, millis, pass};
use crate::kit_fleet::{Kind, Rig};

const DOWN: Fault = Fault::Fail(ErrorKind::Unavailable);

/// A backend whose answers to reads are on their way for a while.
#[derive(Debug)]
struct Late {
    inner: Arc<dyn Backend>,
    wait: Mutex<Duration>,
}

impl Late {
    fn new(inner: impl Backend) -> Arc<Self> {
        Arc::new(Self { inner: Arc::new(inner), wait: Mutex::default() })
    }

    fn answers_after(&self, wait: Duration) {
        *self.wait.lock() = wait;
    }

    async fn late<T>(&self, answer: T) -> T {
        let wait = *self.wait.lock();
        if !wait.is_zero() {
            pass(wait).await;
        }
        answer
    }
}

#[async_trait]
impl Backend for Late {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.inner.stat(key).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.late(self.inner.get(key).await).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        self.late(self.inner.get_many(keys).await).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.inner.put(key, entry).await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.inner.renew(key, present, meta).await
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

/// What a read finds, of one key or of many.
async fn read(tiers: &Tiered, key: &Key, many: bool) -> Option<String> {
    let found =
        if many { tiers.get_many(std::slice::from_ref(key)).await.pop().unwrap() } else { tiers.get(key).await };
    found.unwrap().map(|entry| String::from_utf8(entry.body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_missed_remove_was_done_again_is_not_served() {
    for many in [false, true] {
        let rig = Rig::of([Kind::Passing, Kind::Passing]);
        let late = Late::new(rig.places[1].clone());
        let tiers = Tiered::builder().clock(rig.clock.clone()).tier(rig.places[0].clone());
        let tiers = tiers.tier_with(late.clone(), TierOptions::new().name("late")).build().unwrap();
        let a = key("a");
        tiers.put(&a, rig.entry("old")).await.unwrap();
        rig.places[1].set_plan(Plan::new().each(Operation::Remove, DOWN));
        tiers.remove(&a).await.unwrap();
        rig.places[1].heal();
        late.answers_after(2 * PATIENCE);
        let reading = tokio::spawn({
            let (tiers, a) = (tiers.clone(), a.clone());
            async move { read(&tiers, &a, many).await }
        });
        assert_eq!(reading.await.unwrap(), None, "many: {many}");
        assert!(eventually(LONG, async || tiers.stats().await.tiers[1].recovery.queued == 0).await);
        late.answers_after(Duration::ZERO);
        tiers.settle(LONG).await.unwrap();
        assert_eq!(read(&tiers, &a, many).await, None, "many: {many}, nothing was promoted");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_write_in_the_background_is_not_served() {
    for many in [false, true] {
        let rig = Rig::of([Kind::Passing, Kind::Durable, Kind::Durable]);
        let late = Late::new(rig.places[1].clone());
        let tiers = Tiered::builder()
            .clock(rig.clock.clone())
            .tier_with(rig.places[0].clone(), TierOptions::new().write(WritePolicy::Skip))
            .tier_with(late.clone(), TierOptions::new().name("late").write(WritePolicy::Back))
            .tier(rig.places[2].clone())
            .build()
            .unwrap();
        let a = key("a");
        tiers.put(&a, rig.entry("old")).await.unwrap();
        tiers.settle(LONG).await.unwrap();
        rig.places[1].set_plan(Plan::new().nth(Operation::Put, 1, Fault::Delay(millis(500))));
        tiers.put(&a, rig.entry("new")).await.unwrap();
        late.answers_after(millis(1000));
        assert_eq!(read(&tiers, &a, many).await.as_deref(), Some("new"), "many: {many}");
        late.answers_after(Duration::ZERO);
        tiers.settle(LONG).await.unwrap();
        assert_eq!(read(&tiers, &a, many).await.as_deref(), Some("new"), "many: {many}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_forgotten_during_a_read_still_counts_for_it() {
    let rig = Rig::of([Kind::Passing, Kind::Shared]);
    let late = Late::new(rig.places[0].clone());
    let tiers = Tiered::builder().clock(rig.clock.clone());
    let tiers = tiers.tier_with(late.clone(), TierOptions::new().name("late")).tier(rig.places[1].clone());
    let tiers = tiers.build().unwrap();
    let peer = rig.peer();
    let a = key("a");
    // Both listen, and what is put from here on is in no doubt.
    assert!(tiers.get(&a).await.unwrap().is_none() && peer.body(&a).await.is_none());
    pass(millis(10)).await;
    for clock in [&rig.clock, &peer.clock] {
        clock.advance(HOUR);
    }
    tiers.put(&a, Entry::new(Meta::new(tiers.stamps().tick(), rig.clock_now()), "old")).await.unwrap();
    pass(millis(10)).await;
    peer.clock.advance(millis(5));
    // The nearest tier drops it late, and the mark is needed until then.
    rig.places[0].set_plan(Plan::new().nth(Operation::Stat, 1, Fault::Delay(millis(500))));
    peer.tiers.remove(&a).await.unwrap();
    pass(millis(100)).await;
    late.answers_after(millis(1000));
    assert_eq!(read(&tiers, &a, false).await, None);
    assert_eq!(rig.held(0, &a).await, None, "it was dropped meanwhile");
}
