//! Sources on servers: a change of one while it is worked on is noticed, and nothing of the mix is kept.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cache_core::{Error, ErrorKind};
use cache_tiered::Tiered;
use pipeline::{ArtifactCache, ArtifactOptions, Pass, Plan, Remote, Resource, RunReport, Source};

use super::changing::{changing, parts};
use super::fake::{Alpha, Fake, Log};
use super::support::Home;
use super::upstream::{Answer, Seen, Upstream};

/// A server that has a film of four segments, and another one once `changed` is set. `about` is what it says of it.
async fn serving(
    home: &Home,
    changed: &Arc<AtomicBool>,
    about: impl Fn(&Seen, Answer, bool) -> Answer + Send + Sync + 'static,
) -> Upstream {
    let films = [4, 5].map(|seconds| fs::read(home.clip(format!("{seconds}.mkv"), seconds)).unwrap());
    let changed = changed.clone();
    Upstream::new(move |seen| {
        let is_other = changed.load(Ordering::SeqCst);
        about(seen, Answer::bytes(films[usize::from(is_other)].clone()), is_other)
    })
    .await
}

fn tagged(answer: Answer, is_other: bool) -> Answer {
    answer.header("etag", if is_other { "\"b\"" } else { "\"a\"" })
}

fn dated(answer: Answer, is_other: bool) -> Answer {
    let date = if is_other { "Tue, 02 Jan 2024 00:00:00 GMT" } else { "Mon, 01 Jan 2024 00:00:00 GMT" };
    answer.header("last-modified", date)
}

fn film(upstream: &Upstream) -> Remote {
    Remote::new(format!("{}/film.mkv?token=hidden", upstream.url))
}

/// A run over `source` that sets `changed` in its third segment.
async fn run(home: &Home, source: Remote, changed: &Arc<AtomicBool>) -> Result<RunReport, Error> {
    let changed = changed.clone();
    let change = move || changed.store(true, Ordering::SeqCst);
    let alpha = Fake::<Alpha>::new(&Log::default()).on(Resource::Cpu, Pass::Run).does(changing(2, change)).done();
    home.cache().run(&Source::from(source), &Plan::new().stage(alpha)).await
}

fn said(run: &RunReport) -> String {
    run.error().expect("an error").message().to_owned()
}

#[tokio::test]
async fn another_etag_is_a_change() {
    let (home, changed) = (Home::new(), Arc::default());
    let upstream = serving(&home, &changed, |_, answer, is_other| tagged(answer, is_other)).await;
    let report = run(&home, film(&upstream).etag("\"a\""), &changed).await.unwrap();
    let expected = format!("\"{}/film.mkv\": alpha: changed while it was processed: name it with what", upstream.url);
    assert!(said(&report).starts_with(&expected), "{}", said(&report));
    assert_eq!(report.error().unwrap().kind(), ErrorKind::Invalid);
    assert_eq!(parts(&home).await.len(), 2, "of before the change");
    let report = run(&home, film(&upstream).etag("\"b\""), &Arc::default()).await.unwrap();
    assert!(report.error().is_none(), "{:?}", report.error());
    assert_eq!(parts(&home).await.len(), 2 + 5, "of the other one, all");
}

#[tokio::test]
async fn without_etag_another_length_or_time_is() {
    let (home, changed) = (Home::new(), Arc::default());
    let upstream = serving(&home, &changed, |_, answer, is_other| dated(answer, is_other)).await;
    let len = fs::metadata(home.path("4.mkv")).unwrap().len();
    let source = film(&upstream).len(len).modified("Mon, 01 Jan 2024 00:00:00 GMT");
    let report = run(&home, source, &changed).await.unwrap();
    assert!(said(&report).contains("changed while it was processed"), "{}", said(&report));
    assert_eq!(parts(&home).await.len(), 2);
}

#[tokio::test]
async fn before_anything_is_known_of_it_a_change_is_an_error_of_the_source() {
    let (home, changed) = (Home::new(), Arc::new(AtomicBool::new(true)));
    let upstream = serving(&home, &changed, |_, answer, is_other| tagged(answer, is_other)).await;
    let error = run(&home, film(&upstream).etag("\"a\""), &changed).await.unwrap_err();
    assert!(error.message().contains("changed while it was probed") && !error.message().contains("hidden"), "{error}");
}

#[tokio::test]
async fn servers_that_refuse_head_are_asked_for_a_byte() {
    let (home, changed) = (Home::new(), Arc::default());
    let upstream = serving(&home, &changed, |seen, answer, is_other| match &*seen.method {
        "HEAD" => Answer::status(405),
        _ => tagged(answer, is_other),
    });
    let upstream = upstream.await;
    let report = run(&home, film(&upstream).etag("\"a\""), &changed).await.unwrap();
    assert!(said(&report).contains("changed while it was processed"), "{}", said(&report));
    let is_byte = |seen: &Seen| seen.method == "GET" && seen.header("range") == Some("bytes=0-0");
    assert!(upstream.seen().iter().any(is_byte));
}

#[tokio::test]
async fn a_passing_failure_is_no_change_and_one_that_stays_discards_what_was_made() {
    for (failures, kept) in [(2, 4), (usize::MAX, 0)] {
        let (home, fails) = (Home::new(), Arc::new(AtomicUsize::new(0)));
        let (inner, never) = (fails.clone(), Arc::default());
        let upstream = serving(&home, &never, move |seen, answer, is_other| {
            let left = |left: usize| left.checked_sub(1);
            let is_asked = seen.method == "HEAD" || seen.header("range") == Some("bytes=0-0");
            let fails = is_asked && inner.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
            if fails { Answer::status(503) } else { tagged(answer, is_other) }
        })
        .await;
        let alpha = Fake::<Alpha>::new(&Log::default()).on(Resource::Cpu, Pass::Run);
        let alpha = alpha.does(changing(0, move || fails.store(failures, Ordering::SeqCst))).done();
        let source = Source::from(film(&upstream).etag("\"a\""));
        let report = home.cache().run(&source, &Plan::new().stage(alpha)).await.unwrap();
        assert_eq!(report.error().is_some(), kept == 0, "{:?}", report.error());
        if kept == 0 {
            assert!(said(&report).contains("may have changed while it was processed: its server answers with 503"));
        }
        assert_eq!(parts(&home).await.len(), kept);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_any_more_is_not_believed() {
    let (home, changed) = (Home::new(), Arc::default());
    let upstream =
        serving(&home, &changed, |_, answer, is_other| if is_other { answer } else { tagged(answer, false) }).await;
    let report = run(&home, film(&upstream).etag("\"a\""), &changed).await.unwrap();
    assert!(said(&report).contains("may have changed while it was processed"), "{}", said(&report));
    assert_eq!(parts(&home).await.len(), 2);
}

#[tokio::test]
async fn with_nobody_to_ask_nothing_is_computed() {
    let (home, changed) = (Home::new(), Arc::default());
    let upstream = serving(&home, &changed, |_, answer, is_other| tagged(answer, is_other)).await;
    let tiers = Tiered::builder().tier(home.backend.clone()).build().unwrap();
    let cache = ArtifactCache::new(tiers, ArtifactOptions { servers: None, ..ArtifactOptions::default() }).unwrap();
    let alpha = Fake::<Alpha>::new(&Log::default()).done();
    let source = Source::from(film(&upstream).etag("\"a\""));
    let error = cache.run(&source, &Plan::new().stage(alpha)).await.unwrap_err();
    assert!(error.message().contains("set ArtifactOptions::servers"), "{error}");
    assert!(parts(&home).await.is_empty());
}
