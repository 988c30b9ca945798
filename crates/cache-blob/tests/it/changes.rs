//! A source that changes while it is read: an error, never a mixture.

use std::sync::Arc;

use cache_blob::BlobError;
use cache_core::Backend;
use cache_testkit::eventually;
use futures_util::StreamExt;

use crate::origin::Origin;
use crate::support::{KIB, LIMIT, MIB, collect, key, memory, read, small};

#[tokio::test]
async fn a_change_in_the_middle_fails_readers_and_the_next_opening_starts_anew() {
    let backend = Arc::new(memory(8 * MIB));
    let origin = Origin::new(MIB);
    let blobs = small(backend.clone()).build().unwrap();
    let old = blobs.open(&key(), origin.clone()).await.unwrap();
    let [mut one, mut other] = [old.read_range(..), old.read_range(..)];
    one.next().await.unwrap().unwrap();
    read(&old, 0, 200 * KIB).await.unwrap();
    // What is kept of the old version is read on; beyond it the change is seen.
    origin.change();
    let seen = read(&old, 900 * KIB, MIB).await.unwrap_err();
    assert!(matches!(seen, BlobError::Changed { .. }), "{seen}");
    assert!(matches!(collect(one).await, Err(BlobError::Changed { .. })));
    while let Some(piece) = other.next().await {
        assert!(matches!(piece, Err(BlobError::Changed { .. })), "no byte after the change was seen");
    }
    let new = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_ne!(new.etag(), old.etag());
    assert_eq!(collect(new.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert!(matches!(read(&old, 0, 10).await, Err(BlobError::Changed { .. })));
    // The manifest and 16 segments of the new version.
    let entries = || async { backend.usage().await.unwrap().entries == 17 };
    assert!(eventually(LIMIT, entries).await, "what was kept of the old version is dropped");
}

#[tokio::test]
async fn a_change_found_at_an_opening_leaves_the_old_version_behind() {
    let backend = Arc::new(memory(8 * MIB));
    let origin = Origin::new(MIB);
    let no_life = cache_core::ttl(std::time::Duration::ZERO).stale(cache_core::DAY);
    let blobs = small(backend.clone()).lifetime(no_life).build().unwrap();
    let old = blobs.open(&key(), origin.clone()).await.unwrap();
    let before = collect(old.read_range(..)).await.unwrap();
    origin.change();
    let new = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!(collect(new.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert_ne!(before, origin.bytes(0, MIB));
    assert_eq!(collect(old.read_range(..)).await.unwrap(), before, "a version that is kept whole is read to its end");
}

#[tokio::test]
async fn a_blob_that_passes_through_sees_a_change_too() {
    let origin = Origin::new(MIB);
    let reader = small(memory(8 * MIB)).max_len(1).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    read(&reader, 0, 10).await.unwrap();
    origin.change();
    assert!(matches!(read(&reader, 0, 10).await, Err(BlobError::Changed { .. })));
}

#[tokio::test]
async fn a_source_that_gives_more_than_it_said_has_changed() {
    use cache_blob::{Description, GeneratedSource, Sink};
    let source =
        GeneratedSource::new(
            Description::new().len(100),
            |_, mut sink: Sink| async move { sink.write(vec![1; 101]).await },
        );
    let reader = small(memory(8 * MIB)).build().unwrap().open(&key(), source).await.unwrap();
    assert!(matches!(read(&reader, 0, 100).await, Err(BlobError::Changed { .. })));
}

#[tokio::test]
async fn a_stale_blob_without_a_validator_is_not_completed_with_another_version() {
    let origin = Origin::new(MIB).without_validator();
    let no_life = cache_core::ttl(std::time::Duration::ZERO).stale(cache_core::DAY);
    let backend = Arc::new(memory(8 * MIB));
    let blobs = small(backend.clone()).lifetime(no_life).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let etag = reader.etag().to_owned();
    read(&reader, 0, 512 * KIB).await.unwrap();
    drop(reader);
    origin.change();
    // Another process, much later: nothing is known to be the same but the length.
    let blobs = small(backend).lifetime(no_life).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_ne!(reader.etag(), etag);
    assert!(read(&reader, 0, MIB).await.unwrap() == origin.bytes(0, MIB), "half of one version, half of another");
}

#[tokio::test]
async fn readers_of_a_blob_without_a_validator_share_it_though_no_manifest_is_kept() {
    let origin = Origin::new(MIB).without_validator();
    let blobs = small(memory(8 * MIB)).max_len(1).build().unwrap();
    let one = blobs.open(&key(), origin.clone()).await.unwrap();
    let other = blobs.open(&key(), origin).await.unwrap();
    assert_eq!(one.etag(), other.etag());
}

#[tokio::test]
async fn a_reader_that_finds_the_change_late_leaves_the_next_version_in_place() {
    let backend = Arc::new(memory(8 * MIB));
    let origin = Origin::new(MIB);
    let no_life = cache_core::ttl(std::time::Duration::ZERO).stale(cache_core::DAY);
    let open = async || small(backend.clone()).lifetime(no_life).build().unwrap().open(&key(), origin.clone()).await;
    let old = open().await.unwrap();
    read(&old, 0, 200 * KIB).await.unwrap();
    origin.change();
    // Another process has the next version before this one knows of it.
    let new = open().await.unwrap();
    assert_eq!(collect(new.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert!(matches!(read(&old, 900 * KIB, MIB).await, Err(BlobError::Changed { .. })));
    // The manifest and 16 segments of the new version.
    let entries = || async { backend.usage().await.unwrap().entries == 17 };
    assert!(eventually(LIMIT, entries).await, "what was kept of the old version is dropped");
    let manifest = backend.get(&key()).await.unwrap().expect("the manifest of the new version stays");
    assert_eq!(manifest.meta.etag.as_deref(), Some(new.etag()));
}
