//! `Cursor`: a place in a blob that moves forward, and where its bytes come from.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Error, ErrorKind};
use tokio::time::timeout;

use crate::blob::filling::{Filling, Taken};
use crate::blob::{Blob, Found, Open};
use crate::outcome::{Origin, Tally};
use crate::{BlobError, Result};

use super::own::Own;

/// The longest piece that is given at once, in bytes.
const PIECE: usize = 256 << 10;
/// The longest piece of a segment that is being filled: it is copied under a lock.
const COPY: usize = 64 << 10;

/// A place in a blob that moves forward.
#[derive(Debug)]
pub(super) struct Cursor {
    open: Arc<Open>,
    tally: Arc<Tally>,
    /// Its number in the plan.
    id: u64,
    at: u64,
    end: u64,
    /// The segment that the plan believes it to be in.
    segment: u64,
    /// What was obtained and not given out.
    held: Bytes,
    origin: Origin,
    /// Whether the backend said that it has the segment.
    was_told_kept: bool,
    /// The fetch of its own, when nothing is kept.
    own: Option<Own>,
}

impl Cursor {
    pub(super) fn new(open: Arc<Open>, tally: Arc<Tally>, at: u64, end: u64) -> Self {
        let blob = open.blob();
        let segment = at / blob.segment_len;
        let last = end.saturating_sub(1) / blob.segment_len;
        let id = blob.plan(|plan| plan.join(segment, last));
        blob.shared.memory.join();
        Self {
            id,
            at,
            end,
            segment,
            held: Bytes::new(),
            origin: Origin::Cached,
            was_told_kept: false,
            own: None,
            tally,
            open,
        }
    }

    fn blob(&self) -> &Arc<Blob> {
        self.open.blob()
    }

    /// The next piece; `None` at the end of the range or the blob.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let start = self.at;
        loop {
            if self.at >= self.end {
                return Ok(None);
            }
            // Backends and fetches that answer at once would let nobody else run.
            tokio::task::consume_budget().await;
            if !self.held.is_empty() {
                return Ok(Some(self.give()));
            }
            if let Some(len) = self.blob().len()
                && self.at >= len
            {
                let is_past = start == self.at && self.at > len;
                return if is_past { Err(BlobError::PastEnd { start, len }) } else { Ok(None) };
            }
            if let Some(error) = self.blob().ended() {
                return Err(error);
            }
            if self.blob().uncached().is_some() { self.pass().await? } else { self.obtain().await? }
        }
    }

    fn give(&mut self) -> Bytes {
        let wanted = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let piece = self.held.split_to(self.held.len().min(PIECE).min(wanted));
        self.at += piece.len() as u64;
        self.tally.count(self.origin, piece.len() as u64);
        piece
    }

    /// The next bytes of a source of its own.
    async fn pass(&mut self) -> Result<()> {
        let blob = self.blob().clone();
        let own = self.own.get_or_insert_with(|| Own::new(blob.clone()));
        match own.next(self.at, PIECE).await {
            Ok(Some(bytes)) => {
                self.held = bytes;
                self.origin = Origin::Passed;
            }
            // The end of a blob of unknown length.
            Ok(None) => self.end = self.at,
            Err(error) => {
                if matches!(error, BlobError::Changed { .. }) {
                    blob.end(&error);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gets bytes at the position from whoever has them: a fetch, the backend, or a fetch that is then asked for.
    /// Without an error it may have got none, and is to be called again.
    async fn obtain(&mut self) -> Result<()> {
        let blob = self.blob().clone();
        let index = self.at / blob.segment_len;
        let offset = (self.at % blob.segment_len) as usize;
        if index != self.segment {
            self.segment = index;
            blob.advance(self.id, index);
            blob.kick();
        }
        if let Some(filling) = blob.plan(|plan| plan.filling(index)) {
            return self.take(&filling, offset).await;
        }
        let is_forced = match blob.read_segment(index).await {
            Found::Body(body) => {
                self.was_told_kept = false;
                self.held = blob.shared.memory.hold_of(body, offset);
                self.origin = Origin::Cached;
                return Ok(());
            }
            Found::Absent => self.was_told_kept,
            Found::Doubtful => true,
        };
        let wait = blob.plan(|plan| plan.want(index, is_forced));
        blob.kick();
        match hopeful(&blob, wait).await? {
            Ok(filling) => self.take(&filling, offset).await,
            // Sent back to look at the blob.
            Err(_) => Ok(()),
        }
    }

    async fn take(&mut self, filling: &Filling, offset: usize) -> Result<()> {
        let blob = self.blob().clone();
        let taken = hopeful(&blob, filling.take(offset, COPY)).await?;
        self.was_told_kept = matches!(taken, Taken::Kept);
        let held = match taken {
            Taken::Piece(piece) => piece,
            Taken::Whole(body) => blob.shared.memory.hold_of(body, offset),
            Taken::Failed(error) => return Err(error),
            Taken::Kept | Taken::Left => return Ok(()),
        };
        self.held = held;
        self.origin = Origin::Filled;
        Ok(())
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let blob = self.open.blob();
        blob.leave(self.id);
        blob.shared.memory.leave();
    }
}

/// Waits for as long as bytes come from the source, and as long after that as its fetches are tried.
pub(super) async fn hopeful<T>(blob: &Blob, wait: impl Future<Output = T>) -> Result<T> {
    let options = &blob.shared.options;
    let limit = options.describe_limit.saturating_add(options.stall_limit);
    let limit = limit.saturating_mul(options.attempts.saturating_add(1));
    let mut wait = pin!(wait);
    let mut seen = blob.progress();
    loop {
        if let Ok(done) = timeout(limit, &mut wait).await {
            return Ok(done);
        }
        if blob.progress() == seen {
            let message = format!("no byte came for {limit:?}: no fetch got its turn");
            return Err(BlobError::from(Error::new(ErrorKind::Timeout, message)).at(&blob.key));
        }
        seen = blob.progress();
    }
}
