//! Sources that tell a SHA-256: another one is another version, and what was refused is not given out again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_blob::BlobError;
use cache_testkit::eventually;
use sha2::{Digest, Sha256};

use crate::held::Held;
use crate::origin::bytes;
use crate::support::{KIB, LIMIT, MIB, collect, key, memory, read, small};
use crate::told::Told;

fn sha256(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

#[tokio::test]
async fn a_source_that_tells_another_digest_has_another_version() {
    let (before, after) = (bytes(1, 0, MIB), bytes(2, 0, MIB));
    let no_life = cache_core::ttl(Duration::ZERO).stale(cache_core::DAY);
    let blobs = small(memory(8 * MIB)).lifetime(no_life).build().unwrap();
    let old = blobs.open(&key(), Told::new(before.clone(), Some(sha256(&before)))).await.unwrap();
    assert!(read(&old, 0, 300 * KIB).await.unwrap() == before[..300 << 10]);
    drop(old);
    let new = blobs.open(&key(), Told::new(after.clone(), Some(sha256(&after)))).await.unwrap();
    let found = collect(new.read_range(..)).await.unwrap();
    let wrong = found.iter().zip(&after).position(|(found, right)| found != right);
    assert!(found == after, "the first byte of the older version is at {wrong:?}, of {}", found.len());
}

#[tokio::test]
async fn what_was_not_as_told_is_not_given_to_the_next_opening() {
    let right = bytes(1, 0, MIB);
    let mut wrong = right.to_vec();
    wrong[70_000] ^= 1;
    let backend = Held::new();
    let blobs = small(backend.clone()).build().unwrap();
    backend.holds_removals.store(true, Ordering::SeqCst);
    let old = blobs.open(&key(), Told::new(wrong.into(), Some(sha256(&right)))).await.unwrap();
    drop(collect(old.read_range(..)).await);
    let told = || async { matches!(read(&old, 0, 10).await, Err(BlobError::Changed { .. })) };
    assert!(eventually(LIMIT, told).await, "its readers are told");
    assert!(eventually(LIMIT, || async { backend.waiting.load(Ordering::SeqCst) > 0 }).await, "it is being dropped");
    // A player asks again at once. Dropping thousands of segments takes seconds.
    let source = Told::new(right.clone(), Some(sha256(&right)));
    let new = blobs.open(&key(), source.clone()).await.unwrap();
    let found = collect(new.read_range(..)).await;
    backend.go.add_permits(1_000);
    // An error would do as well.
    let Ok(found) = found else { return };
    let at = found.iter().zip(&right).position(|(found, right)| found != right);
    let fetches = source.fetches.load(Ordering::SeqCst);
    assert!(found == right, "byte {at:?} is the one that was refused; {fetches} fetches of the new source");
}
