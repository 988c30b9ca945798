//! What the tests share.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cache_blob::{BlobReader, BlobStream, Blobs, BlobsBuilder, Result};
use cache_core::{Backend, Key};
use cache_mem::MemBackend;
use futures_util::StreamExt;

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
/// Longer than anything in these tests takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn key() -> Key {
    Key::of("film").part("42").build().unwrap()
}

pub(crate) fn memory(capacity: u64) -> MemBackend {
    MemBackend::builder(capacity).shards(1).build()
}

/// Blobs of 64 KiB segments, with nothing fetched unless it is read.
pub(crate) fn small(backend: impl Backend) -> BlobsBuilder {
    let blobs = Blobs::builder().backend(backend).segment_len(64 * KIB).join_window(128 * KIB);
    blobs.read_ahead(0).edges(0).grace(Duration::ZERO)
}

pub(crate) async fn collect(mut stream: BlobStream) -> Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all.freeze())
}

/// The bytes of `reader` from `start` to `end`.
pub(crate) async fn read(reader: &BlobReader, start: u64, end: u64) -> Result<Bytes> {
    tokio::time::timeout(LIMIT, collect(reader.read_range(start..end))).await.expect("the read ends")
}

/// Time passes: on the paused clock of a test.
pub(crate) async fn pass(time: Duration) {
    drop(tokio::time::timeout(time, std::future::pending::<()>()).await);
}
