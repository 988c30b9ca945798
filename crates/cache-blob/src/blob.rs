//! `Blob`: one open blob, shared by its readers and its fetches.

mod fetch;
pub(crate) mod filling;
mod keep;
mod leave;
pub(crate) mod plan;
mod runs;
mod upstream;
mod whole;
mod within;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cache_core::{Error, ErrorKind, Key, Stamp};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use fetch::TURN;
pub(crate) use keep::Found;
pub(crate) use leave::Open;
pub(crate) use upstream::Upstream;

use filling::Filling;
use plan::{Plan, Reach};

use crate::activity::BlobActivity;
use crate::blobs::Shared;
use crate::manifest::Manifest;
use crate::outcome::{Limit, Uncached};
use crate::source::Source;
use crate::{BlobError, Result};

/// One version of a blob while somebody reads or fetches it.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: Key,
    /// The parent of all segments' keys.
    segments: Key,
    pub(crate) etag: Arc<str>,
    pub(crate) content_type: Option<Arc<str>>,
    pub(crate) segment_len: u64,
    pub(crate) ranges: bool,
    limit: Limit,
    manifest: Mutex<Manifest>,
    /// The one of the latest opening: its link is the freshest.
    source: Mutex<Arc<dyn Source>>,
    plan: Mutex<Plan>,
    state: Mutex<State>,
    /// Fetches with nothing to do wait for it.
    work: Notify,
    /// Ends fetches.
    stopped: Notify,
    /// Told when a fetch ends or has nothing to do.
    turned: Notify,
    /// Told when a reader goes to another segment, or leaves.
    moved: Notify,
    /// Grows with what comes from the source.
    progress: AtomicU64,
    sealing: AtomicBool,
    since: Instant,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct State {
    /// Why nobody reads this version any more.
    ended: Option<BlobError>,
    uncached: Option<Uncached>,
    /// Openings that have not been dropped.
    open: usize,
    /// Whether somebody sees to the end of the blob after its last reader.
    is_leaving: bool,
    /// Counts the times that the last reader has left.
    departures: u64,
}

impl Blob {
    /// The blob that `manifest` describes.
    ///
    /// # Errors
    /// When the key is too long for keys of segments below it.
    pub(crate) fn new(
        shared: Arc<Shared>,
        key: Key,
        manifest: Manifest,
        source: Arc<dyn Source>,
        limit: Limit,
        runtime: Handle,
    ) -> Result<Self> {
        let options = &shared.options;
        let uncached = manifest.len.and_then(|len| limit.exceeded(len));
        let segments = |bytes: u64| bytes.div_ceil(manifest.segment_len);
        let reach = Reach {
            join: segments(options.join_window),
            ahead: segments(options.read_ahead),
            ranges: manifest.ranges,
            fetches: options.fetches_per_blob,
        };
        let edge = manifest.len.map_or(0, |len| segments(options.edges.min(len / 100)));
        let edge = if uncached.is_some() { 0 } else { edge };
        Ok(Self {
            segments: manifest.segments_key(&key)?,
            etag: manifest.etag(),
            content_type: manifest.content_type.clone(),
            segment_len: manifest.segment_len,
            ranges: manifest.ranges,
            limit,
            plan: Mutex::new(Plan::new(reach, manifest.segments(), edge)),
            state: Mutex::new(State { uncached, ..State::default() }),
            manifest: Mutex::new(manifest),
            source: Mutex::new(source),
            work: Notify::new(),
            stopped: Notify::new(),
            turned: Notify::new(),
            moved: Notify::new(),
            progress: AtomicU64::new(0),
            sealing: AtomicBool::new(false),
            since: Instant::now(),
            runtime,
            shared,
            key,
        })
    }

    pub(crate) fn len(&self) -> Option<u64> {
        self.manifest.lock().len
    }

    pub(crate) fn manifest(&self) -> Manifest {
        self.manifest.lock().clone()
    }

    /// What is read and fetched of it at this moment.
    pub(crate) fn activity(&self) -> BlobActivity {
        let (len, segments) = {
            let manifest = self.manifest.lock();
            (manifest.len, manifest.segments())
        };
        let at_work = self.plan(|plan| plan.at_work());
        BlobActivity {
            key: self.key.clone(),
            len,
            segment_len: self.segment_len,
            segments,
            kept: at_work.kept,
            kept_segments: at_work.kept_segments,
            filling: at_work.filling,
            readers: at_work.readers,
            uncached: self.uncached(),
            elapsed: self.since.elapsed(),
        }
    }

    pub(crate) fn source(&self) -> Arc<dyn Source> {
        self.source.lock().clone()
    }

