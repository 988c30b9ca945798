//! An add-on of Stremio.

use std::time::Duration;

use futures_util::future::join_all;
use providers::{Binding, Extent, LinkKind, Provider, Reason, SearchQuery, Stremio, Validity};

use super::{check_nonsense, links, links_of, reason};
use crate::kit::{START, fetch, fixture};
use crate::upstream::{Canned, Upstream};

const PAGE: &str = "https://web.stremio.com/#/detail/movie/tt1254207";

/// An add-on whose address has a secret in it, as those have that speak for an account.
async fn site() -> (Upstream, Stremio) {
    let upstream = Upstream::of([
        ("/secret/manifest.json", fixture("stremio_manifest.json")),
        ("/secret/catalog/movie/demo/search=big%20buck.json", fixture("stremio_catalog.json")),
        ("/secret/catalog/movie/demo/search=big%20buck&skip=1.json", "{\"metas\":[]}".to_owned()),
        ("/secret/meta/series/tt0903747.json", fixture("stremio_meta_series.json")),
        ("/secret/stream/movie/tt1254207.json", fixture("stremio_stream_movie.json")),
        ("/secret/stream/series/tt0903747%3A1%3A1.json", "{\"streams\":[]}".to_owned()),
    ])
    .await;
    let addon = Stremio::new(&fetch(), &format!("{}/secret/manifest.json", upstream.url)).unwrap();
    (upstream, addon)
}

#[tokio::test]
async fn a_search_asks_the_catalogue_and_goes_on() {
    let (_upstream, addon) = site().await;
    let page = addon.search(&SearchQuery::new("big buck")).await.unwrap();
    assert_eq!((page.results[0].title.as_str(), page.results[0].url.as_str()), ("Big Buck Bunny", PAGE));
    let next = page.next.unwrap();
    assert_eq!(next, "1");
    let last = addon.search(&SearchQuery::new("big buck").page(next)).await.unwrap();
    assert_eq!((last.results.len(), last.next), (0, None));
    let none = addon.search(&SearchQuery::new("a").param("type", "channel")).await.unwrap_err();
    assert_eq!(reason(&none), Reason::Unsupported);
}

#[tokio::test]
async fn streams_of_each_kind_are_links() {
    let (_upstream, addon) = site().await;
    let found = links(&addon, PAGE).await.unwrap();
    let kinds: Vec<_> = found.links.iter().map(|link| (link.kind, link.url.as_str())).collect();
    let magnet = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c\
                  &tr=udp%3A%2F%2Ftracker.example%3A1337%2Fannounce&so=1";
    assert_eq!(
        kinds,
        [
            (LinkKind::Video, "https://cdn.example/bbb.mp4"),
            (LinkKind::Torrent, magnet),
            (LinkKind::Video, "https://cdn.example/x.mkv"),
            (LinkKind::Page, "https://www.youtube.com/watch?v=aqz-KE-bpKQ"),
            (LinkKind::Page, "https://example.com/watch"),
        ]
    );
    assert_eq!((found.links[0].bytes, found.links[0].quality.label.as_str()), (Some(276_134_947), "1080p"));
    assert_eq!(found.links[2].headers.get("user-agent").map(String::as_str), Some("Stremio"));
    assert!(!found.links[2].is_portable() && found.links[0].is_portable());
    assert!(found.links.iter().all(|link| link.bound_to == Binding::Anyone));
    assert_eq!(found, links_of(&addon, "movie/tt1254207").await.unwrap());
}

#[tokio::test]
async fn an_answer_is_good_for_as_long_as_the_add_on_says() {
    let (upstream, addon) = site().await;
    let hour = Validity::renewed(START.after(Duration::from_hours(1)));
    assert_eq!(links(&addon, PAGE).await.unwrap().validity(), hour);
    for (body, header, expected) in [
        ("", "public, max-age=60", Validity::renewed(START.after(Duration::from_mins(1)))),
        (",\"cacheMaxAge\":0", "max-age=60", Validity::once(START)),
        ("", "no-store", Validity::once(START)),
        ("", "public", Validity::FOREVER),
    ] {
        let body = format!("{{\"streams\":[{{\"url\":\"https://x.org/a\"}}]{body}}}");
        upstream.answers(move |_| Canned::json(&body).header("cache-control", header));
        assert_eq!(links(&addon, PAGE).await.unwrap().validity(), expected, "{header}");
    }
}

#[tokio::test]
async fn a_series_is_a_list_of_its_episodes() {
    let (upstream, addon) = site().await;
    let series = links(&addon, "https://web.stremio.com/#/detail/series/tt0903747").await.unwrap();
    assert_eq!((series.title.as_deref(), series.entries.len()), (Some("Demo Series"), 1));
    let episode = &series.entries[0];
    assert_eq!(episode.url, "https://web.stremio.com/#/detail/series/tt0903747/tt0903747%3A1%3A1");
    assert_eq!(episode.title.as_deref(), Some("Pilot"));
    assert!(links(&addon, &episode.url).await.unwrap().is_empty());
    assert!(links_of(&addon, "series/tt0903747:1:1").await.unwrap().is_empty());
    assert_eq!(upstream.asked(), 4, "the manifest once");
}

