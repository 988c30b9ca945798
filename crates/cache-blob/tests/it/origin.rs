//! `Origin`: a source with a script: what it holds, how fast it gives it, when it fails; and what it gave.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_blob::{BlobError, ByteStream, Description, Result, Source, Version};
use futures_util::StreamExt;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// A source that holds `len` bytes made from a seed. Clones are the same origin.
#[derive(Debug, Clone)]
pub(crate) struct Origin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    len: u64,
    state: Mutex<State>,
    knows_len: bool,
    ranges: bool,
    chunk: u64,
    /// When set, each chunk takes one of its permits, for good.
    throttle: Option<Semaphore>,
    /// How long it takes to begin.
    latency: Duration,
    describes: AtomicU64,
    fetches: AtomicU64,
    bytes: AtomicU64,
    open: AtomicU64,
}

#[derive(Debug)]
struct State {
    seed: u64,
    validator: Option<String>,
    faults: VecDeque<Fault>,
    offsets: Vec<u64>,
}

/// What befalls the next fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails at once, and may work again.
    Refuses,
    /// It fails at once, for good.
    Lasts,
    /// It ends after so many chunks.
    EndsAfter(u64),
    /// It fails after so many chunks.
    BreaksAfter(u64),
    /// It gives nothing more after so many chunks.
    StallsAfter(u64),
}

impl Origin {
    pub(crate) fn new(len: u64) -> Self {
        let state =
            State { seed: 1, validator: Some("\"1\"".to_owned()), faults: VecDeque::new(), offsets: Vec::new() };
        Self(Arc::new(Inner {
            len,
            state: Mutex::new(state),
            knows_len: true,
            ranges: true,
            chunk: 16 << 10,
            throttle: None,
            latency: Duration::ZERO,
            describes: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            open: AtomicU64::new(0),
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::get_mut(&mut self.0).expect("an origin is set up before it is shared"));
        self
    }

    pub(crate) fn chunk(self, bytes: u64) -> Self {
        self.with(|inner| inner.chunk = bytes)
    }

    pub(crate) fn without_ranges(self) -> Self {
        self.with(|inner| inner.ranges = false)
    }

    pub(crate) fn without_len(self) -> Self {
        self.with(|inner| inner.knows_len = false)
    }

    pub(crate) fn without_validator(self) -> Self {
        self.0.state.lock().validator = None;
        self
    }

    pub(crate) fn latency(self, latency: Duration) -> Self {
        self.with(|inner| inner.latency = latency)
    }

    /// Gives a chunk only when it is [released](Self::release).
    pub(crate) fn throttled(self) -> Self {
        self.with(|inner| inner.throttle = Some(Semaphore::new(0)))
    }

    pub(crate) fn release(&self, chunks: usize) {
        self.0.throttle.as_ref().expect("it is throttled").add_permits(chunks);
    }

    /// Another version takes the place.
    pub(crate) fn change(&self) {
        let mut state = self.0.state.lock();
        state.seed += 1;
        let seed = state.seed;
        state.validator.as_mut().into_iter().for_each(|validator| *validator = format!("\"{seed}\""));
    }

    pub(crate) fn strike(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.state.lock().faults.extend(faults);
    }

    pub(crate) fn heal(&self) {
        self.0.state.lock().faults.clear();
    }

    /// The bytes of the version that is there.
    pub(crate) fn bytes(&self, start: u64, end: u64) -> Bytes {
        bytes(self.0.state.lock().seed, start, end.min(self.0.len))
    }

    /// Bytes given so far.
    pub(crate) fn given(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn fetches(&self) -> u64 {
        self.0.fetches.load(Ordering::Relaxed)
    }

    pub(crate) fn describes(&self) -> u64 {
        self.0.describes.load(Ordering::Relaxed)
    }

    /// Where fetches began, in their order.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.0.state.lock().offsets.clone()
    }

    /// Fetches that are open.
    pub(crate) fn open(&self) -> u64 {
        self.0.open.load(Ordering::Relaxed)
    }
}

/// The bytes of a version from `start` to `end`.
pub(crate) fn bytes(seed: u64, start: u64, end: u64) -> Bytes {
    let word = |at: u64| (at ^ seed << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(seed | 1);
    let mut bytes: Vec<u8> = (start / 8..end.div_ceil(8)).flat_map(|at| word(at).to_le_bytes()).collect();
    bytes.truncate((end - start / 8 * 8) as usize);
    Bytes::from(bytes).slice((start % 8) as usize..)
}

/// Counts an open fetch.
struct Opened(Arc<Inner>);

impl Opened {
    fn new(inner: &Arc<Inner>) -> Self {
        inner.open.fetch_add(1, Ordering::Relaxed);
        Self(inner.clone())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A fetch under way.
struct Run {
    opened: Opened,
    seed: u64,
    at: u64,
    chunks: u64,
    fault: Option<Fault>,
}

impl Run {
    async fn next(mut self) -> Option<(Result<Bytes>, Option<Self>)> {
        let inner = self.opened.0.clone();
        match self.fault {
            Some(Fault::EndsAfter(chunks)) if self.chunks >= chunks => return None,
            Some(Fault::BreaksAfter(chunks)) if self.chunks >= chunks => {
                return Some((Err(BlobError::passing("it breaks")), None));
            }
            Some(Fault::StallsAfter(chunks)) if self.chunks >= chunks => std::future::pending::<()>().await,
            _ => {}
        }
        if self.at >= inner.len {
            return None;
        }
        if let Some(throttle) = &inner.throttle {
            throttle.acquire().await.expect("it is open").forget();
        }
        let end = ((self.at / inner.chunk + 1) * inner.chunk).min(inner.len);
        let piece = bytes(self.seed, self.at, end);
        inner.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        self.at = end;
        self.chunks += 1;
        Some((Ok(piece), Some(self)))
    }
}

#[async_trait]
impl Source for Origin {
    fn origin(&self) -> Arc<str> {
        Arc::from("origin")
    }

    async fn describe(&self) -> Result<Description> {
        self.0.describes.fetch_add(1, Ordering::Relaxed);
        let state = self.0.state.lock();
        let mut description = Description::new().content_type("video/mp4");
        description.len = self.0.knows_len.then_some(self.0.len);
        description.validator = state.validator.as_deref().map(Arc::from);
        description.ranges = self.0.ranges;
        Ok(description)
    }

    async fn fetch(&self, offset: u64, version: &Version) -> Result<ByteStream> {
        self.0.fetches.fetch_add(1, Ordering::Relaxed);
        assert!(offset == 0 || self.0.ranges, "a fetch at {offset} without ranges");
        let opened = Opened::new(&self.0);
        if !self.0.latency.is_zero() {
            drop(tokio::time::timeout(self.0.latency, std::future::pending::<()>()).await);
        }
        let (seed, fault) = {
            let mut state = self.0.state.lock();
            state.offsets.push(offset);
            if version.validator.as_deref() != state.validator.as_deref() {
                return Err(BlobError::changed("its validator is another"));
            }
            (state.seed, state.faults.pop_front())
        };
        match fault {
            Some(Fault::Refuses) => return Err(BlobError::passing("it refuses")),
            Some(Fault::Lasts) => return Err(BlobError::lasting("it refuses for good")),
            _ => {}
        }
        let run = Run { opened, seed, at: offset, chunks: 0, fault };
        Ok(stream::unfold(Some(run), |run| async { run?.next().await }).boxed())
    }
}
