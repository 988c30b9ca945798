//! `Tiered`: several backends as one, the nearest asked first.

mod builder;
mod options;
mod promote;
mod read;
mod scan;
mod stats;
mod suspects;
mod tier;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Clock, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Swept, Timestamp, Usage,
};
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use builder::TieredBuilder;
pub use options::TierOptions;
pub use read::{Found, Lookup};
pub use stats::{PromotionStats, TierStats, TieredStats};

pub(crate) use write::{Write, detached};

use promote::Queue;
use tier::Tier;

use crate::fence::{Fence, Watch};

/// The most writes under way through one stack; further ones wait for a place.
const WRITES: u32 = 1024;
/// How long a write waits for the writes of its key before it, and then for a place.
const WRITE_LIMIT: Duration = Duration::from_mins(1);
/// How long closing waits for writes and promotions under way, and then for each tier.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);

/// Several backends as one, the nearest asked first; itself a [`Backend`], so stacks nest. Cloning shares it.
///
/// # Reads
/// Tiers are asked in order. The first fresh entry is served; a stale one stands by while lower tiers are asked. A
/// tier that fails, takes longer than its patience or panics is skipped and counted, never fatal: a read is an error
/// only when *no* tier could say whether it holds the key. An entry that a tier reports as corrupt is a miss, and is
/// removed from that tier in the background. A fresh entry from a lower tier is promoted: copied to every tier above
/// that takes its body, in the background, from the bytes already read, with its deadlines unchanged.
///
/// # Writes
/// A put goes to all tiers at once. It succeeds when a durable tier has stored the entry; where no durable tier takes a
/// body of its length, when any tier has. It is [`ErrorKind::TooLarge`], and changes nothing, when no tier takes such a
/// body. A tier that refused the entry or failed to store it does not go on serving an older one: the key is removed
/// there, and when that fails too, it is suspect and not served from that tier until a later write succeeds.
///
/// A remove goes to all tiers at once. A tier that fails does not serve the key until a later write succeeds, so for
/// this process the key is gone in any case. When that tier is durable or shared, the remove is an error all the same:
/// the key may come back with the next process, or for others, and has to be removed again.
///
/// Writes of one key run one after another. **A write wins over every read that began before it ended**: what was
/// read is not promoted over it, and a remove waits for the promotion of its key under way.
///
/// # Usage and sweeps
/// [`usage`](Backend::usage) is that of the deepest tier, which holds most; likewise the count of a sweep, and its
/// error. The figures of each tier are in [`stats`](Self::stats).
///
/// # Runtime and cancellation
/// It works within a Tokio runtime with time enabled. Dropping a read has no effect. A write that got its turn goes
/// on when its future is dropped, so that tiers never stay at odds. All background work is bounded.
///
/// ```
/// # use cache_core::{Backend, Clock, Entry, Hlc, Key, Meta, Result, SystemClock};
/// # use cache_mem::MemBackend;
/// # use cache_tiered::Tiered;
/// # use std::sync::Arc;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let near = MemBackend::builder(1 << 20).name("near").build();
/// let far = MemBackend::builder(64 << 20).name("far").build();
/// let tiers = Tiered::builder().tier(near).tier(far).build()?;
///
/// let clock = Arc::new(SystemClock::new());
/// let stamps = Hlc::new(clock.clone());
/// let key = Key::of("poster").part("a3f4b2c1").build()?;
/// tiers.put(&key, Entry::new(Meta::new(stamps.tick(), clock.now()), "pixels")).await?;
///
/// let lookup = tiers.lookup(&key).await;
/// assert_eq!(lookup.found.map(|found| found.name.to_string()).as_deref(), Some("near"));
/// tiers.close().await
/// # }
/// ```
#[derive(Clone)]
pub struct Tiered(Arc<Inner>);

struct Inner {
    info: BackendInfo,
    /// At least one.
    tiers: Vec<Tier>,
    clock: Arc<dyn Clock>,
    fence: Fence,
    queue: Queue,
    writes: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Tiered {
    /// Starts a stack.
    pub fn builder() -> TieredBuilder {
        TieredBuilder::new()
    }

    /// The clock that decides about freshness.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Waits until no promotion or repair is queued or under way.
    ///
    /// Cancelling it has no effect on them.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when that took longer than `limit`.
    pub async fn settle(&self, limit: Duration) -> Result<()> {
        timeout(limit, self.0.queue.idle()).await.map_err(|_| {
            let message = format!("background copies have not ended within {limit:?}");
            self.name_error(Error::new(ErrorKind::Timeout, message), "settle")
        })
    }

    /// Watches `key` for writes through this stack.
    pub(crate) fn watch(&self, key: &Key) -> Watch {
        self.0.fence.watch(key)
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(self.name_error(closed(), operation));
        }
        Ok(())
    }

    fn name_error(&self, error: Error, operation: &'static str) -> Error {
        error.with_backend(self.0.info.name.clone()).with_operation(operation)
    }

    /// Waits for all writes under way, then for promotions; none begin afterwards.
    async fn wind_down(&self) {
        let writes = timeout(CLOSE_LIMIT, self.0.writes.acquire_many(WRITES)).await;
        self.0.writes.close();
        drop(writes);
        if let Err(error) = self.settle(CLOSE_LIMIT).await {
            tracing::warn!(%error, "closing without waiting any longer");
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Tiered {
    fn info(&self) -> BackendInfo {
        self.0.info.clone()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        Ok(self.seek(key, "stat").await.into_found()?.map(|(_, meta, _)| meta))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        Ok(self.lookup(key).await.into_found()?.map(|found| found.entry))
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let lookups = self.lookup_many(keys).await;
        lookups.into_iter().map(|lookup| Ok(lookup.into_found()?.map(|found| found.entry))).collect()
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.put_detached(key, entry).await
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        self.put_concurrently(entries).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.remove_detached(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.scan_all(prefix)
    }

    async fn usage(&self) -> Result<Usage> {
        self.check_open("usage")?;
        match self.0.tiers.last() {
            Some(deepest) => deepest.usage().await,
            None => Ok(Usage::default()),
        }
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.check_open("sweep")?;
        self.repair_suspects(limit);
        let mut answers = join_all(self.0.tiers.iter().map(|tier| tier.sweep(now, limit))).await;
        let mut swept = answers.pop().transpose()?.unwrap_or_default();
        // Of those above, who fails has nothing more to drop for now.
        swept.more |= answers.into_iter().flatten().any(|above| above.more);
        Ok(swept)
    }

    async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Release);
        self.wind_down().await;
        let close = async |tier: &Tier| tier.call("close", CLOSE_LIMIT, async { tier.backend.close().await }).await;
        join_all(self.0.tiers.iter().map(close)).await.into_iter().collect()
    }
}

impl fmt::Debug for Tiered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backends = self.0.tiers.iter().map(|tier| &tier.backend);
        f.debug_struct("Tiered").field("info", &self.0.info).field("tiers", &backends.collect::<Vec<_>>()).finish()
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the tiers were closed: open new ones")
}
