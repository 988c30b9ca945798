//! Blobs from HTTP origins, good ones and bad ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cache_blob::{BlobError, BlobReader, Blobs, FreshLink, HttpClient, HttpOptions, HttpSource, LinkRefresh};
use cache_core::ErrorKind;
use futures_util::future::join_all;

use crate::http_origin::{Answer, HttpOrigin, Request};
use crate::origin::bytes;
use crate::support::{KIB, MIB, collect, key, memory, read, small};

fn all() -> Bytes {
    bytes(1, 0, MIB + 5)
}

fn source(url: &str) -> HttpSource {
    HttpSource::new(&HttpClient::new(HttpOptions::new().redirects(3)).unwrap(), url).unwrap()
}

fn blobs() -> Blobs {
    small(memory(16 * MIB)).build().unwrap()
}

async fn open(origin: &HttpOrigin) -> cache_blob::Result<BlobReader> {
    blobs().open(&key(), source(&origin.url("film"))).await
}

/// A good origin.
fn good(request: &Request) -> Answer {
    Answer::part(&all(), request.range.unwrap_or(0), "\"a\"")
}

#[tokio::test]
async fn a_blob_is_described_and_fetched_with_one_request() {
    let origin = HttpOrigin::start(good).await;
    let reader = open(&origin).await.unwrap();
    assert_eq!(reader.len(), Some(MIB + 5));
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), all());
    assert_eq!((origin.requests().len(), origin.written()), (1, MIB + 5));
}

#[tokio::test]
async fn every_follow_up_is_bound_to_the_version() {
    let origin = HttpOrigin::start(good).await;
    let reader = open(&origin).await.unwrap();
    for start in [900 * KIB, 400 * KIB] {
        assert_eq!(read(&reader, start, start + 10).await.unwrap(), all().slice(start as usize..start as usize + 10));
    }
    let requests = origin.requests();
    assert!(requests.len() >= 2);
    for request in &requests[1..] {
        assert_eq!(request.if_range.as_deref(), Some("\"a\""), "{request:?}");
        assert_eq!(request.range.unwrap() % (64 * KIB), 0);
    }
}

#[tokio::test]
async fn an_origin_without_ranges_is_read_in_order() {
    let plain = |_: &Request| Answer::new(200, &[("content-length", "1048581"), ("etag", "\"a\"")], all());
    let origin = HttpOrigin::start(plain).await;
    let reader = open(&origin).await.unwrap();
    assert_eq!(read(&reader, MIB, MIB + 5).await.unwrap(), all().slice(MIB as usize..));
    assert_eq!(read(&reader, 0, 5).await.unwrap(), all().slice(..5));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn an_origin_that_sends_everything_instead_of_a_part_is_skipped_through() {
    let headers = [("content-length", "1048581"), ("etag", "\"a\""), ("accept-ranges", "bytes")];
    let origin = HttpOrigin::start(move |_| Answer::new(200, &headers, all())).await;
    let reader = open(&origin).await.unwrap();
    assert_eq!(read(&reader, MIB - 5, MIB).await.unwrap(), all().slice(MIB as usize - 5..MIB as usize));
}

#[tokio::test]
async fn an_origin_that_does_not_say_its_length_is_read_to_its_end() {
    let origin = HttpOrigin::start(|_| Answer::new(200, &[], all())).await;
    let reader = open(&origin).await.unwrap();
    assert_eq!(reader.len(), None);
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), all());
    assert_eq!(reader.len(), Some(MIB + 5));
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let cut = |request: &Request| {
        let mut answer = good(request);
        answer.body.truncate(300_000);
        answer
    };
    let origin = HttpOrigin::start(cut).await;
    let reader = open(&origin).await.unwrap();
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), all());
    assert_eq!((origin.requests().len(), origin.written()), (4, MIB + 5));
}

