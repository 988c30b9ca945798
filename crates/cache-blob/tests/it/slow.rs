//! Slow origins: what one may take from others, and for how long.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_blob::{
    BlobError, BlobReader, BlobStream, Blobs, ByteStream, Description, Result, Source, Version, WhenLeft,
};
use cache_core::{ErrorKind, Key};
use cache_testkit::eventually;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout};

use crate::origin::{Origin, bytes};
use crate::support::{KIB, LIMIT, MIB, collect, key, memory, pass, small};
use crate::told::Told;

/// Gives some bytes every ten seconds, for ever.
#[derive(Debug, Clone)]
struct Drip {
    name: Arc<str>,
    piece: usize,
    open: Arc<AtomicU64>,
    fetches: Arc<AtomicU64>,
}

struct Opened(Arc<AtomicU64>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drip {
    fn new(piece: usize) -> Self {
        Self { name: Arc::from("drip"), piece, open: Arc::default(), fetches: Arc::default() }
    }

    fn named(&self, number: u64) -> Self {
        Self { name: format!("drip{number}").into(), ..self.clone() }
    }

    fn open(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Source for Drip {
    fn origin(&self) -> Arc<str> {
        self.name.clone()
    }

    async fn describe(&self) -> Result<Description> {
        Ok(Description::new().len(100 * MIB).validator("1").ranges())
    }

    async fn fetch(&self, _: u64, _: &Version) -> Result<ByteStream> {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let (opened, piece) = (Opened(self.open.clone()), Bytes::from(vec![7; self.piece]));
        let pieces = stream::unfold((opened, piece), |(opened, piece)| async {
            pass(Duration::from_secs(10)).await;
            Some((Ok(piece.clone()), (opened, piece)))
        });
        Ok(pieces.boxed())
    }
}

/// Readers of so many origins, each with its first bytes.
async fn readers(blobs: &Blobs, drip: &Drip, origins: u64) -> Vec<(BlobReader, BlobStream)> {
    let mut readers = Vec::new();
    for number in 0..origins {
        let key = Key::of("slow").part(number).build().unwrap();
        let reader = blobs.open(&key, drip.named(number)).await.unwrap();
        readers.push((reader.read_range(..), reader));
    }
    let firsts = readers.iter_mut().map(|(stream, _)| timeout(Duration::from_secs(15), stream.next()));
    drop(futures_util::future::join_all(firsts).await);
    readers.into_iter().map(|(stream, reader)| (reader, stream)).collect()
}

async fn reads_a_film(blobs: &Blobs) -> bool {
    let reader = blobs.open(&key(), Origin::new(MIB)).await.unwrap();
    matches!(timeout(LIMIT * 2, collect(reader.read_range(..))).await, Ok(Ok(bytes)) if bytes.len() as u64 == MIB)
}

#[tokio::test(start_paused = true)]
async fn slow_origins_that_nobody_reads_do_not_stop_other_origins() {
    for when in [WhenLeft::Pause, WhenLeft::Continue, WhenLeft::Cancel] {
        let blobs = Blobs::builder().backend(memory(1024 * MIB)).when_left(when).build().unwrap();
        let drip = Drip::new(1);
        drop(readers(&blobs, &drip, 40).await);
        assert!(reads_a_film(&blobs).await, "{} fetches that nobody reads are open", drip.open());
        pass(Duration::from_mins(5)).await;
        assert_eq!(drip.open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_origins_that_are_read_do_not_stop_other_origins() {
    let blobs = Blobs::builder().backend(memory(1024 * MIB)).build().unwrap();
    // Above the least rate: they are left alone while nobody needs their memory.
    let drip = Drip::new(50 << 10);
    let _readers = readers(&blobs, &drip, 40).await;
    assert!(reads_a_film(&blobs).await, "{} slow fetches are open", drip.open());
}

#[tokio::test(start_paused = true)]
async fn a_source_below_the_least_rate_fails_its_readers() {
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let drip = Drip::new(1);
    let reader = blobs.open(&key(), drip.clone()).await.unwrap();
    let failed = timeout(Duration::from_mins(5), collect(reader.read_range(..))).await.unwrap().unwrap_err();
    assert_eq!((failed.kind(), drip.fetches.load(Ordering::SeqCst)), (ErrorKind::Timeout, 4), "{failed}");
    assert!(failed.to_string().contains("least rate"), "{failed}");
    // Zero asks for nothing.
    let blobs = small(memory(8 * MIB)).least_rate(0).build().unwrap();
    let reader = blobs.open(&key(), drip.clone()).await.unwrap();
    let mut stream = reader.read_range(..);
    for _ in 0..100 {
        assert_eq!(stream.next().await.unwrap().unwrap().len(), 1);
    }
}

/// Gives a byte for each request, and nothing after it.
#[derive(Debug, Clone)]
struct Miser {
    fetches: Arc<AtomicU64>,
    breaks: bool,
}

#[async_trait]
impl Source for Miser {
    fn origin(&self) -> Arc<str> {
        Arc::from("miser")
    }

    async fn describe(&self) -> Result<Description> {
        Ok(Description::new().len(MIB).validator("1").ranges())
    }

    async fn fetch(&self, _: u64, _: &Version) -> Result<ByteStream> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let byte = stream::iter([Ok(Bytes::from_static(b"x"))]);
        let breaks = self.breaks;
        let rest =
            stream::once(async move { if breaks { Err(BlobError::passing("it breaks")) } else { pending().await } });
        Ok(byte.chain(rest).boxed())
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gives_a_byte_for_each_request_fails_its_readers() {
    for (breaks, max_len, most) in [(false, MIB, 4), (false, 1, 4), (true, MIB, 300), (true, 1, 300)] {
        let miser = Miser { fetches: Arc::default(), breaks };
        let blobs = small(memory(8 * MIB)).max_len(max_len).build().unwrap();
        let reader = blobs.open(&key(), miser.clone()).await.unwrap();
        let read = timeout(Duration::from_mins(5), collect(reader.read_range(..))).await.unwrap();
        let fetches = miser.fetches.load(Ordering::SeqCst);
        assert!(read.is_err() && fetches <= most, "{fetches} fetches");
    }
}

#[tokio::test(start_paused = true)]
async fn the_least_rate_does_not_count_what_readers_are_slow_to_take() {
    for max_len in [u64::MAX, 1] {
        let origin = Origin::new(MIB).chunk(KIB);
        let blobs = small(memory(8 * MIB)).max_len(max_len).idle_limit(Duration::from_mins(10)).build().unwrap();
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        let mut stream = reader.read_range(..200 * KIB);
        let mut read = 0;
        while let Some(piece) = stream.next().await {
            read += piece.unwrap().len() as u64;
            pass(Duration::from_mins(1)).await;
        }
        assert_eq!((read, origin.fetches()), (200 * KIB, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_at_its_limit() {
    let origin = Origin::new(MIB).throttled();
    let blobs = small(memory(8 * MIB)).stall_limit(Duration::MAX).pause_limit(Duration::from_secs(7)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut stream = reader.read_range(..);
    origin.release(1);
    stream.next().await.unwrap().unwrap();
    let left = Instant::now();
    drop((reader, stream));
    assert!(eventually(LIMIT, || async { origin.open() == 0 && format!("{blobs:?}").contains("open: 0") }).await);
    let took = left.elapsed();
    assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_looks_now_and_then_is_no_slow_source() {
    let body = bytes(1, 0, MIB);
    let source = Told { pause: Duration::from_millis(50), ..Told::new(body.clone(), None) };
    let blobs = small(memory(8 * MIB)).max_len(1).build().unwrap();
    let reader = blobs.open(&key(), source.clone()).await.unwrap();
    let (mut stream, mut given) = (reader.read_range(..), 0);
    for round in 0..12 {
        // A look that is given up, a pause of the player, and a look again.
        if let Ok(Some(piece)) = timeout(Duration::from_millis(10), stream.next()).await {
            given += piece.unwrap_or_else(|error| panic!("round {round}, {given} bytes: {error}")).len();
        }
        pass(Duration::from_mins(1)).await;
        let piece = timeout(LIMIT * 10, stream.next()).await.unwrap().unwrap();
        given += piece.unwrap_or_else(|error| panic!("round {round}, {given} bytes: {error}")).len();
    }
    assert_eq!(source.fetches.load(Ordering::SeqCst), 1, "the source gave 16 KiB each 50 ms when it was asked");
}
