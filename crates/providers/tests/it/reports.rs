//! Links that do not work: out at once, replaced once.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{DAY, HOUR, ttl};
use cache_testkit::{Fault, Operation, Plan};
use futures_util::future::join_all;
use providers::{CacheOptions, CachedProvider, Failure, Links, Reason};

use crate::kit::{Bed, Fake, START, first, link, request};

const PAGE: &str = "https://example.org/a";

#[tokio::test]
async fn a_reported_link_is_replaced_in_every_tier() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let page = request(PAGE);
    provider.get(&page).await.unwrap();
    bed.clock.advance(Duration::from_mins(1));
    let better = provider.report_bad(&page, "https://example.org/a?take=1").await.unwrap();
    assert_eq!(first(&better.value), "https://example.org/a?take=2");
    bed.settle().await;
    let after = bed.restarted().provider(&fake).get(&page).await.unwrap();
    assert_eq!((after.was_cached(), first(&after.value)), (true, "https://example.org/a?take=2"));
}

#[tokio::test]
async fn a_link_that_others_have_replaced_is_not_loaded_again() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let page = request(PAGE);
    for _ in 0..3 {
        bed.clock.advance(Duration::from_mins(1));
        provider.get(&page).await.unwrap();
        provider.report_bad(&page, "https://example.org/a?take=1").await.unwrap();
    }
    assert_eq!(fake.loads(), 2);
}

#[tokio::test]
async fn a_link_that_was_just_loaded_is_not_loaded_again() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, request| Ok(Links::of([link(request.url(), 1)])));
    let provider = bed.provider(&fake);
    let page = request(PAGE);
    for (pause, loads) in [(0, 1), (9, 1), (1, 2), (9, 2), (1, 3)] {
        bed.clock.advance(Duration::from_secs(pause));
        provider.get(&page).await.unwrap();
        provider.report_bad(&page, "https://example.org/a?take=1").await.unwrap();
        assert_eq!(fake.loads(), loads);
    }
}

#[tokio::test]
async fn a_reported_link_does_not_stand_in_when_it_cannot_be_replaced() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider_with(&fake, CacheOptions::default().lifetime(ttl(HOUR).stale(DAY)));
    let page = request(PAGE);
    provider.get(&page).await.unwrap();
    fake.answers(|_, _| Err(Failure::new(Reason::Unavailable, "it is down").into_error("a", "links")));
    bed.clock.advance(Duration::from_mins(1));
    for _ in 0..2 {
        let error = provider.report_bad(&page, "https://example.org/a?take=1").await.unwrap_err();
        assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::Unavailable));
        provider.get(&page).await.unwrap_err();
    }
}

#[tokio::test]
async fn only_a_status_that_says_so_is_a_report() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let page = request(PAGE);
    let mut loads = 1;
    for status in [401, 403, 404, 410, 200, 206, 302, 416, 429, 500, 503] {
        let link = first(&provider.get(&page).await.unwrap().value).to_owned();
        bed.clock.advance(Duration::from_mins(1));
        let answer = provider.report_status(&page, &link, status).await.unwrap();
        loads += u64::from(matches!(status, 401 | 403 | 404 | 410));
        assert_eq!((answer.is_some(), fake.loads()), (matches!(status, 401 | 403 | 404 | 410), loads), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reporter_who_leaves_leaves_the_work_to_the_next() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let page = request(PAGE);
    provider.get(&page).await.unwrap();
    bed.clock.advance(Duration::from_mins(1));
    *fake.pause.lock() = Duration::from_secs(5);
    let report = provider.report_bad(&page, "https://example.org/a?take=1");
    assert!(tokio::time::timeout(Duration::from_secs(1), report).await.is_err());
    let better = provider.report_bad(&page, "https://example.org/a?take=1").await.unwrap();
    assert_eq!((first(&better.value), fake.loads()), ("https://example.org/a?take=2", 2));
}

/// A provider over tiers whose reads take time, so that those who ask at once wait for one another.
fn slow(bed: &Bed, fake: &Arc<Fake>) -> CachedProvider<Arc<Fake>> {
    bed.near.set_plan(Plan::new().each(Operation::Get, Fault::Delay(Duration::from_millis(10))));
    bed.provider_with(fake, CacheOptions::default().near(0))
}

#[tokio::test(start_paused = true)]
async fn a_report_is_not_answered_with_its_link_because_others_report_another() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = slow(&bed, &fake);
    let page = request(PAGE);
    provider.get(&page).await.unwrap();
    bed.clock.advance(Duration::from_mins(1));
    let reports = (0..100).map(|n| {
        let link = format!("{PAGE}?take={}", n % 2);
        let (provider, page) = (&provider, &page);
        async move { provider.report_bad(page, &link).await.unwrap() }
    });
    let answers = join_all(reports).await;
    assert!(answers.iter().skip(1).step_by(2).all(|answer| first(&answer.value) == "https://example.org/a?take=2"));
    assert_eq!(fake.loads(), 2, "one more for all");
}

#[tokio::test(start_paused = true)]
async fn reports_of_two_links_of_one_answer_make_one_load() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|time, request| Ok(Links::of([0, 1].map(|at| link(request.url(), 2 * time + at)))));
    *fake.pause.lock() = Duration::from_secs(1);
    let provider = slow(&bed, &fake);
    let page = request(PAGE);
    let before = provider.get(&page).await.unwrap();
    bed.clock.advance(Duration::from_mins(1));
    let reports = before.value.links.iter().map(|link| provider.report_bad(&page, &link.url));
    for answer in join_all(reports).await {
        assert_eq!(first(&answer.unwrap().value), "https://example.org/a?take=4");
    }
    assert_eq!(fake.loads(), 2);
}

#[tokio::test]
async fn a_clock_that_goes_back_leaves_reports_their_effect() {
    for near in [0, 1000] {
        let (bed, fake) = (Bed::new(), Fake::new("a"));
        let provider = bed.provider_with(&fake, CacheOptions::default().near(near));
        let page = request(PAGE);
        bed.clock.advance(HOUR);
        provider.get(&page).await.unwrap();
        bed.clock.set(START);
        for _ in 0..3 {
            let answer = provider.report_bad(&page, "https://example.org/a?take=1").await.unwrap();
            assert_eq!(first(&answer.value), "https://example.org/a?take=2");
        }
        // From here on it is the time of this clock that counts.
        provider.report_bad(&page, "https://example.org/a?take=2").await.unwrap();
        assert_eq!(fake.loads(), 2);
    }
}
