//! What is kept, for how long, and what happens when it is not.

use std::sync::Arc;

use cache_blob::{BlobError, Blobs, Uncached};
use cache_core::{Backend, Entry, ErrorKind, HOUR, KeyPrefix, MINUTE, ManualClock, Meta, Stamp, Timestamp, ttl};
use cache_mem::MemBackend;
use cache_testkit::{Fault as BackendFault, Faulty, Operation, Plan, eventually};
use futures_util::StreamExt;

use crate::origin::Origin;
use crate::support::{KIB, LIMIT, MIB, collect, key, memory, read, small};

/// The clock, a backend and blobs on it whose manifests are fresh for an hour and stale for another.
fn timed() -> (Arc<ManualClock>, Arc<MemBackend>, Blobs) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let backend = Arc::new(MemBackend::builder(8 * MIB).clock(clock.clone()).build());
    let blobs = small(backend.clone()).clock(clock.clone()).lifetime(ttl(HOUR).stale(HOUR)).build().unwrap();
    (clock, backend, blobs)
}

#[tokio::test]
async fn the_validator_is_the_same_on_every_node() {
    let etag = async || timed().2.open(&key(), Origin::new(MIB)).await.unwrap().etag().to_owned();
    assert_eq!(etag().await, etag().await);
}

#[tokio::test]
async fn a_kept_blob_needs_no_source_while_fresh_and_stands_in_while_stale() {
    let (clock, backend, blobs) = timed();
    let origin = Origin::new(MIB);
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    collect(reader.read_range(..)).await.unwrap();
    drop(reader);
    let gone = Gone;
    let next = || small(backend.clone()).clock(clock.clone()).lifetime(ttl(HOUR).stale(HOUR)).build().unwrap();
    for advance in [MINUTE, HOUR] {
        clock.advance(advance);
        let reader = next().open(&key(), gone).await.unwrap();
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    }
    clock.advance(HOUR);
    assert!(next().open(&key(), gone).await.is_err(), "nothing is known after its end");
}

#[tokio::test]
async fn a_stale_manifest_is_renewed_by_a_source_that_has_the_same_version() {
    let (clock, _, blobs) = timed();
    let origin = Origin::new(MIB);
    for round in 1..=3 {
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        collect(reader.read_range(..)).await.unwrap();
        assert_eq!((origin.describes(), origin.given()), (round, MIB));
        clock.advance(HOUR);
    }
}

/// A source that is not there.
#[derive(Debug, Clone, Copy)]
struct Gone;

#[async_trait::async_trait]
impl cache_blob::Source for Gone {
    fn origin(&self) -> Arc<str> {
        Arc::from("gone")
    }

    async fn describe(&self) -> cache_blob::Result<cache_blob::Description> {
        Err(BlobError::passing("it is gone"))
    }

    async fn fetch(&self, _: u64, _: &cache_blob::Version) -> cache_blob::Result<cache_blob::ByteStream> {
        Err(BlobError::lasting("it is gone"))
    }
}

#[tokio::test]
async fn what_is_missing_is_fetched_and_nothing_else() {
    let backend = Arc::new(memory(8 * MIB));
    let origin = Origin::new(MIB);
    let blobs = small(backend.clone()).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    collect(reader.read_range(..)).await.unwrap();
    drop(reader);
    let segments: Vec<_> = backend.scan(&KeyPrefix::all()).collect().await;
    let gone = segments.into_iter().map(|found| found.unwrap().0).filter(|key| key.as_str().ends_with(":7"));
    for key in gone {
        assert!(backend.remove(&key).await.unwrap());
    }
    let reader = small(backend).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    assert_eq!(reader.present().await.unwrap(), [0..448 * KIB, 512 * KIB..MIB]);
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert_eq!(origin.given(), MIB + 64 * KIB);
    assert_eq!(reader.outcome().filled, 64 * KIB);
}

#[tokio::test]
async fn a_complete_blob_is_sealed_and_a_segment_of_another_content_is_fetched_anew() {
    let backend = Arc::new(memory(8 * MIB));
    let origin = Origin::new(MIB);
    let reader = small(backend.clone()).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    collect(reader.read_range(..)).await.unwrap();
    let manifest = async || backend.get(&key()).await.unwrap().unwrap().body.len();
    assert!(eventually(LIMIT, || async { manifest().await > 16 * 16 }).await, "it has 16 digests");
    let found: Vec<_> = backend.scan(&KeyPrefix::all()).collect().await;
    let third = found.into_iter().map(|found| found.unwrap().0).find(|key| key.as_str().ends_with(":3")).unwrap();
    let stamp = backend.stat(&third).await.unwrap().unwrap().stamp;
    let forged = Entry::new(Meta::new(stamp, Timestamp::EPOCH), vec![0; 64 << 10]);
    backend.put(&third, forged).await.unwrap();
    let reader = small(backend).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert_eq!(origin.given(), MIB + 64 * KIB);
}

