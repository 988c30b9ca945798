//! `Tiered`: several backends as one, the nearest asked first.

mod back;
mod backplane;
mod builder;
mod common;
mod doubt;
mod forecast;
mod heard;
mod invalidate;
mod leases;
mod marking;
mod news;
mod open;
mod options;
mod promote;
mod read;
mod recover;
mod remove;
mod replay;
mod restore;
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
    Backend, BackendInfo, Backplane, Clock, Entry, Error, ErrorKind, Hlc, Key, KeyPrefix, Leases, Meta, Result, Stamp,
    Swept, Timestamp, Usage,
};
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

pub use builder::TieredBuilder;
pub use forecast::Forecast;
pub use invalidate::{Invalidation, TierCount};
pub use options::{Required, TierOptions, Unconfirmed, WritePolicy};
pub use read::{Found, Lookup};
pub use stats::{PromotionStats, RecoveryStats, TierStats, TieredStats};

pub(crate) use backplane::Listener;
pub(crate) use leases::TierLeases;
pub(crate) use marking::MARKS;
pub(crate) use write::{Telling, Write, detached};

use backplane::Fleet;
use common::Common;
use promote::Queue;
use tier::Tier;

use crate::fence::Watch;

/// The most writes under way through one stack; further ones wait for a place.
const WRITES: u32 = 1024;
/// How long a write waits for the writes of its key before it, and then for a place.
const WRITE_LIMIT: Duration = Duration::from_mins(1);
/// How long closing waits for writes under way, for promotions, for calls that go on, and then for each tier.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);

