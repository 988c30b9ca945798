//! What a reader is given: exactly the bytes of its range.

use std::io::SeekFrom;

use cache_blob::{BlobError, Description, FileSource, GeneratedSource, Sink};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::origin::{self, Origin};
use crate::support::{KIB, MIB, collect, key, memory, read, small};

#[tokio::test]
async fn a_blob_reads_as_its_source_first_and_again() {
    let origin = Origin::new(MIB + 7);
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!((reader.len(), reader.content_type()), (Some(MIB + 7), Some("video/mp4")));
    for _ in 0..2 {
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, u64::MAX));
    }
    assert_eq!((origin.given(), origin.describes()), (MIB + 7, 1));
    let outcome = reader.outcome();
    assert_eq!((outcome.filled, outcome.cached, outcome.passed), (MIB + 7, MIB + 7, 0));
}

#[tokio::test]
async fn ranges_are_exact_and_clamped() {
    let origin = Origin::new(MIB + 7);
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let ends = [0, 1, 2, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 700_000, MIB + 6, MIB + 7, MIB + 8, u64::MAX];
    for start in ends {
        for end in ends.into_iter().filter(|end| *end > start) {
            match read(&reader, start, end).await {
                Ok(bytes) => assert_eq!(bytes, origin.bytes(start.min(MIB + 7), end), "{start}..{end}"),
                Err(BlobError::PastEnd { len, .. }) => assert!(len < start, "{start}..{end}"),
                Err(error) => panic!("{start}..{end}: {error}"),
            }
        }
    }
    assert_eq!(collect(reader.read_range(5..=5)).await.unwrap(), origin.bytes(5, 6));
    assert_eq!(collect(reader.read_range(MIB..)).await.unwrap(), origin.bytes(MIB, u64::MAX));
    assert_eq!(origin.given(), MIB + 7, "nothing twice");
}

#[tokio::test]
async fn a_reader_reads_and_seeks_as_a_file() {
    let origin = Origin::new(MIB);
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let mut reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut buffer = [0; 100];
    for (to, at) in [
        (SeekFrom::Start(70_000), 70_000),
        (SeekFrom::End(-100), MIB - 100),
        (SeekFrom::Current(-200), MIB - 200),
        (SeekFrom::Current(50), MIB - 50),
        (SeekFrom::Start(3), 3),
    ] {
        assert_eq!(reader.seek(to).await.unwrap(), at);
        let wanted = (MIB - at).min(100) as usize;
        reader.read_exact(&mut buffer[..wanted]).await.unwrap();
        assert_eq!(buffer[..wanted], origin.bytes(at, at + wanted as u64), "{to:?}");
        assert_eq!(reader.seek(SeekFrom::Current(0)).await.unwrap(), at + wanted as u64);
    }
    reader.seek(SeekFrom::Start(MIB + 5)).await.unwrap();
    assert_eq!(reader.read(&mut buffer).await.unwrap(), 0, "behind the end is the end");
    assert!(reader.seek(SeekFrom::End(-(MIB.cast_signed() * 2))).await.is_err());
}

#[tokio::test]
async fn an_empty_blob_is_read_without_a_fetch() {
    let origin = Origin::new(0);
    let blobs = small(memory(MIB)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), "");
    assert_eq!(origin.fetches(), 0);
}

#[tokio::test]
async fn a_blob_of_unknown_length_tells_it_at_its_end() {
    for len in [0, 1, 64 * KIB, 200_000] {
        for origin in [Origin::new(len).without_len(), Origin::new(len).without_len().without_ranges()] {
            let blobs = small(memory(8 * MIB)).build().unwrap();
            let mut reader = blobs.open(&key(), origin.clone()).await.unwrap();
            assert_eq!(reader.len(), None);
            assert!(reader.seek(SeekFrom::End(0)).await.is_err(), "where the end is nobody knows");
            let far = read(&reader, MIB, MIB + 10).await;
            assert!(matches!(far, Err(BlobError::PastEnd { len: found, .. }) if found == len), "{len}: {far:?}");
            assert_eq!(reader.len(), Some(len));
            assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, u64::MAX));
            assert_eq!(origin.given(), len, "nothing twice");
            let again = blobs.open(&key(), origin).await.unwrap();
            assert_eq!(again.len(), Some(len));
        }
    }
}

#[tokio::test]
async fn a_source_without_ranges_serves_any_range() {
    let origin = Origin::new(MIB).without_ranges();
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert_eq!(read(&reader, MIB - 10, MIB).await.unwrap(), origin.bytes(MIB - 10, MIB));
    assert_eq!(read(&reader, 10, 90_000).await.unwrap(), origin.bytes(10, 90_000));
    assert_eq!((origin.given(), origin.fetches()), (MIB, 1), "what was passed was kept");
}

#[tokio::test]
async fn a_file_is_a_source() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = origin::bytes(3, 0, 300_001);
    std::fs::write(file.path(), &bytes).unwrap();
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), FileSource::new(file.path()).content_type("video/webm")).await.unwrap();
    assert_eq!((reader.len(), reader.content_type()), (Some(300_001), Some("video/webm")));
    assert_eq!(read(&reader, 100_000, 200_000).await.unwrap(), bytes.slice(100_000..200_000));
    std::fs::write(file.path(), "short").unwrap();
    assert!(matches!(collect(reader.read_range(..)).await, Err(BlobError::Changed { .. })));
    let missing = blobs.open(&key(), FileSource::new("/nowhere/at/all")).await;
    assert!(missing.unwrap_err().to_string().contains("/nowhere/at/all"));
}

#[tokio::test]
async fn a_function_is_a_source() {
    let source = GeneratedSource::new(Description::new(), |_, mut sink: Sink| async move {
        for line in 0..20_000 {
            sink.write(format!("line {line}\n")).await?;
        }
        Ok(())
    });
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), source).await.unwrap();
    let all = (0..20_000).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), all);
    assert_eq!(reader.len(), Some(all.len() as u64));
}
