//! Crowds: many callers, few loads.

use std::time::Duration;

use futures_util::future::join_all;
use providers::LinkRequest;

use crate::kit::{Bed, Fake, first, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_for_a_hundred_pages_make_a_hundred_loads() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    *fake.pause.lock() = Duration::from_millis(20);
    let provider = bed.provider(&fake);
    let ask = |n: usize| {
        let provider = provider.clone();
        tokio::spawn(async move {
            let page = LinkRequest::new(format!("https://example.org/{}", n % 100)).unwrap();
            let answer = provider.get(&page).await.unwrap();
            assert_eq!(first(&answer.value), format!("{}?take=1", page.url()));
        })
    };
    for asked in join_all((0..10_000).map(ask)).await {
        asked.unwrap();
    }
    assert_eq!(fake.loads(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_reports_of_a_bad_link_make_one_load() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let page = request("https://example.org/a");
    let bad = first(&provider.get(&page).await.unwrap().value).to_owned();
    bed.clock.advance(Duration::from_mins(1));
    *fake.pause.lock() = Duration::from_millis(50);
    let report = |_| {
        let (provider, page, bad) = (provider.clone(), page.clone(), bad.clone());
        tokio::spawn(async move { first(&provider.report_bad(&page, &bad).await.unwrap().value).to_owned() })
    };
    for reported in join_all((0..10_000).map(report)).await {
        assert_eq!(reported.unwrap(), "https://example.org/a?take=2");
    }
    assert_eq!(fake.loads(), 2);
    assert_eq!(provider.stats().reports, 10_000);
}