/// Several backends as one, the nearest asked first; itself a [`Backend`], so stacks nest. Cloning shares it.
///
/// # Reads
/// Tiers are asked in order. The first fresh entry is served; a stale one stands by while lower tiers are asked. A
/// tier that fails, takes longer than its patience or panics is skipped and counted, never fatal: a read is an error
/// only when *no* tier could say whether it holds the key. An entry that a tier reports as corrupt is a miss, and is
/// removed from that tier in the background. A fresh entry from a lower tier is promoted: copied to every tier above
/// that admits it, in the background, from the bytes already read, with its deadlines unchanged. An entry that was
/// made more than [`Hlc::MAX_AHEAD`] in the future, by a clock that was corrected since, is a miss.
///
/// # Writes
/// A put goes to all tiers at once that [admit](TierOptions) the entry, and succeeds by what is
/// [required](TieredBuilder::require). It waits for each tier that it does not write in the background, for up to twice
/// its patience: once to learn what the tier has, once to write. It is [`ErrorKind::TooLarge`] when no tier takes a body
/// of its length; that changes nothing when the tiers [say so](BackendInfo) beforehand. A tier that does not take the
/// entry, or failed to store it, does not go on serving an older one: the key is removed there, and when that fails too,
/// it is suspect and not served from that tier until a later write succeeds. A put that failed is not undone: the tiers
/// that took the entry serve it.
///
/// A remove goes to all tiers at once. In a shared tier it leaves a tombstone for eight days, so that an older put of
/// another process loses to it: no load takes longer than [seven](crate::CacheBuilder::deadline). A tier that fails
/// does not serve the key until it has caught up, so for this process the key is gone in any case. When that tier is
/// shared, or is durable and no other tier could take note, the remove is an error all the same: the key may come back
/// for others, or with the next process.
///
/// What a tier has missed waits, the newest operation of each key, and is done again once the tier works: see
/// [`RecoveryStats`].
///
/// Writes of one key run one after another. **A write wins over every read that began before it ended**: what was
/// read is not promoted over it, and a remove waits for the promotion of its key under way.
///
/// # Invalidation
/// [`invalidate`](Self::invalidate) puts a mark in force: entries that it selects and that have an older stamp are not
/// served or kept any more, from any tier, whatever that tier has missed. Marks are entries of the durable and shared
/// tiers, under keys below `~marks`, which callers do not see; they are read before anything is served. Of more than
/// 1,024 marks, or 4,096 of single keys, the oldest become one for everything of their age. A mark from a clock more
/// than [`Hlc::MAX_AHEAD`] ahead counts as one of the time when it is found.
///
/// What a tier has missed, the marks of the others say after a restart. Two failures together defeat that: when the one
/// tier that has taken note does not answer at the restart, the one that has missed a remove or an invalidation serves
/// what it has until the other answers. So does a clock set back while a tier is down and what it holds was never seen
/// by this process.
///
/// # Fleets
/// Where a tier has a [`Backplane`], writes and invalidations are told there and those of others are heard, in a task
/// that ends with [`close`](Backend::close) or the stack. When something may have been missed, at the start as well,
/// tiers that are not shared serve what this process has stored since, and else what a shared tier confirms: it has the
/// same entry. Of an entry that no shared tier takes, by its [options](TierOptions) here, it is enough that they have
/// neither a tombstone nor a newer one; so when another process has replaced such an entry by another such one, and
/// that was missed, the older is served until its end. [`stat`](Backend::stat) does not know the length of a body, and
/// reports an entry that is too long for the shared tiers only once a read has cleared it. Scans and previews report
/// what has still to be confirmed.
///
/// A server may come back with less than it had acknowledged. When that may be, a shared tier is given back the marks
/// that it lacks, and tombstones in place of entries that have come back, as far as this process knows of them: of
/// single keys, the 4,096 newest that it has written, removed or heard of, in the tier with the backplane. What was put
/// back is told again. That begins within half a second, in the background.
///
/// A stack that is a tier of another one tells what it is given, also what a cache above has loaded; and a write through
/// both is told by both. That costs other processes copies that were still good, nothing else. Only the outer stack
/// needs the shared tier with the backplane for that not to be so.
///
/// # Usage and sweeps
/// [`usage`](Backend::usage) is that of the deepest tier, which holds most; likewise the count of a sweep, and its
/// error. It is an estimate: besides what reads find, it counts the marks, and in a shared tier the tombstones, one for
/// each key removed and not put again. The figures of each tier are in [`stats`](Self::stats).
///
/// # Runtime and cancellation
/// It works within a Tokio runtime with time enabled. Dropping a read has no effect. A write that got its turn goes
/// on when its future is dropped, so that tiers never stay at odds. All background work is bounded.
///
/// ```
/// # use cache_core::{Backend, Entry, Key, Meta, Result};
/// # use cache_mem::MemBackend;
/// # use cache_tiered::Tiered;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let near = MemBackend::builder(1 << 20).name("near").build();
/// let far = MemBackend::builder(64 << 20).name("far").build();
/// let tiers = Tiered::builder().tier(near).tier(far).build()?;
///
/// let key = Key::of("poster").part("a3f4b2c1").build()?;
/// tiers.put(&key, Entry::new(Meta::new(tiers.stamps().tick(), tiers.clock().now()), "pixels")).await?;
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
    common: Arc<Common>,
    required: Required,
    unconfirmed: Unconfirmed,
    /// Whether the marks were read and this process hears the others.
    ready: AtomicBool,
    opened: OnceCell<()>,
    fleet: Fleet,
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
        &self.0.common.clock
    }

    /// The hybrid clock that the stamps of this stack and of its caches come from, and those of callers should. It has
    /// seen every stamp that was found in a tier, in a mark or on a backplane. What another clock of this process has
    /// stamped within a millisecond of a remove may be older than that, and lose to its tombstone.
    pub fn stamps(&self) -> &Hlc {
        &self.0.common.stamps
    }

    /// Names of the tiers that would be given such an entry, the nearest first.
    pub fn routes(&self, forecast: &Forecast) -> Vec<Arc<str>> {
        self.0
            .tiers
            .iter()
            .filter(|tier| tier.options.write != WritePolicy::Skip && tier.admits(forecast))
            .map(|tier| tier.name().clone())
            .collect()
    }

    /// Whether a mark puts what this process holds or has loaded since `stamp` out of date.
    pub(crate) fn is_outdated(&self, key: &Key, stamp: Stamp, tags: &[Arc<str>]) -> bool {
        self.0.common.covering(key, stamp, tags).is_some()
    }

    /// Whether a mark puts what this process has begun to load at `stamp` out of date, if it has the wrong tags, which
    /// nobody knows yet.
    pub(crate) fn may_be_outdated(&self, key: &Key, stamp: Stamp) -> bool {
        let common = &self.0.common;
        common.marks.may_cover(key, stamp) || common.news.may_cover(key, stamp)
    }

    /// Grows with every mark added that is not a single key's.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.common.marks.epoch() + self.0.common.news.epoch()
    }

    /// Waits until no promotion, repair or write in the background is queued or under way. What a tier has missed may
    /// wait longer, and a write that took longer than its tier's patience, which counts as missed, may still go on:
    /// [`close`](Backend::close) waits for that, too.
    ///
    /// Cancelling it has no effect on them.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when that took longer than `limit`.
    pub async fn settle(&self, limit: Duration) -> Result<()> {
        timeout(limit, self.idle()).await.map_err(|_| {
            let message = format!("background copies have not ended within {limit:?}");
            self.name_error(Error::new(ErrorKind::Timeout, message), "settle")
        })
    }

    async fn idle(&self) {
        join_all(self.0.tiers.iter().map(|tier| tier.backlog.idle())).await;
        self.0.queue.idle().await;
    }

    fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// Whether the marks in the tiers have been asked for: opening takes no time from here on.
    pub(crate) fn is_opened(&self) -> bool {
        self.0.opened.initialized()
    }

    /// Watches `key` for writes through this stack.
    pub(crate) fn watch(&self, key: &Key) -> Watch {
        self.0.common.fence.watch(key)
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.is_closed() {
            return Err(self.name_error(closed(), operation));
        }
        Ok(())
    }

    fn name_error(&self, error: Error, operation: &'static str) -> Error {
        error.with_backend(self.0.info.name.clone()).with_operation(operation)
    }

    /// Waits for all writes under way, then for promotions, then for what goes on in tiers; none begin afterwards.
    async fn wind_down(&self) {
        let writes = timeout(CLOSE_LIMIT, self.0.writes.acquire_many(WRITES)).await;
        self.0.writes.close();
        drop(writes);
        if let Err(error) = self.settle(CLOSE_LIMIT).await {
            tracing::warn!(%error, "closing without waiting any longer");
        }
        let behind = join_all(self.0.tiers.iter().map(Tier::caught_up));
        if timeout(CLOSE_LIMIT, behind).await.is_err() {
            tracing::warn!("closing tiers that hang in writes");
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
        Ok(self.seek(key, "stat", &Forecast::new()).await.into_found()?.map(|(_, meta, _)| meta))
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

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.renew_detached(key, present, meta).await
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
            Some(deepest) => {
                let mut usage = deepest.usage().await?;
                // Marks and tombstones are among them.
                usage.exact &= !deepest.is_lasting();
                Ok(usage)
            }
            None => Ok(Usage::default()),
        }
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.check_open("sweep")?;
        self.repair_suspects(limit);
        self.urge_recovery();
        self.tend_marks(limit).await;
        let mut answers = join_all(self.0.tiers.iter().map(|tier| tier.sweep(now, limit))).await;
        let mut swept = answers.pop().transpose()?.unwrap_or_default();
        // Of those above, who fails has nothing more to drop for now.
        swept.more |= answers.into_iter().flatten().any(|above| above.more);
        Ok(swept)
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.0.tiers.iter().find_map(|tier| tier.backend.leases())
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.0.tiers.iter().find_map(|tier| tier.backend.backplane())
    }

    async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Release);
        self.0.fleet.leave();
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
