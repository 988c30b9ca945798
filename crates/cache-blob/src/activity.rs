//! `BlobActivity`: what is read and fetched of an open blob.

use std::ops::Range;
use std::time::Duration;

use cache_core::Key;

use crate::outcome::Uncached;

/// The most runs and readers that are told of one blob.
pub(crate) const MOST: usize = 1_000;

/// What is read and fetched of an open blob, at one moment. Segments are counted from zero.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobActivity {
    /// The blob's key.
    pub key: Key,
    /// Its length in bytes, once that is known.
    pub len: Option<u64>,
    /// Length of a segment in bytes; the last one may be shorter.
    pub segment_len: u64,
    /// How many segments it has, once its length is known.
    pub segments: Option<u64>,
    /// Segments that were seen in the backend, as runs of the first and the one behind the last; the first 1,000 runs.
    pub kept: Vec<Range<u64>>,
    /// How many segments were seen there.
    pub kept_segments: u64,
    /// Segments that are being fetched, in their order.
    pub filling: Vec<u64>,
    /// The segment at which each reader is; 1,000 readers at most.
    pub readers: Vec<u64>,
    /// Why nothing of it is kept, if so.
    pub uncached: Option<Uncached>,
    /// How long it has been open.
    pub elapsed: Duration,
}

impl BlobActivity {
    /// Bytes that were seen in the backend: whole segments, but for the last one.
    pub fn kept_bytes(&self) -> u64 {
        let bytes = self.kept_segments.saturating_mul(self.segment_len);
        self.len.map_or(bytes, |len| bytes.min(len))
    }

    /// Whether something of it is being fetched.
    pub fn is_fetching(&self) -> bool {
        !self.filling.is_empty()
    }
}
