//! Origins whose answers do not fit their questions: no byte of them is believed.

use bytes::Bytes;
use cache_blob::{BlobError, BlobReader, HttpClient, HttpOptions, HttpSource};
use cache_core::ErrorKind;

use crate::http_origin::{Answer, HttpOrigin, Request};
use crate::origin::bytes;
use crate::support::{KIB, MIB, collect, key, memory, read, small};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn all() -> Bytes {
    bytes(1, 0, MIB + 5)
}

async fn open(origin: &HttpOrigin) -> cache_blob::Result<BlobReader> {
    let source = HttpSource::new(&HttpClient::new(HttpOptions::new()).unwrap(), &origin.url("film")).unwrap();
    small(memory(16 * MIB)).build().unwrap().open(&key(), source).await
}

/// Bytes `start..end` of `all`, in an answer with these headers and that of the range.
fn part(start: u64, end: u64, total: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
    let range = format!("bytes {start}-{}/{total}", end - 1);
    Answer::new(206, &[&[("content-range", range.as_str())], headers].concat(), body)
}

/// The part that is asked for, as a whole only when the beginning is asked for.
fn from(request: &Request, other: impl Fn(u64) -> Answer) -> Answer {
    match request.range {
        Some(0) | None => Answer::part(&all(), 0, "\"a\""),
        Some(start) => other(start),
    }
}

#[tokio::test]
async fn a_part_of_another_place_is_not_taken_for_the_beginning() {
    let origin = HttpOrigin::start(|_| Answer::part(&all(), 100, "\"a\"")).await;
    let refused = open(&origin).await.unwrap_err();
    assert!(refused.to_string().contains("sent those from 100 on"), "{refused}");
    let beyond = Answer::new(416, &[("content-range", "bytes */100"), ("content-length", "0")], Bytes::new());
    let origin = HttpOrigin::start(move |_| beyond.clone()).await;
    assert_eq!(open(&origin).await.unwrap_err().kind(), ErrorKind::Load, "bytes, and no first one");
}

#[tokio::test]
async fn trust_05_a_part_of_another_place_is_not_taken_for_the_one_asked_for() {
    for other in [0, 7, MIB] {
        let origin = HttpOrigin::start(move |request| from(request, |_| Answer::part(&all(), other, "\"a\""))).await;
        let reader = open(&origin).await.unwrap();
        let refused = read(&reader, 900 * KIB, 900 * KIB + 10).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Load, "{refused}");
    }
}

#[tokio::test]
async fn trust_05_an_answer_that_does_not_name_the_version_is_one_of_another() {
    // An error page, a new version behind another server.
    let page = |request: &Request| from(request, |_| Answer::new(200, &[], bytes(2, 0, MIB + 5)));
    let whole =
        |request: &Request| from(request, |_| Answer::new(200, &[("content-length", "1048581")], bytes(2, 0, MIB + 5)));
    let untagged =
        |request: &Request| from(request, |start| part(start, MIB + 5, "1048581", &[], bytes(2, start, MIB + 5)));
    for origin in [HttpOrigin::start(page).await, HttpOrigin::start(whole).await, HttpOrigin::start(untagged).await] {
        let reader = open(&origin).await.unwrap();
        assert_eq!(read(&reader, 0, 10).await.unwrap(), all().slice(..10));
        let changed = read(&reader, 900 * KIB, 900 * KIB + 10).await;
        assert!(matches!(changed, Err(BlobError::Changed { .. })), "{changed:?}");
    }
}

#[tokio::test]
async fn a_part_that_was_asked_for_by_a_date_need_not_repeat_it_and_everything_does() {
    let by_date = |status: u16| {
        move |request: &Request| match request.range {
            Some(0) | None => part(0, MIB + 5, "1048581", &[("last-modified", DATE)], all()),
            Some(start) if status == 206 && request.if_range.as_deref() == Some(DATE) => {
                part(start, MIB + 5, "1048581", &[], all().slice(start as usize..))
            }
            Some(_) => Answer::new(200, &[("content-length", "1048581")], bytes(2, 0, MIB + 5)),
        }
    };
    let origin = HttpOrigin::start(by_date(206)).await;
    let reader = open(&origin).await.unwrap();
    let at = 900 * KIB;
    assert_eq!(read(&reader, at, at + 10).await.unwrap(), all().slice(at as usize..at as usize + 10));
    let origin = HttpOrigin::start(by_date(200)).await;
    let changed = read(&open(&origin).await.unwrap(), at, at + 10).await;
    assert!(matches!(changed, Err(BlobError::Changed { .. })), "{changed:?}");
}

#[tokio::test]
async fn trust_05_bytes_behind_the_range_of_a_part_are_not_taken() {
    let long = |request: &Request| {
        let start = request.range.unwrap_or(0);
        let end = (start + 90_000).min(MIB + 5);
        let body = [all().slice(start as usize..end as usize), bytes(2, 0, MIB)].concat();
        part(start, end, "1048581", &[("etag", "\"a\"")], body.into())
    };
    let origin = HttpOrigin::start(long).await;
    assert!(collect(open(&origin).await.unwrap().read_range(..)).await.unwrap() == all(), "wrong bytes");
}

#[tokio::test]
async fn trust_05_a_part_of_another_length_than_its_range_is_refused() {
    let headers = [("etag", "\"a\""), ("content-length", "200")];
    let origin = HttpOrigin::start(move |_| part(0, 100, "1048581", &headers, all().slice(..200))).await;
    let refused = open(&origin).await.unwrap_err();
    assert!(refused.to_string().contains("not as long as its range"), "{refused}");
}

#[tokio::test]
async fn the_end_of_a_part_is_not_that_of_a_blob_of_unknown_length() {
    for cut in [0, 10] {
        let piecewise = move |request: &Request| {
            let start = request.range.unwrap_or(0);
            if start >= MIB + 5 {
                return Answer::new(416, &[("content-length", "0")], Bytes::new());
            }
            let end = (start + 300_000).min(MIB + 5);
            // Cut, it ends like one that is whole.
            let body = all().slice(start as usize..(end - cut.min(end - start - 1)) as usize);
            part(start, end, "*", &[("etag", "\"a\"")], body)
        };
        let origin = HttpOrigin::start(piecewise).await;
        let reader = open(&origin).await.unwrap();
        assert_eq!(reader.len(), None);
        assert!(collect(reader.read_range(..)).await.unwrap() == all(), "cut by {cut}");
        assert_eq!(reader.len(), Some(MIB + 5));
    }
}
