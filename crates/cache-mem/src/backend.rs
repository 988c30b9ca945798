//! `MemBackend`: entries of bytes in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Cause, Clock, Entry, Error, ErrorKind, Evicted, Key, KeyPrefix, Limits, Meta, Result, Role,
    Stamp, Swept, Timestamp, Usage,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::cache::Position;
use crate::{Admission, MemBackendBuilder, MemCache, Terms};

/// Bytes that an entry takes besides the text of its key, its body and the text of its meta: the structures that hold
/// it, and its part of tables that are never full.
pub(crate) const ENTRY_OVERHEAD: u64 = 448;
/// Bytes of text in the meta of an entry that [`BackendInfo::max_body`] leaves room for.
pub(crate) const META_TEXT: u64 = 1024;
/// Bytes that a tag takes besides its text.
const TAG_OVERHEAD: u64 = 32;

/// A [`Backend`] that keeps entries in this process, within an exact budget of bytes.
///
/// # Accounting
/// An entry weighs the bytes of its key, its body and the text of its meta, 32 more for each tag, and 448 for the
/// structures that hold it. [`Usage::bytes`] is the exact sum of these weights and never exceeds the capacity;
/// [`Usage::entries`] is exact likewise. Memory that entries share (one `Bytes` under two keys) counts for each.
///
/// # Admission
/// Bodies above `info().max_body` are [`ErrorKind::TooLarge`]; every other entry whose meta has at most 1 KiB of text
/// fits into an empty backend of 2,496 bytes or more, however many shards there are. Where an entry finds no room, in
/// a smaller one, with a longer meta, or when the number of entries is bounded to zero, the put succeeds and the key is
/// then absent.
///
/// No method waits: futures are ready when first polled, except that a [`scan`](Backend::scan) yields now and then.
/// Cancelling one therefore never interrupts anything.
#[derive(Debug)]
pub struct MemBackend {
    name: Arc<str>,
    max_body: u64,
    limits: Limits,
    clock: Arc<dyn Clock>,
    cache: MemCache<Key, Arc<Entry>>,
    closed: AtomicBool,
}

impl MemBackend {
    /// A backend of `capacity` bytes with the default settings.
    pub fn new(capacity: u64) -> Self {
        Self::builder(capacity).build()
    }

    /// Sets up a backend of `capacity` bytes. Zero holds nothing.
    pub fn builder(capacity: u64) -> MemBackendBuilder {
        MemBackendBuilder::new(capacity)
    }

    pub(crate) fn from_config(config: MemBackendBuilder) -> Self {
        let max_body = config.admitted_body();
        let mut cache = MemCache::builder()
            .capacity(config.capacity)
            .entries(config.entries)
            .max_weight(config.max_weight())
            .policy(config.policy)
            .clock(config.clock.clone());
        if let Some(shards) = config.shards {
            cache = cache.shards(shards);
        }
        if let Some(listener) = config.listener {
            cache = cache.listener(move |key: &Key, entry: &Arc<Entry>, cause| {
                if matches!(cause, Cause::Capacity | Cause::Expired) {
                    let weight = Self::weight_of(key, entry);
                    listener.evicted(&Evicted::new(key, cause, weight, entry.meta.stamp.instant()));
                }
            });
        }
        Self {
            name: config.name,
            max_body,
            limits: Limits::weight(config.capacity).and_entries(config.entries),
            clock: config.clock,
            cache: cache.build(),
            closed: AtomicBool::new(false),
        }
    }

    /// What `entry` weighs under `key`, in bytes: see [Accounting](Self#accounting).
    pub fn weight_of(key: &Key, entry: &Entry) -> u64 {
        let meta = &entry.meta;
        let tags: u64 = meta.tags.iter().map(|tag| tag.len() as u64 + TAG_OVERHEAD).sum();
        let texts = [&meta.content_type, &meta.etag, &meta.codec];
        let texts: u64 = texts.into_iter().flatten().map(|text| text.len() as u64).sum();
        ENTRY_OVERHEAD + key.as_str().len() as u64 + entry.len() + tags + texts
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        // Relaxed: who must see the end of this backend is told by the return of close.
        if self.closed.load(Ordering::Relaxed) {
            let error = Error::new(ErrorKind::Closed, "the backend was closed: open a new one");
            return Err(error.with_backend(self.name.clone()).with_operation(operation));
        }
        Ok(())
    }