    /// From here on `source` is fetched from. What it told of the whole holds, so that the next source that tells
    /// something else is another version.
    pub(crate) fn set_source(&self, source: Arc<dyn Source>, told: &Manifest) {
        *self.source.lock() = source;
        let mut manifest = self.manifest.lock();
        manifest.sha256 = manifest.sha256.or(told.sha256);
    }

    /// Why nothing of the blob is kept, if so.
    pub(crate) fn uncached(&self) -> Option<Uncached> {
        self.state.lock().uncached
    }

    /// Whether an opening of it is held.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().open > 0
    }

    /// Why nobody reads this version any more, if so.
    pub(crate) fn ended(&self) -> Option<BlobError> {
        self.state.lock().ended.clone()
    }

    /// Grows with what comes from the source: whoever waits has hope meanwhile.
    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(crate) fn note_progress(&self, by: u64) {
        self.progress.fetch_add(by, Ordering::Relaxed);
    }

    /// A reader has come to another segment.
    pub(crate) fn advance(&self, reader: u64, segment: u64) {
        self.plan(|plan| plan.advance(reader, segment));
        self.moved.notify_waiters();
    }

    /// A reader leaves.
    pub(crate) fn leave(&self, reader: u64) {
        self.plan(|plan| plan.leave(reader));
        self.moved.notify_waiters();
    }

    pub(crate) fn plan<T>(&self, ask: impl FnOnce(&mut Plan) -> T) -> T {
        ask(&mut self.plan.lock())
    }

    /// The key of a segment.
    pub(crate) fn segment_key(&self, index: u64) -> Result<Key> {
        Ok(self.segments.child(index).build()?)
    }

    /// Where a segment begins.
    pub(crate) fn start(&self, index: u64) -> u64 {
        index.saturating_mul(self.segment_len)
    }

    /// Length of a segment; the longest possible while the length of the blob is unknown.
    pub(crate) fn segment_bytes(&self, index: u64) -> u64 {
        let rest = self.len().map_or(u64::MAX, |len| len.saturating_sub(self.start(index)));
        rest.min(self.segment_len)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.shared.stamps.tick()
    }

    /// Wakes a fetch that has nothing to do, and begins one more if there is something for it.
    pub(crate) fn kick(self: &Arc<Self>) {
        self.work.notify_waiters();
        while let Some(fetch) = self.hire() {
            drop(self.runtime.spawn(fetch::run(fetch)));
        }
    }

    fn hire(self: &Arc<Self>) -> Option<fetch::Fetch> {
        let id = self.plan.lock().hire()?;
        Some(fetch::Fetch::new(self.clone(), id))
    }

    /// The source has another version, or the blob cannot be kept: this one ends, for everybody.
    pub(crate) fn end(self: &Arc<Self>, error: &BlobError) {
        {
            let mut state = self.state.lock();
            if state.ended.is_some() {
                return;
            }
            // First: an opening that sees the end does not take up what was kept.
            self.shared.refuse(&self.key, &self.manifest.lock());
            state.ended = Some(error.clone());
        }
        for filling in self.plan(Plan::close) {
            filling.fail(error.clone());
        }
        self.work.notify_waiters();
        self.turned.notify_waiters();
        self.moved.notify_waiters();
        tracing::debug!(key = %self.key, %error, "a blob ends before its end");
        self.shared.forget(self);
        let blob = self.clone();
        drop(self.runtime.spawn(async move { blob.drop_kept().await }));
    }

    /// The runtime of the fetches shuts down: nobody fetches any more.
    fn lose_runtime(&self) {
        let message = "the runtime that the blob was opened in shuts down: open it in another";
        let error = BlobError::from(Error::new(ErrorKind::Closed, message)).at(&self.key);
        self.state.lock().ended.get_or_insert(error);
        for filling in self.plan(Plan::close) {
            filling.leave();
        }
    }

    /// From here on every reader has a fetch of its own and nothing is kept.
    fn pass_through(self: &Arc<Self>, why: Uncached) {
        if self.state.lock().uncached.replace(why).is_some() {
            return;
        }
        for filling in self.plan(Plan::close) {
            filling.leave();
        }
        self.work.notify_waiters();
        let blob = self.clone();
        drop(self.runtime.spawn(async move { blob.drop_kept().await }));
    }

    /// The end of a blob of unknown length was found.
    fn set_len(&self, len: u64) {
        let segments = {
            let mut manifest = self.manifest.lock();
            manifest.len = Some(len);
            manifest.segments().unwrap_or(0)
        };
        self.plan(|plan| plan.set_segments(segments));
    }

    /// Ends every fetch at once.
    fn stop_fetches(&self) {
        self.stopped.notify_waiters();
    }

    /// `filling` is not what readers look for any more.
    fn end_filling(&self, index: u64, filling: &Arc<Filling>) {
        self.plan(|plan| plan.end(index, filling));
    }
}
