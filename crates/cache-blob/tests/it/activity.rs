//! What is told of open blobs while they are read.

use cache_testkit::eventually;

use crate::origin::Origin;
use crate::support::{KIB, LIMIT, MIB, key, memory, read, small};

#[tokio::test]
async fn an_open_blob_tells_what_is_kept_of_it_and_is_gone_after_its_last_reader() {
    let blobs = small(memory(8 * MIB)).build().unwrap();
    assert!(blobs.activity().is_empty());
    let reader = blobs.open(&key(), Origin::new(MIB)).await.unwrap();
    let [told] = blobs.activity().try_into().unwrap();
    assert_eq!((&told.key, told.len, told.segment_len, told.segments), (&key(), Some(MIB), 64 * KIB, Some(16)));
    assert_eq!((told.kept_segments, told.readers.len(), told.uncached), (0, 0, None));
    read(&reader, 0, 64 * KIB).await.unwrap();
    read(&reader, 5 * 64 * KIB, 6 * 64 * KIB).await.unwrap();
    let kept = || async {
        let [told] = blobs.activity().try_into().unwrap();
        told.kept.contains(&(0..1)) && told.kept.contains(&(5..6)) && told.kept_bytes() == 128 * KIB
    };
    assert!(eventually(LIMIT, kept).await, "{:?}", blobs.activity());
    drop(reader);
    assert!(eventually(LIMIT, || async { blobs.activity().is_empty() }).await);
}
