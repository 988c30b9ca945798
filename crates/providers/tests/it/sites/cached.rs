//! Sites behind the cache, from end to end.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, ErrorKind, Retry};
use cache_tiered::Origin;
use futures_util::future::join_all;
use providers::http::{Fetch, HttpCheck};
use providers::{
    CacheOptions, CachedProvider, Commons, Failure, InternetArchive, LinkRequest, PeerTube, PeerTubeAccess, Provider,
    Reason, Stremio,
};

use crate::kit::{Bed, fast, fetch, first, fixture, request};
use crate::upstream::{Canned, Upstream};

const PAGE: &str = "https://archive.org/details/demo-moon-1969";

fn cached<P: Provider>(bed: &Bed, provider: P) -> CachedProvider<P> {
    CachedProvider::builder(provider).tiers(bed.tiers.clone()).options(CacheOptions::default()).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_for_a_hundred_pages_ask_the_site_a_hundred_times() {
    let upstream = Upstream::new(|_| Canned::json(&fixture("ia_metadata.json"))).await;
    let bed = Bed::new();
    let provider = cached(&bed, InternetArchive::new(&fetch()).at(&upstream.url).unwrap());
    let ask = |n: usize| {
        let provider = provider.clone();
        tokio::spawn(async move {
            let page = LinkRequest::new(format!("https://archive.org/details/item-{}", n % 100)).unwrap();
            let links = provider.get(&page).await.unwrap().value;
            assert!(first(&links).contains(&format!("/download/item-{}/", n % 100)));
        })
    };
    for asked in join_all((0..10_000).map(ask)).await {
        asked.unwrap();
    }
    assert_eq!(upstream.asked(), 100);
}

#[tokio::test]
async fn failures_are_not_cached_and_tell_when_to_come_back() {
    let upstream = Upstream::new(|_| Canned::status(500)).await;
    let bed = Bed::new();
    let provider = cached(&bed, InternetArchive::new(&fetch()).at(&upstream.url).unwrap());
    for (answer, reason, retry) in [
        (Canned::status(500), Reason::Unavailable, Retry::Later),
        (Canned::json("{\"metadata\": {"), Reason::Malformed, Retry::Later),
        (Canned::bytes("text/html", "<html>"), Reason::Malformed, Retry::Later),
        (Canned::json("{}"), Reason::NotFound, Retry::Never),
        (Canned::status(403), Reason::Forbidden, Retry::Never),
    ] {
        upstream.answers(move |_| answer.clone());
        let error = provider.get(&request(PAGE)).await.unwrap_err();
        assert_eq!((Failure::of(&error).unwrap().reason(), error.retry()), (reason, retry));
        assert_eq!(bed.entries().await, [0, 0]);
    }
    upstream.answers(|_| Canned::status(429).header("retry-after", "2"));
    for _ in 0..20 {
        let error = provider.get(&request(PAGE)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(Failure::of(&error).unwrap().retry_after().is_some());
    }
    assert_eq!(upstream.asked(), 6, "the pause was kept");
    upstream.answers(|_| Canned::json(&fixture("ia_metadata.json")));
    assert!(cache_testkit::eventually(crate::kit::LONG, || async { provider.get(&request(PAGE)).await.is_ok() }).await);
    assert_eq!(provider.get(&request(PAGE)).await.unwrap().origin, Origin::Near);
}

#[tokio::test]
async fn links_with_a_token_are_asked_for_anew_before_it_ends() {
    let bed = Bed::new();
    let clock = bed.clock.clone();
    let upstream = Upstream::new(|_| Canned::status(404)).await;
    let url = upstream.url.clone();
    upstream.answers(move |seen| match (seen.method.as_str(), seen.path().rsplit('/').next()) {
        // Each token is good for ten minutes.
        ("POST", _) => {
            let minutes = clock.now().as_millis() / 60_000 + 10;
            let (hour, minute) = (minutes / 60 % 24, minutes % 60);
            let token = format!(
                "{{\"files\":{{\"token\":\"t{minutes}\",\"expires\":\"2026-07-14T{hour:02}:{minute:02}:00Z\"}}}}"
            );
            Canned::json(&token)
        }
        (_, Some("captions")) => Canned::json("{\"data\":[]}"),
        _ => Canned::json(&format!(
            "{{\"name\":\"n\",\"privacy\":{{\"id\":3}},\"files\":[{{\"fileUrl\":\"{url}/a.mp4\"}}]}}"
        )),
    });
    let fetch = Fetch::new(fast().clock(bed.clock.clone())).unwrap();
    let provider = cached(&bed, PeerTube::instance(&fetch, &upstream.url).unwrap());
    let page = request(&format!("{}/w/abc", upstream.url));
    let mut tokens = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let answer = provider.get(&page).await.unwrap();
        let link = &answer.value.links[0];
        assert!(link.validity.until() > bed.now(), "a link was handed out at {:?}: {link:?}", bed.now());
        tokens.insert(first(&answer.value).to_owned());
        bed.clock.advance(Duration::from_mins(1));
    }
    assert!((6..=8).contains(&tokens.len()), "{tokens:?}");
    assert_eq!(upstream.asked(), 3 * tokens.len());
}

#[tokio::test]
async fn a_link_that_the_place_refuses_is_replaced_before_it_is_handed_out() {
    let bed = Bed::new();
    let upstream = Upstream::new(|seen| match seen.path() {
        "/metadata/demo" => Canned::json(r#"{"metadata":{},"files":[{"name":"a.mp4"}]}"#),
        _ => Canned::status(410),
    })
    .await;
    let archive = Arc::new(InternetArchive::new(&fetch()).at(&upstream.url).unwrap());
    let builder = CachedProvider::builder(archive).tiers(bed.tiers.clone()).check(HttpCheck::new(&fetch()));
    let provider = builder.build().unwrap();
    let page = request("https://archive.org/details/demo");
    provider.get(&page).await.unwrap();
    bed.clock.advance(Duration::from_mins(2));
    provider.get(&page).await.unwrap();
    assert_eq!(provider.stats().reports, 1);
    let loads = upstream.seen().iter().filter(|seen| seen.path() == "/metadata/demo").count();
    assert_eq!(loads, 2);
}

#[tokio::test]
async fn two_places_of_one_kind_share_no_links() {
    let bed = Bed::new();
    let instance = |name: &'static str| {
        Upstream::new(move |seen| {
            if seen.path().ends_with("captions") {
                Canned::json("{\"data\":[]}")
            } else {
                Canned::json(&fixture("peertube_video.json").replace("Moon", name))
            }
        })
    };
    let (one, other) = (instance("One").await, instance("Other").await);
    let page = LinkRequest::of_id("42").unwrap();
    for upstream in [&one, &other] {
        let provider = cached(&bed, PeerTube::instance(&fetch(), &upstream.url).unwrap());
        assert!(!provider.get(&page).await.unwrap().was_cached());
        assert!(provider.get(&page).await.unwrap().was_cached());
    }
    assert!(one.asked() > 0 && other.asked() > 0);
}

#[test]
fn the_version_of_a_site_says_where_it_is_without_telling() {
    let fetch = fetch();
    let (a, b) = ("https://a.example/s3cret", "https://b.example");
    let access = PeerTubeAccess::token("s3cret");
    let both: [[String; 2]; 5] = [
        [a, b].map(|url| PeerTube::instance(&fetch, url).unwrap().version().to_owned()),
        [a, b].map(|url| Stremio::new(&fetch, url).unwrap().version().to_owned()),
        [a, b].map(|url| InternetArchive::new(&fetch).at(url).unwrap().version().to_owned()),
        [a, b].map(|url| Commons::new(&fetch).at(url).unwrap().version().to_owned()),
        [
            PeerTube::instance(&fetch, a).unwrap().account("", access).version().to_owned(),
            PeerTube::sepia(&fetch).at(a).unwrap().version().to_owned(),
        ],
    ];
    for [one, other] in &both {
        assert_ne!(one, other);
        assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    }
    assert!(!both[4].contains(&both[0][0]), "an account and an index make a difference");
    assert_eq!(both[0][1], PeerTube::instance(&fetch, b).unwrap().version());
}