#[tokio::test]
async fn what_the_manifest_does_not_offer_is_not_asked_for() {
    let (upstream, addon) = site().await;
    join_all((0..50).map(|_| links_of(&addon, "movie/kitsu:1"))).await.iter().for_each(|found| {
        assert_eq!(reason(found.as_ref().unwrap_err()), Reason::Unsupported);
    });
    for id in ["channel/tt1", "movie", "movie/tt1/tt2/tt3"] {
        assert_eq!(reason(&links_of(&addon, id).await.unwrap_err()), Reason::Unsupported, "{id}");
    }
    assert_eq!(upstream.asked(), 1, "the manifest, once for all");
    assert_eq!(reason(&links(&addon, "https://example.org/").await.unwrap_err()), Reason::Unsupported);
}

#[tokio::test]
async fn a_crowd_shares_the_failure_of_one_manifest_and_the_next_one_asks_again() {
    let (upstream, addon) = site().await;
    upstream.answers(|_| Canned::status(500).dripping(Duration::from_millis(1)));
    for found in join_all((0..50).map(|_| links(&addon, PAGE))).await {
        assert_eq!(reason(&found.unwrap_err()), Reason::Unavailable);
    }
    assert_eq!(upstream.asked(), 1);
    links(&addon, PAGE).await.unwrap_err();
    assert_eq!(upstream.asked(), 2);
}

#[tokio::test]
async fn headers_of_a_connection_and_streams_of_no_kind_are_left_out() {
    let (upstream, addon) = site().await;
    links(&addon, PAGE).await.unwrap();
    upstream.answers(|_| {
        Canned::json(
            r#"{"streams":[{"name":"nothing"},{"infoHash":"short"},7,{"url":"https://x.org/a","subtitles":
            [{"url":"https://x.org/a.srt","lang":"eng"}],"behaviorHints":{"filename":"a.m3u8","proxyHeaders":{"request":
            {"Host":"inner","Range":"bytes=0-","Transfer-Encoding":"chunked","Referer":"https://x.org/","bad name":"x"}}}},
            {"url":"https://x.org/a"},{"url":"rtmp://x.org/b"},{"externalUrl":"stremio:///board"},
            {"url":"https://x.org/My Film.mkv"}]}"#,
        )
    });
    let found = links(&addon, PAGE).await.unwrap();
    let kinds: Vec<_> = found.links.iter().map(|link| link.kind).collect();
    assert_eq!(kinds, [LinkKind::Hls, LinkKind::Subtitles, LinkKind::Video]);
    assert_eq!(found.links[2].url, "https://x.org/My%20Film.mkv");
    assert_eq!(found.links[0].headers.keys().collect::<Vec<_>>(), ["referer"]);
}

#[tokio::test]
async fn the_address_of_an_add_on_is_shown_nowhere() {
    let (upstream, addon) = site().await;
    let not_found = links_of(&addon, "movie/tt0").await.unwrap_err();
    assert_eq!(reason(&not_found), Reason::NotFound);
    let page = addon.search(&SearchQuery::new("big buck")).await.unwrap();
    let found = links(&addon, PAGE).await.unwrap();
    assert!(!format!("{not_found:?} {not_found} {addon:?} {page:?} {found:?}").contains("secret"));
    let (fresh, addon) = site().await;
    drop((upstream, addon));
    let addon = Stremio::new(&fetch(), &format!("{}/secret", fresh.url)).unwrap();
    check_nonsense(&fresh, &addon, PAGE).await;
}

#[tokio::test]
async fn streams_that_nobody_may_be_sent_to_are_missed_and_alone_they_are_an_error() {
    let (upstream, addon) = site().await;
    let says = |streams: &'static str| {
        upstream.answers(move |seen| match seen.path() {
            "/secret/manifest.json" => Canned::json(&fixture("stremio_manifest.json")),
            _ => Canned::json(streams),
        });
    };
    says("{\"streams\":[{\"url\":\"javascript:alert(1)\"},{\"url\":\"https://cdn.example/a.mp4\"}]}");
    let found = links(&addon, PAGE).await.unwrap();
    assert_eq!((found.links.len(), found.extent), (1, Extent::Partial));
    says("{\"streams\":[{\"url\":\"file:///etc/passwd\"},{\"externalUrl\":\"//cdn.example/a\"}]}");
    assert_eq!(reason(&links(&addon, PAGE).await.unwrap_err()), Reason::Malformed);
    says("{\"streams\":[{\"nzbUrl\":\"https://cdn.example/a.nzb\"}]}");
    assert!(links(&addon, PAGE).await.unwrap().is_empty(), "what is not known is no reason to fail");
}

#[tokio::test]
async fn a_page_of_any_number_has_none_behind_it() {
    let (upstream, addon) = site().await;
    upstream.answers(|seen| match seen.path() {
        "/secret/manifest.json" => Canned::json(
            r#"{"resources":["catalog"],"types":["movie"],
                "catalogs":[{"type":"movie","id":"a","extra":[{"name":"search"},{"name":"skip"}]}]}"#,
        ),
        _ => Canned::json(r#"{"metas":[{"id":"a","type":"movie"}]}"#),
    });
    let found = addon.search(&SearchQuery::new("a").page(u64::MAX.to_string())).await.unwrap();
    assert_eq!(found.results.len(), 1);
}