#[tokio::test]
async fn trust_05_another_version_is_never_taken_for_this_one() {
    let other_tag = |request: &Request| {
        Answer::part(&all(), request.range.unwrap_or(0), if request.range == Some(0) { "\"a\"" } else { "\"b\"" })
    };
    let other_len = |request: &Request| match request.range {
        Some(0) | None => good(request),
        Some(start) => Answer::part(&bytes(2, 0, MIB + 6), start, "\"a\""),
    };
    let whole = |request: &Request| match request.range {
        Some(0) | None => good(request),
        Some(_) => Answer::new(200, &[("content-length", "1048581"), ("etag", "\"b\"")], bytes(2, 0, MIB + 5)),
    };
    let origins =
        [HttpOrigin::start(other_tag).await, HttpOrigin::start(other_len).await, HttpOrigin::start(whole).await];
    for origin in origins {
        let reader = open(&origin).await.unwrap();
        let changed = read(&reader, 900 * KIB, MIB).await;
        assert!(matches!(changed, Err(BlobError::Changed { .. })), "{changed:?}");
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_refused() {
    let body = || bytes(1, 0, 10);
    let answers = [
        Answer::new(206, &[("content-length", "10")], body()),
        Answer::new(206, &[("content-range", "bytes 9-3/10")], body()),
        Answer::new(200, &[("content-encoding", "gzip"), ("content-length", "10")], body()),
        Answer::new(418, &[("content-length", "10")], body()),
        Answer::new(301, &[("location", "/film"), ("content-length", "0")], Bytes::new()),
        Answer { head: "NONSENSE\r\n\r\n".to_owned(), body: body() },
    ];
    for answer in answers {
        let head = answer.head.clone();
        let origin = HttpOrigin::start(move |_| answer.clone()).await;
        let refused = open(&origin).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Load, "{head}: {refused}");
        assert!(origin.requests().len() <= 4, "redirects end");
    }
}

#[tokio::test]
async fn a_length_is_not_believed_before_its_bytes() {
    let lie = format!("bytes 0-{}/{}", (1_u64 << 60) - 1, 1_u64 << 60);
    let origin = HttpOrigin::start(move |_| Answer::new(206, &[("content-range", &lie)], bytes(1, 0, 100))).await;
    let reader =
        small(memory(MIB)).attempts(1).build().unwrap().open(&key(), source(&origin.url("film"))).await.unwrap();
    assert!(reader.outcome().uncached.is_some());
    assert!(collect(reader.read_range(1_000..)).await.is_err());
}

/// Hands out the next link, and counts.
#[derive(Clone)]
struct Links {
    origin: String,
    asked: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl LinkRefresh for Links {
    async fn refresh(&self, refused: &str) -> cache_core::Result<FreshLink> {
        assert!(refused.starts_with(&self.origin));
        tokio::task::yield_now().await;
        Ok(FreshLink::new(format!("{}{}", self.origin, self.asked.fetch_add(1, Ordering::Relaxed) + 1)))
    }
}

#[tokio::test]
async fn a_refused_link_is_refreshed_once_for_all_and_the_blob_goes_on() {
    for status in [401, 403, 404, 410] {
        let valid = Arc::new(AtomicU64::new(0));
        let current = valid.clone();
        let origin = HttpOrigin::start(move |request| {
            if request.path == current.load(Ordering::Relaxed).to_string() {
                return good(request);
            }
            Answer::new(status, &[("content-length", "0")], Bytes::new())
        });
        let origin = origin.await;
        let links = Links { origin: origin.url(""), asked: Arc::default() };
        let source = source(&origin.url("0")).refreshed_by(links.clone());
        let reader = blobs().open(&key(), source).await.unwrap();
        read(&reader, 0, 10).await.unwrap();
        // The link ends in the middle.
        valid.store(1, Ordering::Relaxed);
        let starts = [100 * KIB, 300 * KIB, 500 * KIB, 700 * KIB, 900 * KIB];
        let reads = join_all(starts.map(|start| read(&reader, start, start + 10))).await;
        for (start, found) in starts.into_iter().zip(reads) {
            assert_eq!(found.unwrap(), all().slice(start as usize..start as usize + 10));
        }
        assert_eq!(links.asked.load(Ordering::Relaxed), 1, "{status}");
    }
}

/// Hands out the link `1`, which is asked with a header of its own.
struct Keyed(String);

#[async_trait::async_trait]
impl LinkRefresh for Keyed {
    async fn refresh(&self, _refused: &str) -> cache_core::Result<FreshLink> {
        Ok(FreshLink::new(format!("{}1", self.0)).with_headers([("authorization".to_owned(), "of-1".to_owned())]))
    }
}

#[tokio::test]
async fn a_fresh_link_is_asked_with_its_own_headers_and_not_with_those_of_the_one_before() {
    let valid = Arc::new(AtomicU64::new(0));
    let current = valid.clone();
    let origin = HttpOrigin::start(move |request| {
        let current = current.load(Ordering::Relaxed);
        let is_known = request.authorization.as_ref().is_some_and(|given| *given == format!("of-{current}"));
        let is_known = is_known && request.path == current.to_string();
        if is_known { good(request) } else { Answer::new(403, &[("content-length", "0")], Bytes::new()) }
    });
    let origin = origin.await;
    let source = source(&origin.url("0")).header("authorization", "of-0").unwrap();
    let source = source.header("referer", "of-0").unwrap().refreshed_by(Keyed(origin.url("")));
    let reader = blobs().open(&key(), source).await.unwrap();
    read(&reader, 0, 10).await.unwrap();
    valid.store(1, Ordering::Relaxed);
    assert_eq!(read(&reader, 900 * KIB, 900 * KIB + 10).await.unwrap(), all().slice(900 << 10..(900 << 10) + 10));
    let told = origin.requests().into_iter().filter(|request| request.path == "1");
    assert!(told.into_iter().all(|request| request.authorization.as_deref() == Some("of-1")));
}

#[tokio::test]
async fn no_link_and_no_header_is_shown() {
    let origin = HttpOrigin::start(|_| Answer::new(403, &[("content-length", "0")], Bytes::new())).await;
    let source = source(&origin.url("film?token=SECRET")).header("authorization", "SECRET").unwrap();
    let debug = format!("{source:?}");
    let refused = blobs().open(&key(), source.clone()).await.unwrap_err();
    drop(origin);
    let gone = blobs().open(&key(), source).await.unwrap_err();
    let text = format!("{debug} {refused} {refused:?} {gone} {gone:?}");
    assert!(!text.contains("SECRET"), "{text}");
    for address in ["ftp://x/SECRET", "no address SECRET", "file:///SECRET"] {
        let error = HttpSource::new(&HttpClient::new(HttpOptions::new()).unwrap(), address).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && !error.to_string().contains("SECRET"), "{error}");
    }
}
