//! Blobs that pass through: what their readers may take from each other, and what they fetch.

use std::time::Duration;

use cache_blob::BlobError;
use cache_core::Key;
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::origin::Origin;
use crate::support::{KIB, LIMIT, MIB, collect, key, memory, read, small};

#[tokio::test(start_paused = true)]
async fn fetches_of_a_blob_that_passes_through_are_capped_too() {
    let origin = Origin::new(MIB).throttled();
    let blobs = small(memory(8 * MIB)).max_len(1).fetches_per_origin(2).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut streams: Vec<_> = (0..50).map(|_| reader.read_range(..)).collect();
    let reads = streams.iter_mut().map(|stream| timeout(Duration::from_millis(300), stream.next()));
    drop(join_all(reads).await);
    assert_eq!(origin.open(), 2);
}

#[tokio::test(start_paused = true)]
async fn readers_that_pass_through_take_turns() {
    let origin = Origin::new(8 * MIB).latency(Duration::from_millis(1));
    let blobs = small(memory(8 * MIB)).max_len(1).fetches_per_origin(2).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let short = async |number: u64| {
        let start = number * MIB / 2;
        assert_eq!(read(&reader, start, start + 100 * KIB).await.unwrap(), origin.bytes(start, start + 100 * KIB));
        origin.given()
    };
    let long = async || {
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, 8 * MIB));
        assert!(origin.open() <= 2);
        origin.given()
    };
    let (long, short) = tokio::join!(join_all([long(), long()]), join_all((0..8).map(short)));
    // Each turn is of four segments.
    assert!(short.iter().max() < long.iter().min(), "{short:?} before {long:?}");
    assert!(origin.given() < 18 * MIB, "{} bytes", origin.given());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_keeps_no_place_from_others() {
    for origin in [Origin::new(MIB), Origin::new(MIB).without_ranges()] {
        let blobs = small(memory(8 * MIB)).max_len(1).fetches_per_origin(1).build().unwrap();
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        let mut paused = reader.read_range(..);
        let first = paused.next().await.unwrap().unwrap();
        assert_eq!(timeout(LIMIT, collect(reader.read_range(..))).await.unwrap().unwrap(), origin.bytes(0, MIB));
        // Nor does a fetch of a blob that is kept wait for it.
        let rest = collect(paused).await.unwrap();
        assert_eq!([first, rest].concat(), origin.bytes(0, MIB));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stopped_looking_keeps_no_place_from_others() {
    let origin = Origin::new(MIB).throttled();
    let blobs = small(memory(8 * MIB)).max_len(1).fetches_per_origin(1).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut stopped = reader.read_range(..);
    assert!(timeout(Duration::from_secs(1), stopped.next()).await.is_err());
    origin.release(1_000);
    let other = blobs.open(&Key::of("other").build().unwrap(), origin.clone()).await.unwrap();
    assert_eq!(timeout(LIMIT * 10, collect(other.read_range(..))).await.unwrap().unwrap(), origin.bytes(0, MIB));
    assert_eq!(collect(stopped).await.unwrap(), origin.bytes(0, MIB));
}

#[tokio::test]
async fn a_change_that_one_reader_sees_ends_the_others() {
    let origin = Origin::new(MIB);
    let reader = small(memory(8 * MIB)).max_len(1).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    let mut other = reader.read_range(..);
    other.next().await.unwrap().unwrap();
    origin.change();
    assert!(matches!(read(&reader, 0, 10).await, Err(BlobError::Changed { .. })));
    assert!(matches!(other.next().await, Some(Err(BlobError::Changed { .. }))), "its fetch began before the change");
}
