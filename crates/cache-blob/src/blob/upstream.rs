//! `Upstream`: the bytes of a source from a position on, over as many fetches as that takes.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Retry};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::Blob;
use super::within::within;
use crate::source::ByteStream;
use crate::{BlobError, Result};

/// The pause after the first failure; it doubles with each.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// So many times the least rate is asked for while others wait for memory.
const SHORT: u64 = 4;

/// The bytes of a source, in order. A fetch that breaks is taken up again where it broke.
pub(crate) struct Upstream {
    blob: Arc<Blob>,
    /// The position of the next byte that is given out.
    at: u64,
    stream: Option<ByteStream>,
    /// Bytes of the stream before that position.
    ahead: u64,
    /// What has arrived and was not given out.
    rest: Bytes,
    /// Fetches in a row that gave nothing, or too little.
    failures: u32,
    /// Those of them that gave too little.
    slow: u32,
    pace: Pace,
    /// Whether what it gives takes memory that others may wait for.
    has_room: bool,
    gives_way: bool,
}

/// How fast the source gives, while it is waited for.
#[derive(Debug, Default)]
struct Pace {
    /// Whether a byte came since the last move: preparing the first may take longer than giving the others. A fetch
    /// that is taken up again is not prepared again.
    has_begun: bool,
    waited: Duration,
    given: u64,
}

impl Upstream {
    pub(crate) fn new(blob: Arc<Blob>) -> Self {
        Self {
            blob,
            at: 0,
            stream: None,
            ahead: 0,
            rest: Bytes::new(),
            failures: 0,
            slow: 0,
            pace: Pace::default(),
            has_room: false,
            gives_way: false,
        }
    }

    /// It gives way when its source is slow and others wait for memory.
    pub(crate) fn with_room(mut self) -> Self {
        self.has_room = true;
        self
    }

    /// Whether it failed only to give way.
    pub(crate) fn gave_way(&mut self) -> bool {
        std::mem::take(&mut self.gives_way)
    }

    /// The position of the next byte.
    pub(crate) const fn at(&self) -> u64 {
        self.at
    }

    /// The segment that begins at the position of an open stream.
    pub(crate) fn next_segment(&self) -> Option<u64> {
        let is_open = self.stream.is_some();
        (is_open && self.at.is_multiple_of(self.blob.segment_len)).then_some(self.at / self.blob.segment_len)
    }

    /// Moves to `at`. A source without ranges is read on to there; otherwise the next fetch begins there.
    pub(crate) fn go_to(&mut self, at: u64) {
        if at == self.at && self.stream.is_some() {
            return;
        }
        (self.failures, self.slow) = (0, 0);
        let can_read_on = !self.blob.ranges && self.stream.is_some() && at > self.at;
        if can_read_on {
            let forward = at - self.at;
            let in_rest = forward.min(self.rest.len() as u64);
            drop(self.rest.split_to(in_rest as usize));
            self.ahead += forward - in_rest;
        } else {
            self.close();
            self.pace.has_begun = false;
        }
        self.at = at;
    }

    /// Ends the fetch; the next byte begins another.
    pub(crate) fn close(&mut self) {
        self.stream = None;
        self.rest = Bytes::new();
        self.ahead = 0;
    }

