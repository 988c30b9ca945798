//! Whatever goes wrong with a site, each provider says so, for a search and for links.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, Result};
use providers::http::{Fetch, FetchOptions};
use providers::{
    Commons, Extent, Failure, HtmlSite, InternetArchive, PeerTube, Podcast, Provider, Reason, SearchQuery, Stremio,
};
use serde_json::json;
use tokio::time::timeout;

use super::{links, reason};
use crate::kit::{LONG, fast, fixture};
use crate::upstream::{Canned, Upstream};

/// What a site answers with, when nothing is wrong.
#[derive(Debug, Clone, Copy)]
enum Format {
    Json,
    Xml,
    Html,
}

/// A provider, a page of its, and how the site answers a search and a request for links.
struct Place {
    what: &'static str,
    provider: Arc<dyn Provider>,
    page: String,
    formats: [Format; 2],
}

impl Format {
    /// `body`, said to be of this format.
    fn with(self, body: &str) -> Canned {
        let content_type = match self {
            Self::Json => "application/json",
            Self::Xml => "application/rss+xml",
            Self::Html => "text/html",
        };
        Canned::bytes(content_type, body)
    }

    /// The right format with another shape.
    fn wrong(self) -> Canned {
        self.with(match self {
            Self::Json => {
                r#"{"response": 5, "query": 5, "data": "a", "results": {}, "files": {}, "metas": 5, "streams": 5,
                "resources": 5, "name": [], "metadata": 5}"#
            }
            Self::Xml => "<opml><body/></opml>",
            Self::Html => "<body>another page",
        })
    }

    /// The right format, up to somewhere.
    fn cut(self) -> Canned {
        self.with(match self {
            Self::Json => r#"{"response": {"docs": [{"#,
            Self::Xml => "<rss><channel><item><title>a",
            Self::Html => "<html><bo",
        })
    }

    /// What a proxy or a login answers in its place.
    fn other(self) -> Canned {
        match self {
            Self::Json | Self::Xml => Self::Html.with("<html><body>log in</body></html>"),
            Self::Html => Self::Json.with("{}"),
        }
    }
}

fn places(options: FetchOptions, url: &str) -> Vec<Place> {
    use Format::{Html, Json, Xml};
    let fetch = &Fetch::new(options).unwrap();
    let film = format!("{url}/w/9c9de5e8-0a1e-484a-b099-e80766180a6d");
    let detail = "https://web.stremio.com/#/detail/movie/tt1254207";
    let place = |what, provider: Arc<dyn Provider>, page: &str, formats| Place {
        what,
        provider,
        page: page.to_owned(),
        formats,
    };
    let table = json!({
        "search": {"url": format!("{url}/search?q={{query}}"), "row": "li", "title": "b", "link": "a@href"},
        "page": {"row": "video", "link": "@src"},
        "landmark": "#films",
    });
    let html = HtmlSite::new(fetch, &serde_json::from_value(table).unwrap()).unwrap();
    let archive = InternetArchive::new(fetch).at(url).unwrap();
    let commons = Commons::new(fetch).at(url).unwrap();
    let podcast = Podcast::new(fetch).at(url).unwrap();
    // One whose manifest is not to be had, and one of which it is.
    let [addon, manifest] = ["well", "ill"].map(|path| Stremio::new(fetch, &format!("{url}/{path}")).unwrap());
    vec![
        place("archive", Arc::new(archive), "https://archive.org/details/moon", [Json, Json]),
        place("an instance", Arc::new(PeerTube::instance(fetch, url).unwrap()), &film, [Json, Json]),
        place("sepia", Arc::new(PeerTube::sepia(fetch).at(url).unwrap()), &film, [Json, Json]),
        place("commons", Arc::new(commons), "https://commons.wikimedia.org/wiki/File:A.webm", [Json, Json]),
        place("podcast", Arc::new(podcast), &format!("{url}/rss"), [Json, Xml]),
        place("an add-on", Arc::new(addon), detail, [Json, Json]),
        place("a manifest", Arc::new(manifest), detail, [Json, Json]),
        place("html", Arc::new(html), &format!("{url}/film"), [Html, Html]),
    ]
}

