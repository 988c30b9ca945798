//! Faults of reads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cache_core::{Backend, ErrorKind, Key, Retry};
use cache_testkit::servers::free_port;

use super::{LEN, LIMIT, SLACK, World, assert_tells_no_secret, entry, open};
use crate::fake::{Answer, End};

#[tokio::test]
async fn a_refused_connection_is_unavailable_at_once() {
    let world = World::new().await;
    let port = free_port().unwrap();
    for scheme in ["http", "https"] {
        let backend = open(&format!(
            "s3://bucket/?endpoint={scheme}://127.0.0.1:{port}&access_key_id=AKID&secret_access_key=SECRET"
        ))
        .await;
        let begin = Instant::now();
        let error = backend.get(&world.key).await.unwrap_err();
        assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error}");
        assert_tells_no_secret(&error);
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_unavailable() {
    let world = World::new().await;
    let url = world.fake.url().replace("http://", "https://");
    let error = open(&url).await.get(&world.key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_hanging_server_is_a_timeout_at_the_deadline() {
    for end in [End::Silent, End::HangAfter(0), End::HangAfter(5_000), End::Drip] {
        let world = World::with(move |_, answer| answer.ends(end)).await;
        let begin = Instant::now();
        world.get_fails(ErrorKind::Timeout, 1).await;
        assert!(begin.elapsed() >= LIMIT, "{end:?}");
    }
}

#[tokio::test]
async fn calls_that_wait_for_their_turn_end_at_their_deadline_too() {
    let world = World::with(|_, answer| answer.ends(End::Silent)).await;
    let config = cache_s3::ObjectConfig::parse(&world.fake.url()).unwrap().timeout(LIMIT).concurrency(1);
    let backend = cache_s3::ObjectBackend::open(config).await.unwrap();
    let begin = Instant::now();
    let gets = (0..20).map(|_| backend.get(&world.key));
    for answer in futures_util::future::join_all(gets).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Timeout);
    }
    assert!(begin.elapsed() < LIMIT + SLACK);
    assert_eq!(world.fake.requests(), 1);
}

#[tokio::test]
async fn a_failing_server_is_asked_three_times() {
    for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests"), (502, ""), (504, "")] {
        let world = World::with(move |_, _| Answer::error(status, code)).await;
        let error = world.get_fails(ErrorKind::Unavailable, 3).await;
        assert!(error.message().contains(code) && error.message().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_pause_that_the_server_asks_for_is_kept_or_the_call_ends() {
    let world = World::with(|_, _| Answer::error(503, "SlowDown").header("retry-after", 30)).await;
    let begin = Instant::now();
    world.get_fails(ErrorKind::Unavailable, 1).await;
    assert!(begin.elapsed() < LIMIT, "nothing was waited for");
}

#[tokio::test]
async fn during_an_outage_most_calls_are_one_request() {
    let world = World::with(|_, _| Answer::error(500, "InternalError")).await;
    let gets = (0..100).map(|_| world.backend.get(&world.key));
    let answers = futures_util::future::join_all(gets).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(world.fake.requests() <= 100 + 30, "{} requests for 100 gets", world.fake.requests());
}

#[tokio::test]
async fn one_failure_is_made_good_by_a_second_request() {
    for end in [End::CutAfter(0), End::CutAfter(5_000)] {
        let asked = AtomicUsize::new(0);
        let first_ends =
            move |answer: Answer| if asked.fetch_add(1, Ordering::SeqCst) == 0 { answer.ends(end) } else { answer };
        let world = World::with(move |_, answer| first_ends(answer)).await;
        assert_eq!(world.backend.get(&world.key).await.unwrap().as_ref(), Some(&world.entry));
        assert_eq!(world.fake.requests(), 2);
    }
}

#[tokio::test]
async fn a_body_cut_anywhere_is_an_error_and_never_a_short_body() {
    let world = World::new().await;
    for at in (0..LEN).step_by(1024) {
        world.fake.fault(move |_, answer| answer.ends(End::CutAfter(at)));
        let error = world.backend.get(&world.key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "cut at {at}: {error}");
        assert!((1..=3).contains(&world.fake.requests()), "cut at {at}: {} requests", world.fake.requests());
    }
}

#[tokio::test]
async fn credentials_that_do_not_do_are_told_after_one_request() {
    let cases = [
        (403, "ExpiredToken", "renew"),
        (400, "ExpiredToken", "renew"),
        (403, "RequestTimeTooSkewed", "clock"),
        (403, "AccessDenied", "credentials"),
        (403, "InvalidAccessKeyId", "credentials"),
        (401, "", "credentials"),
    ];
    for (status, code, advice) in cases {
        let world = World::with(move |_, _| Answer::error(status, code)).await;
        let error = world.get_fails(ErrorKind::Unavailable, 1).await;
        assert!(error.message().contains(advice), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    for location in [None, Some("/bucket/elsewhere"), Some("http://example.com/")] {
        let world = World::with(move |request, _| {
            let answer = Answer::error(301, "PermanentRedirect");
            let location = location.map(|at| if at == "/bucket/elsewhere" { &request.target } else { at });
            if let Some(location) = location { answer.header("location", location) } else { answer }
        })
        .await;
        let error = world.get_fails(ErrorKind::Unavailable, 1).await;
        assert!(error.message().contains("region"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_an_error_and_a_missing_object_is_none() {
    let world = World::with(|_, _| Answer::error(404, "NoSuchKey")).await;
    assert_eq!(world.backend.get(&world.key).await.unwrap(), None);
    world.fake.fault(|_, _| Answer::error(404, "NoSuchBucket"));
    let error = world.get_fails(ErrorKind::Unavailable, 1).await;
    assert!(error.message().contains("bucket does not exist"), "{error}");
    for answer in [
        world.backend.stat(&world.key).await.map(drop),
        world.backend.put(&world.key, world.entry.clone()).await,
        world.backend.remove(&world.key).await.map(drop),
        world.backend.usage().await.map(drop),
    ] {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_content_length_that_lies_is_an_error() {
    // Shorter: the rest is not read, so the object is cut.
    let world = World::with(|_, answer| answer.header("content-length", 5_000)).await;
    world.get_fails(ErrorKind::Corrupt, 1).await;
    // Longer, and the connection ends.
    let world = World::with(|_, answer| answer.header("content-length", 50_000).ends(End::CutAfter(LEN * 2))).await;
    world.get_fails(ErrorKind::Unavailable, 3).await;
    // Longer, and it stays open.
    let world = World::with(|_, answer| answer.header("content-length", 50_000).ends(End::HangAfter(LEN * 2))).await;
    world.get_fails(ErrorKind::Timeout, 1).await;
}

/// `GetResult::bytes` of the library allocates what the header says, and the process aborts.
#[tokio::test]
async fn a_content_length_of_a_tebibyte_allocates_nothing() {
    let world =
        World::with(|_, answer| answer.header("content-length", 1_u64 << 40).ends(End::HangAfter(LEN * 2))).await;
    world.get_fails(ErrorKind::TooLarge, 1).await;
}

#[tokio::test]
async fn a_flipped_bit_is_corrupt_wherever_it_is() {
    let world = World::new().await;
    for at in (0..120).chain((120..LEN).step_by(997)) {
        world.fake.fault(move |_, mut answer| {
            answer.body[at] ^= 1;
            answer
        });
        world.get_fails(ErrorKind::Corrupt, 1).await;
    }
    world.fake.fault(|_, answer| answer);
    assert!(world.backend.usage().await.unwrap().corrupt > 120, "each of them is counted");
}

#[tokio::test]
async fn what_is_no_entry_is_corrupt() {
    for body in ["", "<Error><Code>InternalError</Code></Error>", "<html>a captive portal</html>"] {
        let world = World::with(move |_, mut answer| {
            answer.body = body.into();
            answer
        })
        .await;
        world.get_fails(ErrorKind::Corrupt, 1).await;
    }
}

#[tokio::test]
async fn the_object_of_another_key_is_corrupt() {
    let world = World::new().await;
    let other = Key::of("video").part("b").build().unwrap();
    world.backend.put(&other, entry(2, 100)).await.unwrap();
    let kept = std::sync::Mutex::new(Vec::new());
    world.fake.fault(move |_, mut answer| {
        let mut kept = kept.lock().unwrap();
        if kept.is_empty() {
            kept.clone_from(&answer.body);
        }
        answer.body.clone_from(&kept);
        answer
    });
    assert!(world.backend.get(&other).await.unwrap().is_some());
    let error = world.backend.get(&world.key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn an_answer_to_another_range_is_an_error() {
    let whole = World::with(|_, mut answer| {
        answer.status = 200;
        answer
    })
    .await;
    assert_eq!(whole.backend.stat(&whole.key).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(whole.fake.requests(), 1);
    for range in [
        "bytes 4096-8191/16500",
        "bytes 0-4095/1099511627776",
        "bytes 0-9/10",
        "nonsense",
        "bytes 5-4/9",
        "bytes 0-18446744073709551615/9",
    ] {
        let world = World::with(move |_, answer| answer.header("content-range", range)).await;
        let error = world.backend.stat(&world.key).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Corrupt), "{range}: {error}");
    }
}

#[tokio::test]
async fn an_endless_answer_ends_at_the_limit() {
    let world = World::with(|_, answer| answer.ends(End::Endless)).await;
    let error = world.backend.get(&world.key).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TooLarge), "{error}");
}

#[tokio::test]
async fn calls_for_many_keys_end_soon_when_the_server_hangs() {
    let world = World::with(|_, answer| answer.ends(End::Silent)).await;
    let keys: Vec<Key> = (0..320).map(|number| Key::of("many").part(number).build().unwrap()).collect();
    let begin = Instant::now();
    let read = world.backend.get_many(&keys).await;
    let written = world.backend.put_many(keys.iter().map(|key| (key.clone(), entry(1, 10))).collect()).await;
    assert!(begin.elapsed() < LIMIT * 2 + SLACK, "{:?}", begin.elapsed());
    assert!(read.iter().all(|answer| answer.as_ref().unwrap_err().kind() == ErrorKind::Timeout));
    assert!(written.iter().all(|answer| answer.as_ref().unwrap_err().kind() == ErrorKind::Timeout));
}