#[tokio::test]
async fn a_flipped_segment_of_a_blob_that_is_not_complete_is_fetched_anew() {
    let backend = Arc::new(memory(8 * MIB));
    let origin = Origin::new(MIB);
    let reader = small(backend.clone()).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    read(&reader, 0, 512 * KIB).await.unwrap();
    drop(reader);
    let is_third = |key: &cache_core::Key| key.as_str().ends_with(":3");
    let found: Vec<_> = backend.scan(&KeyPrefix::all()).collect().await;
    let third = found.into_iter().map(|found| found.unwrap().0).find(is_third).unwrap();
    let kept = backend.get(&third).await.unwrap().unwrap();
    let mut flipped = kept.body.to_vec();
    flipped[10] ^= 1;
    backend.put(&third, Entry::new(kept.meta, flipped)).await.unwrap();
    let reader = small(backend).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    assert!(read(&reader, 0, 512 * KIB).await.unwrap() == origin.bytes(0, 512 * KIB), "flipped bytes are given out");
    assert_eq!(origin.given(), 576 * KIB, "it alone is fetched anew");
}

#[tokio::test]
async fn a_value_with_the_key_of_a_blob_is_no_manifest() {
    let backend = Arc::new(memory(8 * MIB));
    backend.put(&key(), Entry::new(Meta::new(Stamp::from_u64(1), Timestamp::EPOCH), "a value")).await.unwrap();
    let origin = Origin::new(MIB);
    let reader = small(backend).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    assert_eq!(read(&reader, 0, 9).await.unwrap(), origin.bytes(0, 9));
}

#[tokio::test]
async fn a_blob_that_does_not_fit_passes_through_and_says_so() {
    let origin = Origin::new(MIB);
    let too_long = small(memory(8 * MIB)).max_len(MIB - 1);
    let no_room = small(memory(MIB));
    for (blobs, why) in [(too_long, Uncached::TooLong), (no_room, Uncached::NoRoom)] {
        let before = origin.given();
        let reader = blobs.build().unwrap().open(&key(), origin.clone()).await.unwrap();
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
        assert_eq!(read(&reader, 700_000, 700_001).await.unwrap(), origin.bytes(700_000, 700_001));
        let outcome = reader.outcome();
        assert_eq!((outcome.uncached, outcome.passed, outcome.filled), (Some(why), MIB + 1, 0));
        assert_eq!(reader.present().await.unwrap(), []);
        assert_eq!(origin.given() - before, MIB + 16 * KIB - (700_000 % (16 * KIB)));
    }
}

#[tokio::test]
async fn a_blob_of_unknown_length_that_outgrows_the_limit_passes_through() {
    let backend = Arc::new(memory(8 * MIB));
    for origin in [Origin::new(MIB).without_len(), Origin::new(MIB).without_len().without_ranges()] {
        let reader =
            small(backend.clone()).max_len(256 * KIB).build().unwrap().open(&key(), origin.clone()).await.unwrap();
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
        assert_eq!(reader.outcome().uncached, Some(Uncached::TooLong));
        let is_empty = || async { backend.usage().await.unwrap().entries == 0 };
        assert!(eventually(LIMIT, is_empty).await, "what was kept is dropped");
    }
}

#[tokio::test]
async fn a_backend_that_fails_costs_fetches_and_nothing_else() {
    let backend = Arc::new(Faulty::new(memory(8 * MIB)));
    let origin = Origin::new(MIB);
    let every = |operation| Plan::new().each(operation, BackendFault::Fail(ErrorKind::Unavailable));
    for operation in [Operation::Get, Operation::Put, Operation::Stat, Operation::Usage] {
        backend.set_plan(every(operation));
        let reader = small(backend.clone()).build().unwrap().open(&key(), origin.clone()).await.unwrap();
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB), "{operation:?}");
    }
}

#[tokio::test]
async fn a_backend_that_admits_nothing_serves_all_the_same() {
    let origin = Origin::new(MIB);
    let nothing = MemBackend::builder(8 * MIB).entries(0).build();
    let reader = small(nothing).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
}

#[tokio::test]
async fn a_key_too_long_for_segments_is_refused() {
    let blobs = small(memory(MIB)).build().unwrap();
    let long = cache_core::Key::of("x".repeat(1_000)).build().unwrap();
    let refused = blobs.open(&long, Origin::new(10)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn limits_that_cannot_be_kept_are_refused() {
    let invalid = |builder: cache_blob::BlobsBuilder| builder.build().unwrap_err().kind() == ErrorKind::Invalid;
    assert!(invalid(Blobs::builder()));
    let builder = || Blobs::builder().backend(memory(MIB * 4));
    assert!(invalid(builder().segment_len(100)) && invalid(builder().segment_len(65 * MIB)));
    assert!(invalid(builder().segment_len(8 * MIB)), "above what the backend takes");
    assert!(invalid(builder().attempts(0)) && invalid(builder().fetches_per_blob(0)) && invalid(builder().memory(0)));
    assert!(builder().build().is_ok());
}

#[tokio::test]
async fn what_was_read_lately_and_is_gone_from_the_backend_holds_up_nobody() {
    let backend = Arc::new(memory(8 * MIB));
    let origin = Origin::new(MIB).without_len();
    let blobs = small(backend.clone()).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!(read(&reader, 0, 128 * KIB).await.unwrap(), origin.bytes(0, 128 * KIB));
    drop(reader);
    assert!(eventually(LIMIT, async || format!("{blobs:?}").contains("open: 0")).await);
    let segments: Vec<_> = backend.scan(&KeyPrefix::below(&key())).collect().await;
    for (segment, _) in segments.into_iter().flatten() {
        backend.remove(&segment).await.unwrap();
    }
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!(read(&reader, 200 * KIB, 210 * KIB).await.unwrap(), origin.bytes(200 * KIB, 210 * KIB));
}
