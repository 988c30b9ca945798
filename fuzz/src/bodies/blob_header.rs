//! Manifests of blobs that somebody else wrote into the backend: readers get the bytes of the source, as far as the length
//! that they are told, or an error.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_blob::{BlobError, BlobReader, Blobs, ByteStream, Description, Result, Source, Version};
use cache_core::{Backend, Entry, HOUR, Key, ManualClock, Meta, Stamp, Timestamp, ttl};
use cache_mem::MemBackend;
use futures_util::{StreamExt, stream};

use crate::{Verdict, runtime};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TAG: &str = "\"1\"";
/// Bytes of the film.
const LEN: usize = 10_000;
/// A segment as short as they may be.
const SEGMENT: u64 = 4 << 10;

/// The longest that is read here.
const LONGEST_SEGMENT: u64 = 64 << 10;

/// The bit that says that the source is asked again.
const STALE: u8 = 1;

/// What it really is.
#[derive(Debug)]
struct Film;

pub(super) fn body(input: &[u8]) -> Verdict {
    let Some((&how, manifest)) = input.split_first() else { return Verdict::Refused };
    runtime::alone(async {
        let key = Key::of("film").build().expect("a key");
        let backend = Arc::new(MemBackend::new(8 << 20));
        backend.put(&key, Entry::new(meta(how), Bytes::copy_from_slice(manifest))).await.expect("room");
        let blobs = Blobs::builder().backend(backend).clock(Arc::new(ManualClock::new(NOW)));
        let blobs = blobs.segment_len(SEGMENT).memory(64 << 10).build().expect("blobs");
        let Ok(reader) = blobs.open(&key, Film).await else { return Verdict::Refused };
        assert!(how & STALE == 0 || reader.len() == Some(LEN as u64), "what the source has just said of itself counts");
        // A segment has all of its memory from the beginning, 64 MiB at most: more than the input accounts for.
        if reader.len().unwrap_or(u64::MAX).min(reader.segment_len()) > LONGEST_SEGMENT {
            return Verdict::Accepted;
        }
        let is_taken = reader.segment_len() != SEGMENT || how & 4 != 0 && reader.len() != Some(LEN as u64);
        check(&reader, 0..u64::MAX).await;
        check(&reader, 5_000..5_010).await;
        is_taken.into()
    })
}

/// The meta of a manifest: fresh, or stale, or with another tag than it has.
fn meta(how: u8) -> Meta {
    let lifetime = if how & STALE == 0 { ttl(HOUR) } else { ttl(Duration::ZERO).stale(HOUR) };
    let mut meta = Meta::new(Stamp::from_u64(1), NOW).with_lifetime(lifetime);
    (meta.codec, meta.schema) = (Some("blob".into()), 1);
    meta.etag = (how & 2 == 0).then(|| "\"00\"".into());
    meta
}

async fn check(reader: &BlobReader, range: std::ops::Range<u64>) {
    let mut at = usize::try_from(range.start).unwrap_or(usize::MAX);
    let end = range.end.min(LEN as u64).min(reader.len().unwrap_or(u64::MAX)) as usize;
    let mut pieces = reader.read_range(range);
    while let Some(piece) = pieces.next().await {
        // Who has another version in the cache hears of it, and gets nothing wrong.
        let Ok(piece) = piece else { return };
        assert!(at + piece.len() <= end, "bytes behind the end");
        assert_eq!(piece, film()[at..at + piece.len()]);
        at += piece.len();
    }
    assert!(at >= end, "an end before the end");
}

fn film() -> Vec<u8> {
    (0..LEN).map(|at| (at * at / 7) as u8).collect()
}

#[async_trait]
impl Source for Film {
    fn origin(&self) -> Arc<str> {
        "film".into()
    }

    async fn describe(&self) -> Result<Description> {
        Ok(Description::new().len(LEN as u64).validator(TAG).ranges())
    }

    async fn fetch(&self, offset: u64, version: &Version) -> Result<ByteStream> {
        let is_other = version.len.is_some_and(|len| len != LEN as u64)
            || version.validator.as_deref().is_some_and(|validator| validator != TAG);
        if is_other {
            return Err(BlobError::changed("another version"));
        }
        let rest = film().split_off(usize::try_from(offset).unwrap_or(usize::MAX).min(LEN));
        Ok(stream::iter([Ok(Bytes::from(rest))]).boxed())
    }
}