    fn find(&self, key: &Key, operation: &'static str) -> Result<Option<Arc<Entry>>> {
        self.check_open(operation).map_err(|error| error.with_key(key))?;
        Ok(self.cache.get(key))
    }

    fn store(&self, key: &Key, entry: Entry) -> Result<()> {
        self.check_open("put").map_err(|error| error.with_key(key))?;
        entry
            .check_body(self.max_body)
            .map_err(|error| error.with_backend(self.name.clone()).with_operation("put").with_key(key))?;
        if entry.meta.is_expired(self.clock.now()) {
            return Ok(());
        }
        let stamp = entry.meta.stamp;
        let accepts = |present: Option<&Arc<Entry>>| present.is_none_or(|present| present.meta.stamp <= stamp);
        // What is not admitted is a success by the contract: the key reads as absent.
        let _ = self.offer(key, entry, accepts);
        Ok(())
    }

    fn offer(&self, key: &Key, entry: Entry, accepts: impl FnOnce(Option<&Arc<Entry>>) -> bool) -> Admission {
        let weight = Self::weight_of(key, &entry);
        let terms = Terms::new().weight(weight).cost(entry.meta.cost).expires(entry.meta.expires());
        let terms = if entry.meta.role == Role::Mark { terms.pinned() } else { terms };
        self.cache.insert_if(key.clone(), Arc::new(entry), terms, accepts)
    }

    /// One step of a scan.
    fn page(&self, prefix: &KeyPrefix, at: Position) -> (Vec<Result<(Key, Meta)>>, Option<Position>) {
        if let Err(error) = self.check_open("scan") {
            return (vec![Err(error)], None);
        }
        self.cache.page(at, |key, entry| prefix.matches(key).then(|| Ok((key.clone(), entry.meta.clone()))))
    }
}

#[async_trait]
impl Backend for MemBackend {
    fn info(&self) -> BackendInfo {
        let mut info = BackendInfo::new(self.name.clone());
        info.max_body = self.max_body;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.check_open("stat").map_err(|error| error.with_key(key))?;
        // A look at the meta is no use of the entry.
        Ok(self.cache.peek(key).map(|entry| entry.meta.clone()))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        Ok(self.find(key, "get")?.map(Arc::unwrap_or_clone))
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.store(key, entry)
    }

    /// Shares the body of the entry present. To the policy it is a put.
    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.check_open("renew").map_err(|error| error.with_key(key))?;
        if meta.stamp < present {
            return Ok(false);
        }
        // Ends when nobody else has replaced the entry between the look at it and the offer.
        let is_meant = |found: &Arc<Entry>| found.meta.stamp == present && found.meta.role == meta.role;
        while let Some(found) = self.cache.peek(key).filter(is_meant) {
            if meta.is_expired(self.clock.now()) {
                return Ok(false);
            }
            let renewed = Entry::new(meta.clone(), found.body.clone());
            let is_found = |there: Option<&Arc<Entry>>| there.is_some_and(|there| Arc::ptr_eq(there, &found));
            match self.offer(key, renewed, is_found) {
                Admission::Declined => {}
                admission => return Ok(admission.is_stored()),
            }
        }
        Ok(false)
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.check_open("remove").map_err(|error| error.with_key(key))?;
        Ok(self.cache.remove(key).is_some())
    }

    /// Costs a look at every entry held, 256 at a time: the shared lock of one shard, and memory for those selected.
    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let prefix = prefix.clone();
        let pages = stream::unfold(Some(Position::default()), move |at| {
            let step = at.map(|at| self.page(&prefix, at));
            async move {
                let (page, next) = step?;
                if next.is_some() {
                    yield_once().await;
                }
                Some((stream::iter(page), next))
            }
        });
        pages.flatten().boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.check_open("usage")?;
        let stats = self.cache.stats();
        let mut usage = Usage::default();
        usage.entries = stats.entries;
        usage.bytes = stats.weight;
        usage.exact = true;
        usage.capacity = Some(self.limits.weight);
        usage.max_entries = (self.limits.entries != u64::MAX).then_some(self.limits.entries);
        usage.evicted = stats.evicted;
        usage.expired = stats.expired;
        Ok(usage)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.check_open("sweep")?;
        Ok(self.cache.sweep(now, limit))
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Relaxed);
        self.cache.clear();
        // A put that passed the check before it was closed finds no room.
        self.cache.resize(Limits::weight(0));
        Ok(())
    }
}

/// Lets other tasks run before going on.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
