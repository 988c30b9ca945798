//! `Metered`: calls of a backend as metrics and spans.

mod instruments;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Clock, Entry, Error, Freshness, Key, KeyPrefix, Leases, Meta, Result, Stamp,
    Swept, SystemClock, Timestamp, Usage,
};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::Instant;
use tracing::{Instrument, Span, field};

use instruments::{End, Instruments, Op};

/// A backend whose calls are counted and timed through the [`metrics`] facade and traced.
///
/// | metric | labels | what |
/// |---|---|---|
/// | `reelcache_calls_total` | `backend`, `op`, `result` | calls; a batch counts each of its keys |
/// | `reelcache_op_duration_seconds` | `backend`, `op` | time of calls; of a scan, that of its steps together |
/// | `reelcache_bytes_read_total` | `backend` | bytes of bodies returned |
/// | `reelcache_bytes_written_total` | `backend` | bytes of bodies taken |
///
/// `backend` is the name in [`BackendInfo`] unless another is given; `op` is the method. Reads end in `hit`, `stale` or
/// `miss`, `remove` and `renew` in `hit` or `miss`, everything else in `ok`; failures are `corrupt`, `unavailable`,
/// `timeout`, `too_large`, `breaker_open` or `error`. A call that is dropped before its answer is `cancelled`: a backend
/// that hangs shows even when its callers leave. No label names a key.
///
/// Each call is a span `backend` at debug level with the fields `backend`, `op` and `outcome`.
///
/// The handles are registered with the recorder of the moment when the layer is made: install one before.
///
/// # Cost
/// A call costs two readings of the time, and one more for each entry found, to tell whether it is stale; a counter for
/// its result, one for its bytes, and a histogram, at what these cost the recorder; a span where a subscriber wants it;
/// and the allocation of its future, as for every layer. `put_many` allocates a list of lengths. Nothing is registered.
pub struct Metered<B> {
    inner: B,
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    instruments: Instruments,
}

impl<B: Backend> Metered<B> {
    /// Measures `inner` under its own name.
    pub fn new(inner: B) -> Self {
        let name = inner.info().name;
        Self::named(inner, name)
    }

    /// Measures `inner` under `name`, where two backends have the same.
    pub fn named(inner: B, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self { inner, clock: Arc::new(SystemClock::new()), instruments: Instruments::new(&name), name }
    }

    /// Tells hits from stale hits by `clock`; by the system's unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The backend inside.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    async fn call<T>(
        &self,
        op: Op,
        work: impl Future<Output = Result<T>> + Send,
        end: impl FnOnce(&T) -> End + Send,
    ) -> Result<T> {
        let mut watch = self.watch(op, 1);
        let answer = watch.time(work).await;
        watch.end = end_of(&answer, end);
        answer
    }

    async fn batch<T>(
        &self,
        op: Op,
        len: usize,
        work: impl Future<Output = Vec<Result<T>>> + Send,
        end: impl Fn(&T) -> End + Send,
    ) -> Vec<Result<T>> {
        let mut watch = self.watch(op, len as u64);
        let answers = watch.time(work).await;
        watch.calls = 0;
        for answer in &answers {
            let end = end_of(answer, &end);
            self.instruments.count(op, end, 1);
            if answer.is_err() {
                watch.end = end;
            }
        }
        answers
    }

    fn watch(&self, op: Op, calls: u64) -> Watch<'_> {
        let span = tracing::debug_span!("backend", backend = &*self.name, op = op.name(), outcome = field::Empty);
        Watch { instruments: &self.instruments, op, calls, span, begun: None, busy: Duration::ZERO, end: End::Ok }
    }

    fn end_of_meta(&self, meta: Option<&Meta>) -> End {
        match meta.map(|meta| meta.freshness(self.clock.now())) {
            Some(Freshness::Fresh) => End::Hit,
            Some(_) => End::Stale,
            None => End::Miss,
        }
    }

    fn end_of_entry(&self, entry: Option<&Entry>) -> End {
        if let Some(entry) = entry {
            self.instruments.read(entry.len());
        }
        self.end_of_meta(entry.map(|entry| &entry.meta))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Metered<B> {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.call(Op::Stat, self.inner.stat(key), |meta| self.end_of_meta(meta.as_ref())).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.call(Op::Get, self.inner.get(key), |entry| self.end_of_entry(entry.as_ref())).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let work = self.inner.get_many(keys);
        self.batch(Op::GetMany, keys.len(), work, |entry| self.end_of_entry(entry.as_ref())).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let bytes = entry.len();
        self.call(Op::Put, self.inner.put(key, entry), |()| End::Ok).await?;
        self.instruments.written(bytes);
        Ok(())
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let lens: Vec<u64> = entries.iter().map(|(_, entry)| entry.len()).collect();
        let answers = self.batch(Op::PutMany, lens.len(), self.inner.put_many(entries), |()| End::Ok).await;
        let taken = answers.iter().zip(lens).filter(|(answer, _)| answer.is_ok());
        self.instruments.written(taken.map(|(_, len)| len).sum());
        answers
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.call(Op::Renew, self.inner.renew(key, present, meta), |found| end_of_found(*found)).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.call(Op::Remove, self.inner.remove(key), |found| end_of_found(*found)).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let begin = (self.inner.scan(prefix), None);
        let steps = stream::unfold(begin, move |(mut found, watch)| async move {
            let mut watch = watch.unwrap_or_else(|| self.watch(Op::Scan, 1));
            let item = watch.time(found.next()).await?;
            if let Err(error) = &item {
                watch.end = End::of_error(error.kind());
            }
            Some((item, (found, Some(watch))))
        });
        steps.boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.call(Op::Usage, self.inner.usage(), |_| End::Ok).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.call(Op::Sweep, self.inner.sweep(now, limit), |_| End::Ok).await
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.inner.leases()
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.inner.backplane()
    }

    async fn close(&self) -> Result<()> {
        self.call(Op::Close, self.inner.close(), |()| End::Ok).await
    }
}

impl<B: fmt::Debug> fmt::Debug for Metered<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("inner", &self.inner).field("name", &self.name).finish_non_exhaustive()
    }
}

/// One call under way; it counts when it is dropped, as cancelled if that is in the midst of its work.
struct Watch<'a> {
    instruments: &'a Instruments,
    op: Op,
    calls: u64,
    span: Span,
    /// When the work under way began.
    begun: Option<Instant>,
    busy: Duration,
    end: End,
}

impl Watch<'_> {
    async fn time<T>(&mut self, work: impl Future<Output = T> + Send) -> T {
        self.begun = Some(Instant::now());
        let answer = work.instrument(self.span.clone()).await;
        self.stop();
        answer
    }

    /// Whether work was under way.
    fn stop(&mut self) -> bool {
        let begun = self.begun.take();
        self.busy += begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        begun.is_some()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.stop() {
            self.end = End::Cancelled;
        }
        self.instruments.count(self.op, self.end, self.calls);
        self.instruments.took(self.op, self.busy);
        self.span.record("outcome", self.end.name());
    }
}

fn end_of<T>(answer: &Result<T>, end: impl FnOnce(&T) -> End) -> End {
    answer.as_ref().map_or_else(|error: &Error| End::of_error(error.kind()), end)
}

const fn end_of_found(found: bool) -> End {
    if found { End::Hit } else { End::Miss }
}
