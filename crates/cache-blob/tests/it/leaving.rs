//! What happens after the last reader.

use std::time::Duration;

use cache_blob::{Blobs, WhenLeft};
use cache_testkit::eventually;
use futures_util::StreamExt;

use crate::origin::Origin;
use crate::support::{KIB, LIMIT, MIB, key, memory, read, small};

const GRACE: Duration = Duration::from_secs(10);

async fn is_gone(blobs: &Blobs, origin: &Origin) -> bool {
    eventually(LIMIT, || async { origin.open() == 0 && format!("{blobs:?}").contains("open: 0") }).await
}

/// A reader that leaves in the middle of a segment while its source is slow.
async fn left(when: WhenLeft) -> (Blobs, Origin) {
    let origin = Origin::new(MIB).throttled();
    let blobs = small(memory(8 * MIB)).grace(GRACE).when_left(when).least_rate(0).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut stream = reader.read_range(..);
    origin.release(1);
    stream.next().await.unwrap().unwrap();
    drop((reader, stream));
    tokio::time::advance(GRACE * 2).await;
    (blobs, origin)
}

#[tokio::test(start_paused = true)]
async fn a_paused_fetch_ends_with_its_segment() {
    let (blobs, origin) = left(WhenLeft::Pause).await;
    origin.release(100);
    assert!(is_gone(&blobs, &origin).await);
    assert_eq!(origin.given(), 64 * KIB);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_fetch_ends_at_once() {
    let (blobs, origin) = left(WhenLeft::Cancel).await;
    assert!(is_gone(&blobs, &origin).await);
    assert_eq!(origin.given(), 16 * KIB);
}

#[tokio::test(start_paused = true)]
async fn a_continued_fetch_goes_to_the_end() {
    let (blobs, origin) = left(WhenLeft::Continue).await;
    origin.release(100);
    assert!(is_gone(&blobs, &origin).await);
    assert_eq!(origin.given(), MIB);
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let present = reader.present().await.unwrap();
    assert_eq!((present.len(), present.first()), (1, Some(&(0..MIB))));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_after_the_last_reader_is_left_alone() {
    let origin = Origin::new(MIB);
    let blobs = small(memory(8 * MIB)).when_left(WhenLeft::Continue).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    read(&reader, 0, 10).await.unwrap();
    origin.strike([crate::origin::Fault::Lasts; 100]);
    drop(reader);
    assert!(is_gone(&blobs, &origin).await);
    assert!(origin.fetches() <= 3, "{} fetches for nobody", origin.fetches());
}

#[tokio::test(start_paused = true)]
async fn who_comes_within_the_grace_finds_the_fetch_going_on() {
    let origin = Origin::new(MIB);
    let blobs = small(memory(8 * MIB)).grace(GRACE).build().unwrap();
    for start in 0..16 {
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        let (start, end) = (start * 64 * KIB, (start + 1) * 64 * KIB);
        assert_eq!(read(&reader, start, end).await.unwrap(), origin.bytes(start, end));
        drop(reader);
        tokio::time::advance(GRACE / 2).await;
    }
    assert_eq!((origin.fetches(), origin.given()), (1, MIB));
    assert!(is_gone(&blobs, &origin).await);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_breaks_at_one_place_is_left_alone_when_nobody_reads() {
    let origin = Origin::new(MIB).without_ranges();
    origin.strike([crate::origin::Fault::BreaksAfter(22); 100]);
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    drop(tokio::time::timeout(Duration::from_secs(2), crate::support::collect(reader.read_range(..))).await);
    drop(reader);
    assert!(is_gone(&blobs, &origin).await);
    assert!(origin.fetches() <= 6, "{} fetches", origin.fetches());
}