    /// The next bytes, at least one and at most `max`; `None` at the end of the blob.
    ///
    /// # Errors
    /// When the source has another version, or fails for longer than is tried.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Option<Bytes>> {
        loop {
            if !self.rest.is_empty() {
                let piece = self.rest.split_to(self.rest.len().min(max));
                self.at += piece.len() as u64;
                return Ok(Some(piece));
            }
            let len = self.blob.len();
            if len.is_some_and(|len| self.at >= len) {
                return Ok(None);
            }
            // What has arrived was given out.
            if let Some(error) = self.slowness() {
                self.failed(error, true).await?;
                continue;
            }
            match self.pull().await {
                Ok(Some(bytes)) => self.arrived(bytes, len)?,
                Ok(None) if len.is_none() => {
                    // It may have ended before the position that it was read on to.
                    self.at -= self.ahead;
                    self.close();
                    return Ok(None);
                }
                Ok(None) => {
                    let is_slow = self.slowness().is_some();
                    self.failed(BlobError::passing("the source ended before the end of the blob"), is_slow).await?;
                }
                Err(error) => {
                    let is_slow = self.slowness().is_some();
                    self.failed(error, is_slow).await?;
                }
            }
        }
    }

    fn arrived(&mut self, mut bytes: Bytes, len: Option<u64>) -> Result<()> {
        self.blob.note_progress(1 + bytes.len() as u64);
        self.pace.has_begun |= !bytes.is_empty();
        self.pace.given += bytes.len() as u64;
        let skipped = self.ahead.min(bytes.len() as u64);
        drop(bytes.split_to(skipped as usize));
        self.ahead -= skipped;
        if len.is_some_and(|len| len - self.at < bytes.len() as u64) {
            return Err(BlobError::changed("the source gives more bytes than it said"));
        }
        // Bytes that were read before do not bring the end closer, nor do signs of life.
        if !bytes.is_empty() {
            self.failures = self.slow;
        }
        self.rest = bytes;
        Ok(())
    }

    /// How the source is too slow, if it is, as far as it was waited for: nothing is asked of one whose bytes are not
    /// taken.
    fn slowness(&mut self) -> Option<BlobError> {
        let options = &self.blob.shared.options;
        // What takes no memory keeps none from others.
        let scale = if self.has_room && self.blob.shared.gates.is_short() { SHORT } else { 1 };
        let (rate, window) = (options.least_rate.saturating_mul(scale), options.stall_limit);
        let Pace { waited, given, .. } = self.pace;
        let is_enough = given as f64 >= rate as f64 * window.as_secs_f64();
        if !is_enough && waited < window {
            return None;
        }
        self.pace = Pace { has_begun: true, ..Pace::default() };
        if is_enough {
            self.slow = 0;
            return None;
        }
        let message = format!("{given} bytes came in {waited:?} of waiting: the least rate is {rate} bytes a second");
        Some(Error::new(ErrorKind::Timeout, message).into())
    }

    /// What the fetch gives next; it is begun when there is none. A source that panics fails.
    async fn pull(&mut self) -> Result<Option<Bytes>> {
        let pulled = AssertUnwindSafe(self.try_pull()).catch_unwind().await;
        pulled.unwrap_or_else(|_| Err(BlobError::passing("the source panicked")))
    }

    async fn try_pull(&mut self) -> Result<Option<Bytes>> {
        if self.stream.is_none() {
            self.open().await?;
        }
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let limit = self.blob.shared.options.stall_limit;
        let silent = |_| BlobError::from(Error::new(ErrorKind::Timeout, format!("no byte came for {limit:?}")));
        let (pulled, waited) = within(limit, stream.next()).await;
        self.pace.wait(waited);
        pulled.ok_or(limit).map_err(silent)?.transpose()
    }

    async fn open(&mut self) -> Result<()> {
        let offset = if self.blob.ranges { self.at } else { 0 };
        let (source, version) = (self.blob.source(), self.blob.manifest().version());
        let limit = self.blob.shared.options.describe_limit;
        let silent = |_| BlobError::from(Error::new(ErrorKind::Timeout, format!("no answer came for {limit:?}")));
        let stream = within(limit, source.fetch(offset, &version)).await.0.ok_or(limit).map_err(silent)??;
        self.stream = Some(stream);
        self.ahead = self.at - offset;
        Ok(())
    }

    /// Pauses for the next attempt, if there is one.
    async fn failed(&mut self, error: BlobError, is_slow: bool) -> Result<()> {
        self.close();
        self.failures += 1;
        if is_slow {
            self.slow = self.failures;
        }
        let lasts = matches!(error, BlobError::Changed { .. }) || error.retry() == Retry::Never;
        if lasts || self.failures >= self.blob.shared.options.attempts {
            return Err(error.at(&self.blob.key));
        }
        if self.has_room && error.kind() == ErrorKind::Timeout && self.blob.shared.gates.is_short() {
            self.gives_way = true;
            return Err(error.at(&self.blob.key));
        }
        let pause = PAUSE.saturating_mul(1 << (self.failures - 1).min(16)).min(MAX_PAUSE);
        drop(timeout(pause, pending::<()>()).await);
        self.pace.wait(pause);
        Ok(())
    }
}

impl Pace {
    fn wait(&mut self, waited: Duration) {
        if self.has_begun {
            self.waited = self.waited.saturating_add(waited);
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("key", &self.blob.key).field("at", &self.at).finish_non_exhaustive()
    }
}
