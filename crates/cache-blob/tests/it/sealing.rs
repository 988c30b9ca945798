//! The manifest with the digests of all segments: it comes late, and never in the place of another version.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::Backend;
use cache_testkit::eventually;

use crate::held::Held;
use crate::origin::Origin;
use crate::support::{LIMIT, MIB, collect, key, small};

#[tokio::test]
async fn a_late_seal_does_not_bring_an_older_version_back() {
    let backend = Held::new();
    let origin = Origin::new(MIB);
    let blobs = small(backend.clone()).build().unwrap();
    backend.holds_looks.store(true, Ordering::SeqCst);
    let old = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!(collect(old.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert!(eventually(LIMIT, || async { backend.waiting.load(Ordering::SeqCst) > 0 }).await, "it is being sealed");
    // Somebody knows that there is another version, and invalidates the blob.
    origin.change();
    backend.inner.remove(&key()).await.unwrap();
    let new = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_ne!(new.etag(), old.etag());
    let wanted = new.etag().to_owned();
    backend.holds_looks.store(false, Ordering::SeqCst);
    backend.go.add_permits(1_000);
    // The seal of the old version comes.
    let manifest = || async { backend.inner.stat(&key()).await.unwrap().unwrap().etag.unwrap().to_string() };
    let came_back = eventually(Duration::from_secs(2), || async { manifest().await != wanted }).await;
    let later = blobs.open(&key(), origin.clone()).await.unwrap();
    assert!(!came_back && later.etag() == wanted, "fresh for an hour is the version that was invalidated");
}

#[tokio::test]
async fn a_late_seal_does_not_bring_back_what_was_removed() {
    let backend = Held::new();
    let origin = Origin::new(MIB);
    let blobs = small(backend.clone()).build().unwrap();
    backend.holds_looks.store(true, Ordering::SeqCst);
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB));
    assert!(eventually(LIMIT, || async { backend.waiting.load(Ordering::SeqCst) > 0 }).await, "it is being sealed");
    backend.inner.remove(&key()).await.unwrap();
    backend.go.add_permits(1_000);
    let is_there = || async { backend.inner.stat(&key()).await.unwrap().is_some() };
    assert!(!eventually(Duration::from_secs(1), is_there).await, "nobody has opened it since");
}
