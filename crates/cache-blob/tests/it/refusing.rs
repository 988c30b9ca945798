//! A backend that takes nothing: what is fetched then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_blob::Blobs;
use cache_core::{Backend, BackendInfo, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Swept, Timestamp, Usage};
use cache_mem::MemBackend;
use cache_testkit::eventually;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;

use crate::origin::Origin;
use crate::support::{KIB, LIMIT, MIB, collect, key, memory, pass, small};

/// A disk that is full.
#[derive(Debug)]
struct Full {
    inner: MemBackend,
    is_full: AtomicBool,
}

impl Full {
    fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self { inner: memory(capacity), is_full: AtomicBool::new(true) })
    }
}

#[async_trait]
impl Backend for Full {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> cache_core::Result<Option<Meta>> {
        self.inner.stat(key).await
    }

    async fn get(&self, key: &Key) -> cache_core::Result<Option<Entry>> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> cache_core::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the disk is full"));
        }
        self.inner.put(key, entry).await
    }

    async fn remove(&self, key: &Key) -> cache_core::Result<bool> {
        self.inner.remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, cache_core::Result<(Key, Meta)>> {
        self.inner.scan(prefix)
    }

    async fn usage(&self) -> cache_core::Result<Usage> {
        self.inner.usage().await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> cache_core::Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    async fn close(&self) -> cache_core::Result<()> {
        self.inner.close().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_fetches_about_what_it_reads() {
    const FILM: u64 = 60 * MIB;
    // At one place, and each at its own.
    for (spread, most) in [(0, 4 * MIB), (2 * MIB, FILM + 4 * MIB)] {
        let origin = Origin::new(FILM);
        let blobs = Blobs::builder().backend(Full::new(256 * MIB)).edges(0).build().unwrap();
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        let reads = (0..30).map(async |number| {
            let (mut at, end) = (number * spread, number * spread + 2 * MIB);
            let mut stream = reader.read_range(at..end);
            while let Some(piece) = stream.next().await {
                let piece = piece.unwrap();
                assert!(piece == origin.bytes(at, at + piece.len() as u64), "at {at}");
                at += piece.len() as u64;
                pass(Duration::from_millis(1)).await;
            }
            assert_eq!(at, end);
        });
        join_all(reads).await;
        assert!(origin.given() <= most, "{} MiB were fetched", origin.given() >> 20);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_ahead_until_a_segment_is_taken() {
    let (origin, backend) = (Origin::new(MIB), Full::new(8 * MIB));
    let blobs = small(backend.clone()).read_ahead(256 * KIB).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut stream = reader.read_range(..);
    stream.next().await.unwrap().unwrap();
    pass(Duration::from_mins(10)).await;
    let before = origin.given();
    assert!(before <= 320 * KIB, "{before} bytes for a reader that is paused");
    backend.is_full.store(false, Ordering::SeqCst);
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    let fetches = origin.fetches();
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert_eq!(origin.fetches(), fetches, "what was taken is read from there");
}

#[tokio::test(start_paused = true)]
async fn a_paused_reader_keeps_what_was_refused_for_a_while_only() {
    let origin = Origin::new(MIB);
    // Memory for one segment, of which a reader may not hold all.
    let blobs = small(Full::new(8 * MIB)).segment_len(256 * KIB).memory(512 * KIB).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut paused = reader.read_range(..);
    let mut read = paused.next().await.unwrap().unwrap().len() as u64;
    assert!(read < 256 * KIB);
    let film = Key::of("other").build().unwrap();
    let other = blobs.open(&film, origin.clone()).await.unwrap();
    assert_eq!(collect(other.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    while let Some(piece) = paused.next().await {
        read += piece.unwrap().len() as u64;
    }
    assert_eq!(read, MIB);
    drop((reader, other, paused));
    assert!(eventually(LIMIT, || async { origin.open() == 0 && format!("{blobs:?}").contains("open: 0") }).await);
}
