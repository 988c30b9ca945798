//! `BlobReader`: an open blob.

mod cursor;
mod own;

use std::fmt;
use std::io::{self, SeekFrom};
use std::ops::{Bound, Range, RangeBounds};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use crate::blob::Open;
use crate::outcome::{BlobOutcome, Tally};
use crate::{BlobError, Result};

use cursor::Cursor;

/// An open blob: one version, whatever becomes of it elsewhere.
///
/// [`read_range`](Self::read_range) gives any number of independent streams. The reader itself has a position and is
/// an [`AsyncRead`] and an [`AsyncSeek`]; a seek costs nothing until the next read. Bytes are given as they arrive,
/// in the middle of segments too.
///
/// While it is open its blob is fetched ahead of it; its drop, and that of its streams, ends that.
pub struct BlobReader {
    open: Arc<Open>,
    tally: Arc<Tally>,
    position: u64,
    /// The stream that the reads come from, and what it gave and nobody has read.
    reading: Option<(BlobStream, Bytes)>,
}

/// The bytes of a range of a blob, in order. After an error it has ended.
#[must_use = "a stream gives bytes when it is polled"]
pub struct BlobStream(BoxStream<'static, Result<Bytes>>);

impl BlobReader {
    pub(crate) fn new(open: Open) -> Self {
        Self { open: Arc::new(open), tally: Arc::default(), position: 0, reading: None }
    }

    /// Length in bytes; `None` while nobody knows it, until the end of the source was reached.
    #[expect(clippy::len_without_is_empty, reason = "whether it is empty may be unknown")]
    pub fn len(&self) -> Option<u64> {
        self.open.blob().len()
    }

    /// The strong validator of this version, in quotes: the same for as long as the bytes are, on every node.
    pub fn etag(&self) -> &str {
        &self.open.blob().etag
    }

    /// Media type, when the source said it.
    pub fn content_type(&self) -> Option<&str> {
        self.open.blob().content_type.as_deref()
    }

    /// Length of the segments in bytes.
    pub fn segment_len(&self) -> u64 {
        self.open.blob().segment_len
    }

    /// The bytes of `range`, clamped to the end of the blob. Bytes that are not there yet are waited for.
    ///
    /// # Errors
    /// The stream gives [`BlobError::PastEnd`] when the range begins behind the end, which may be known only when the
    /// source has ended; [`BlobError::Changed`] when the source has another version; [`BlobError::Failed`] when it
    /// fails for longer than is tried, or gives no byte for as long.
    pub fn read_range(&self, range: impl RangeBounds<u64>) -> BlobStream {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.stream(start, end)
    }

    /// Where the bytes that this reader and its streams have given came from.
    pub fn outcome(&self) -> BlobOutcome {
        self.tally.outcome(self.open.blob().uncached())
    }

    /// The parts of the blob that the backend has, as ranges of bytes in order. It is asked for every segment's key.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn present(&self) -> Result<Vec<Range<u64>>> {
        let blob = self.open.blob();
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for index in blob.kept().await? {
            let start = blob.start(index);
            let end = start + blob.segment_bytes(index);
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        Ok(ranges)
    }

    fn stream(&self, start: u64, end: u64) -> BlobStream {
        let cursor = Cursor::new(self.open.clone(), self.tally.clone(), start, end);
        let pieces = stream::unfold(Some(cursor), |cursor| async {
            let mut cursor = cursor?;
            match cursor.next().await {
                Ok(piece) => Some((Ok(piece?), Some(cursor))),
                Err(error) => Some((Err(error), None)),
            }
        });
        BlobStream(pieces.boxed())
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl AsyncRead for BlobReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let (mut stream, mut rest) = match this.reading.take() {
                Some(reading) => reading,
                None => (this.stream(this.position, u64::MAX), Bytes::new()),
            };
            if !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(buffer.remaining()));
                buffer.put_slice(&piece);
                this.position += piece.len() as u64;
                this.reading = Some((stream, rest));
                return Poll::Ready(Ok(()));
            }
            match stream.poll_next_unpin(context) {
                Poll::Pending => {
                    this.reading = Some((stream, rest));
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(piece))) => this.reading = Some((stream, piece)),
                // A position behind the end reads nothing, as that of a file does.
                Poll::Ready(Some(Err(BlobError::PastEnd { .. })) | None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncSeek for BlobReader {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => {
                let unknown = "the length is not known yet: read to the end first";
                let len = self.len().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, unknown))?;
                len.checked_add_signed(by)
            }
        };
        let target = target
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the start of the blob"))?;
        self.move_to(target);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

impl BlobReader {
    /// Goes to `target`; a little forward, within what was given, it keeps its stream.
    fn move_to(&mut self, target: u64) {
        let forward = target.checked_sub(self.position);
        match (&mut self.reading, forward) {
            (Some((_, rest)), Some(forward)) if forward <= rest.len() as u64 => drop(rest.split_to(forward as usize)),
            (reading, _) => *reading = None,
        }
        self.position = target;
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader")
            .field("key", &self.open.blob().key)
            .field("etag", &self.etag())
            .field("len", &self.len())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStream").finish_non_exhaustive()
    }
}