/// What each provider makes of the answer that `fault` makes of the format that it wants.
async fn check(options: FetchOptions, fault: impl Fn(Format) -> Canned, expected: Reason, verify: impl Fn(&Error)) {
    let upstream = Upstream::new(|_| Canned::status(404)).await;
    for search in [true, false] {
        // What a host has asked for is forgotten with each of these.
        let count = places(options.clone(), &upstream.url).len();
        for at in 0..count {
            let place = places(options.clone(), &upstream.url).swap_remove(at);
            let canned = fault(place.formats[usize::from(!search)]);
            upstream.answers(move |seen| match seen.path() {
                "/well/manifest.json" => Canned::json(&fixture("stremio_manifest.json")),
                _ => canned.clone(),
            });
            let asked = async {
                if search {
                    place.provider.search(&SearchQuery::new("a")).await.map(drop)
                } else {
                    links(&place.provider, &place.page).await.map(drop)
                }
            };
            let operation = if search { "search" } else { "links" };
            let answer: Result<()> = timeout(LONG, asked).await.unwrap();
            assert!(answer.is_err(), "{operation} of {}: an answer", place.what);
            let error = answer.unwrap_err();
            assert_eq!(reason(&error), expected, "{operation} of {}: {error}", place.what);
            assert_eq!((error.backend(), error.operation()), (Some(place.provider.name()), Some(operation)));
            verify(&error);
        }
    }
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back() {
    let fault = |_| Canned::status(429).header("retry-after", "7");
    check(fast(), fault, Reason::RateLimited, |error| {
        assert_eq!(Failure::of(error).unwrap().retry_after(), Some(Duration::from_secs(7)), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_outage_and_a_broken_connection_are_failures_of_the_site() {
    check(fast(), |_| Canned::status(500), Reason::Unavailable, |_| {}).await;
    check(fast(), |format| format.cut().promises(1 << 10), Reason::Unavailable, |_| {}).await;
}

#[tokio::test]
async fn a_site_that_takes_its_time_is_given_up() {
    let options = fast().first_byte_limit(Duration::from_millis(50)).total_limit(Duration::from_millis(200));
    check(options.clone(), |_| Canned::silence(), Reason::Timeout, |_| {}).await;
    let drip = |format: Format| format.with(&" ".repeat(1000)).dripping(Duration::from_millis(20));
    check(options.first_byte_limit(LONG), drip, Reason::Timeout, |_| {}).await;
}

#[tokio::test]
async fn a_body_without_an_end_is_given_up() {
    let fault = |format: Format| match format {
        Format::Html => Canned::endless().header("content-type", "text/html"),
        Format::Json | Format::Xml => Canned::endless(),
    };
    check(fast().max_bytes(1 << 17), fault, Reason::TooLarge, |_| {}).await;
    check(fast().max_bytes(1 << 17), |format| format.with("{}").promises(1 << 40), Reason::TooLarge, |_| {}).await;
}

#[tokio::test]
async fn another_shape_another_format_and_half_an_answer_are_no_answers() {
    for fault in [Format::wrong, Format::cut, Format::other] {
        check(fast(), fault, Reason::Malformed, |_| {}).await;
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    check(fast(), |_| Canned::redirect("/again"), Reason::Unavailable, |_| {}).await;
}

#[tokio::test]
async fn an_answer_with_more_links_than_anybody_wants_is_cut_and_says_so() {
    let many = |entry: &dyn Fn(usize) -> String| (0..20_000).map(entry).collect::<Vec<_>>().join(",");
    let urls = |field: &str| many(&|number| format!("{{\"{field}\":\"https://x.org/{number}.mp4\"}}"));
    let files = many(&|number| format!("{{\"name\":\"{number}.mp4\"}}"));
    let (streams, derivatives, web) = (urls("url"), urls("src"), urls("fileUrl"));
    let upstream = Upstream::new(move |seen| match seen.path() {
        "/well/manifest.json" => Canned::json(&fixture("stremio_manifest.json")),
        path if path.starts_with("/well/stream") => Canned::json(&format!("{{\"streams\":[{streams}]}}")),
        path if path.ends_with("/captions") => Canned::json("{\"data\":[]}"),
        path if path.starts_with("/api/v1/videos") => {
            Canned::json(&format!("{{\"name\":\"a\",\"privacy\":{{\"id\":1}},\"files\":[{web}]}}"))
        }
        path if path.starts_with("/metadata") => Canned::json(&format!("{{\"metadata\":{{}},\"files\":[{files}]}}")),
        _ => Canned::json(&format!(
            "{{\"query\":{{\"pages\":{{\"1\":{{\"title\":\"File:A\",\"videoinfo\":[{{\"derivatives\":[{derivatives}]}}]}}}}}}}}"
        )),
    })
    .await;
    for place in places(fast(), &upstream.url) {
        if matches!(place.what, "podcast" | "a manifest" | "html") {
            continue;
        }
        let found = links(&place.provider, &place.page).await.unwrap();
        assert_eq!((found.links.len(), found.extent), (10_000, Extent::Partial), "{}", place.what);
    }
}

#[tokio::test]
async fn json_that_is_written_to_harm_is_an_error_or_what_it_says() {
    let deep = "[".repeat(1 << 20);
    for (body, expected) in [
        (deep.clone(), None),
        ("{\"files\":".repeat(100_000), None),
        (format!("{{\"metadata\":{{}},\"error\":{deep}}}"), None),
        (r#"{"metadata":{},"files":[{"name":"a.mp4","size":1e999}]}"#.to_owned(), None),
        (r#"{"metadata":{},"files":[{"name":"a.mp4","size":-1,"length":"-5","width":1e30}]}"#.to_owned(), Some(1)),
    ] {
        let upstream = Upstream::new(move |_| Canned::json(&body)).await;
        let archive = InternetArchive::new(&Fetch::new(fast()).unwrap()).at(&upstream.url).unwrap();
        match links(&archive, "https://archive.org/details/moon").await {
            Ok(found) => {
                assert_eq!((Some(found.links.len()), found.duration, found.links[0].bytes), (expected, None, None));
            }
            Err(error) => assert_eq!((reason(&error), expected), (Reason::Malformed, None)),
        }
    }
}
