//! Futures dropped at every point: nothing is left behind, nobody else is hurt.

use std::sync::Arc;

use cache_blob::WhenLeft;
use cache_testkit::{drop_at, eventually, for_each_drop_point};

use crate::origin::Origin;
use crate::support::{KIB, LIMIT, collect, key, memory, read, small};

#[tokio::test(start_paused = true)]
async fn an_opening_and_a_read_dropped_anywhere_leave_nothing() {
    for when in [WhenLeft::Pause, WhenLeft::Cancel, WhenLeft::Continue] {
        let points = for_each_drop_point(2_000, async |point| {
            let origin = Origin::new(300 * KIB).latency(std::time::Duration::from_millis(1));
            let backend = Arc::new(memory(8 << 20));
            let blobs = small(backend).read_ahead(128 * KIB).when_left(when).build().unwrap();
            let work = async {
                let reader = blobs.open(&key(), origin.clone()).await.unwrap();
                collect(reader.read_range(100 * KIB..)).await.unwrap()
            };
            let answer = drop_at(point, work).await;
            let is_gone = || async { origin.open() == 0 && format!("{blobs:?}").contains("open: 0") };
            assert!(eventually(LIMIT, is_gone).await, "{when:?} {point:?}: {} {blobs:?}", origin.open());
            let reader = blobs.open(&key(), origin.clone()).await.unwrap();
            assert_eq!(read(&reader, 0, 300 * KIB).await.unwrap(), origin.bytes(0, 300 * KIB), "{point:?}");
            answer.is_some()
        });
        assert!(points.await > 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_dropped_anywhere_hurts_no_other() {
    let points = for_each_drop_point(2_000, async |point| {
        let origin = Origin::new(300 * KIB).latency(std::time::Duration::from_millis(1));
        let blobs = small(memory(8 << 20)).build().unwrap();
        let other = blobs.open(&key(), origin.clone()).await.unwrap();
        let other = tokio::spawn(async move { collect(other.read_range(..)).await });
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        let answer = drop_at(point, collect(reader.read_range(..))).await;
        drop(reader);
        assert_eq!(other.await.unwrap().unwrap(), origin.bytes(0, 300 * KIB), "{point:?}");
        assert_eq!(origin.given(), 300 * KIB);
        answer.is_some()
    });
    assert!(points.await > 4);
}
