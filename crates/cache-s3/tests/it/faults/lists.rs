//! Faults of listings: what scans, counts and sweeps live on.

use std::time::Instant;

use cache_core::{Backend, BackendExt, ErrorKind, KeyPrefix, Timestamp};
use cache_s3::{ObjectBackend, ObjectConfig};
use cache_testkit::eventually;
use futures_util::StreamExt;

use super::{LIMIT, SLACK, World};
use crate::fake::{Answer, End};

fn listed(more: &str) -> Answer {
    Answer::new(200, format!("<ListBucketResult>{more}</ListBucketResult>"))
}

/// Asserts that scan, count and sweep all fail as `kind`, with few requests.
async fn lists_fail(world: &World, kind: ErrorKind) {
    let mut scan = world.backend.scan(&KeyPrefix::all());
    let mut found = Vec::new();
    while let Some(answer) = scan.next().await {
        found.push(answer);
    }
    assert_eq!(found.last().unwrap().as_ref().unwrap_err().kind(), kind, "{found:?}");
    assert_eq!(world.backend.usage().await.unwrap_err().kind(), kind);
    assert!(world.backend.remove_prefix(&KeyPrefix::all()).await.is_err());
    assert!(world.fake.requests() <= 12, "{} requests", world.fake.requests());
}

#[tokio::test]
async fn a_list_that_goes_in_circles_is_an_error() {
    let world = World::with(|request, answer| {
        if !request.target.contains("list-type=2") {
            return answer;
        }
        let text = String::from_utf8(answer.body).unwrap();
        Answer::new(
            200,
            text.replace(
                "<IsTruncated>false</IsTruncated>",
                "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>",
            ),
        )
    })
    .await;
    lists_fail(&world, ErrorKind::Unavailable).await;
}

#[tokio::test]
async fn empty_pages_without_end_are_an_error() {
    let world = World::with(|_, _| {
        listed("<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>")
    })
    .await;
    lists_fail(&world, ErrorKind::Unavailable).await;
}

#[tokio::test]
async fn a_list_that_is_none_is_an_error_and_not_an_empty_one() {
    for text in [
        "",
        "<Error><Code>InternalError</Code></Error>",
        "<ListBucketResult><Contents><Key>x/",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents></ListBucketResult>",
    ] {
        let world = World::with(move |_, _| Answer::new(200, text)).await;
        lists_fail(&world, ErrorKind::Unavailable).await;
    }
}

#[tokio::test]
async fn an_endless_list_ends_at_the_limit() {
    let world = World::new().await;
    world.fake.fault(|_, _| Answer::new(200, "<Contents></Contents>".repeat(1_000)).ends(End::Endless));
    let config = ObjectConfig::parse(&world.fake.url()).unwrap().timeout(LIMIT * 10).max_body(1 << 20);
    let backend = ObjectBackend::open(config).await.unwrap();
    let error = backend.usage().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}

#[tokio::test]
async fn a_hanging_list_is_a_timeout() {
    let world = World::with(|_, answer| answer.ends(End::Silent)).await;
    let first = world.backend.scan(&KeyPrefix::all()).next().await.unwrap();
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(world.backend.sweep(Timestamp::EPOCH, 10).await.unwrap_err().kind(), ErrorKind::Timeout);
}

/// Pages that arrive one by one, each slower than the call may take three of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_that_takes_longer_than_a_call_goes_on_with_the_next_one() {
    let world = World::with(|request, answer| {
        if !request.target.contains("list-type=2") {
            return answer;
        }
        let begin = Instant::now();
        tokio::task::block_in_place(|| {
            while begin.elapsed() < LIMIT * 2 / 5 {
                std::thread::park_timeout(LIMIT / 20);
            }
        });
        let of = request.target.split("continuation-token=t").nth(1);
        let page: usize = of.map_or(0, |rest| rest.split('&').next().unwrap().parse().unwrap());
        let name = format!("x/{page:08x}/00/{:062x}", 0);
        let next = format!("<NextContinuationToken>t{}</NextContinuationToken>", page + 1);
        listed(&format!(
            "<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>9</Size><ETag>x</ETag>\
             </Contents>{}<IsTruncated>{}</IsTruncated>",
            if page < 4 { &*next } else { "" },
            page < 4
        ))
    })
    .await;
    let begin = Instant::now();
    let error = world.backend.usage().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(begin.elapsed() < LIMIT + SLACK, "{:?}", begin.elapsed());
    let counted = || async { world.backend.usage().await.is_ok_and(|usage| usage.entries == 5) };
    assert!(eventually(LIMIT * 20, counted).await);
}

#[tokio::test]
async fn a_scan_goes_on_after_an_object_that_does_not_verify() {
    let world = World::new().await;
    let other = cache_core::Key::parse("other").unwrap();
    world.backend.put(&other, super::entry(1, 100)).await.unwrap();
    world.fake.fault(|request, mut answer| {
        if request.method == "GET" && answer.body.len() < 1_000 && answer.status == 206 {
            answer.body[42] ^= 1;
        }
        answer
    });
    let found: Vec<_> = world.backend.scan(&KeyPrefix::all()).collect().await;
    let errors = found.iter().filter_map(|found| found.as_ref().err());
    assert!(errors.map(cache_core::Error::kind).eq([ErrorKind::Corrupt]), "{found:?}");
    assert!(found.iter().any(|found| found.as_ref().is_ok_and(|(key, _)| *key == world.key)), "{found:?}");
}
