//! `PeerTube` and an index of its instances.

use std::time::Duration;

use cache_core::Timestamp;
use providers::{Binding, Extent, LinkKind, PeerTube, PeerTubeAccess, Provider, Reason, SearchQuery, Validity};

use super::{check_nonsense, links, links_of, reason, urls};
use crate::kit::{fetch, fixture, request};
use crate::upstream::{Canned, Seen, Upstream};

const ID: &str = "9c9de5e8-0a1e-484a-b099-e80766180a6d";

/// An instance whose videos are `video`, as it is in the fixtures or changed.
async fn instance(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Upstream {
    let upstream = Upstream::new(|_| Canned::status(404)).await;
    let url = upstream.url.clone();
    upstream.answers(move |seen| answer(seen, &url, &change));
    upstream
}

fn answer(seen: &Seen, url: &str, change: impl Fn(&str) -> String) -> Canned {
    let path = seen.path().strip_prefix("/api/v1/").unwrap_or_default();
    let own = |name: &str| Canned::json(&fixture(name).replace("https://pt.example", url));
    match (seen.method.as_str(), path) {
        ("GET", "search/videos") => own("peertube_search.json"),
        ("GET", path) if path == format!("videos/{ID}") => {
            Canned::json(&change(&fixture("peertube_video.json")).replace("https://pt.example", url))
        }
        ("GET", path) if path == format!("videos/{ID}/captions") => own("peertube_captions.json"),
        ("POST", path) if path == format!("videos/{ID}/token") => own("peertube_token.json"),
        _ => Canned::bytes("application/problem+json", fixture("peertube_404.json")),
    }
}

fn private(video: &str) -> String {
    video.replace("\"id\": 1,\n  \"label\": \"Public\"", "\"id\": 5,\n  \"label\": \"Password protected\"")
}

#[tokio::test]
async fn a_search_finds_videos_and_goes_on() {
    let upstream = instance(str::to_owned).await;
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    let page = provider.search(&SearchQuery::new("demo").limit(1).param("nsfw", "false")).await.unwrap();
    let found = &page.results[0];
    assert_eq!((found.title.as_str(), found.creator.as_deref()), ("What is Demo?", Some("Demo")));
    assert_eq!(found.url, format!("{}/videos/watch/{ID}", upstream.url));
    assert_eq!(found.duration, Some(Duration::from_secs(113)));
    assert_eq!(found.image_url, Some(format!("{}/lazy-static/previews/a.jpg", upstream.url)));
    assert_eq!((page.total, page.next), (Some(1), None));
    assert_eq!(upstream.seen()[0].param("nsfw").as_deref(), Some("false"));
    upstream.answers(|_| Canned::json(&fixture("peertube_search.json").replace("\"total\": 1", "\"total\": 40")));
    let next = provider.search(&SearchQuery::new("demo").page("15")).await.unwrap().next;
    assert_eq!(next.as_deref(), Some("16"));
}

#[tokio::test]
async fn links_are_files_playlists_magnets_and_subtitles() {
    let upstream = instance(str::to_owned).await;
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    let found = links(&provider, &format!("{}/w/{ID}", upstream.url)).await.unwrap();
    let at = |path: &str| format!("{}{path}", upstream.url);
    let hls = format!("/static/streaming-playlists/hls/{ID}");
    let films = [at("/static/web-videos/a-720.mp4"), at(&format!("{hls}/a-720.mp4"))];
    assert_eq!(urls(&found, LinkKind::Video), films);
    assert_eq!(urls(&found, LinkKind::Hls), [at(&format!("{hls}/master.m3u8"))]);
    assert_eq!(urls(&found, LinkKind::Audio), [at("/static/web-videos/a-0.mp4")], "resolution 0 is sound");
    assert_eq!(urls(&found, LinkKind::Subtitles), [at("/lazy-static/video-captions/a-en.vtt")]);
    assert_eq!(urls(&found, LinkKind::Torrent).len(), 1, "each address once");
    assert_eq!((found.links[0].bytes, found.links[0].quality.height), (Some(10_485_760), Some(720)));
    assert_eq!((found.extent, found.validity()), (Extent::Complete, Validity::FOREVER));
    assert_eq!((found.title.as_deref(), found.duration), (Some("What is Demo?"), Some(Duration::from_secs(113))));
    assert_eq!(found, links_of(&provider, ID).await.unwrap());
}

#[tokio::test]
async fn a_video_with_playlists_only_has_links() {
    let upstream = instance(|video| {
        let mut video: serde_json::Value = serde_json::from_str(video).unwrap();
        video["files"] = serde_json::Value::Null;
        video.to_string()
    })
    .await;
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    let found = links_of(&provider, ID).await.unwrap();
    assert_eq!((urls(&found, LinkKind::Hls).len(), urls(&found, LinkKind::Video).len()), (1, 1));
}

#[tokio::test]
async fn a_video_for_some_has_links_with_a_token_that_end_with_it() {
    let upstream = instance(private).await;
    let access = PeerTubeAccess::password("secret");
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap().account("family", access);
    let found = provider.links(&request(&format!("{}/w/{ID}", upstream.url)).scope("family")).await.unwrap();
    let ends = Timestamp::from_millis(1_893_470_400_000);
    for link in &found.links {
        assert_eq!((&link.bound_to, link.validity.ends()), (&Binding::Account, ends), "{link:?}");
        assert!(link.url.contains("?videoFileToken=0f1e2d3c"), "{}", link.url);
        assert_eq!(link.url.ends_with("&reinjectVideoFileToken=true"), link.kind == LinkKind::Hls);
    }
    assert_eq!(urls(&found, LinkKind::Torrent).len(), 0);
    assert!(upstream.seen().iter().all(|seen| seen.header("x-peertube-video-password") == Some("secret")));
    assert!(!format!("{provider:?}").contains("secret"));
    // Others show nothing.
    provider.links(&request(&format!("{}/w/{ID}", upstream.url))).await.unwrap();
    assert_eq!(upstream.seen().last().unwrap().header("x-peertube-video-password"), None);
}

#[tokio::test]
async fn a_token_is_shown_to_its_own_instance_only() {
    let upstream =
        instance(|video| private(video).replace("https://pt.example/static/web", "https://s3.example/web")).await;
    let access = PeerTubeAccess::token("secret");
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap().account("", access);
    let found = links_of(&provider, ID).await.unwrap();
    let elsewhere: Vec<_> = found.links.iter().filter(|link| link.url.starts_with("https://s3.example")).collect();
    assert_eq!(elsewhere.len(), 2);
    assert!(elsewhere.iter().all(|link| !link.url.contains("Token") && link.bound_to == Binding::Anyone));
    assert_eq!(upstream.seen()[0].header("authorization"), Some("Bearer secret"));
}

#[tokio::test]
async fn a_token_without_an_end_that_can_be_read_is_for_the_moment() {
    let upstream = instance(private).await;
    let url = upstream.url.clone();
    upstream.answers(move |seen| match seen.method.as_str() {
        "POST" => Canned::json(r#"{"files":{"token":"t","expires":"soon"}}"#),
        _ => answer(seen, &url, private),
    });
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    let found = links_of(&provider, ID).await.unwrap();
    assert_eq!(found.validity(), Validity::once(crate::kit::START));
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_a_failure() {
    let upstream = instance(private).await;
    let url = upstream.url.clone();
    for (told, expected) in [
        (Canned::status(500), Reason::Unavailable),
        (Canned::json(r#"{"files":{"token":5}}"#), Reason::Malformed),
        (Canned::bytes("text/html", "<html>log in</html>"), Reason::Malformed),
    ] {
        let url = url.clone();
        upstream.answers(move |seen| match seen.method.as_str() {
            "POST" => told.clone(),
            _ => answer(seen, &url, private),
        });
        let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
        assert_eq!(reason(&links_of(&provider, ID).await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn subtitles_that_cannot_be_had_make_the_answer_partial() {
    let upstream = instance(str::to_owned).await;
    let url = upstream.url.clone();
    upstream.answers(move |seen| {
        if seen.path().ends_with("/captions") { Canned::status(500) } else { answer(seen, &url, str::to_owned) }
    });
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    let found = links_of(&provider, ID).await.unwrap();
    assert_eq!((found.extent, urls(&found, LinkKind::Video).len()), (Extent::Partial, 2));
}

#[tokio::test]
async fn an_index_is_searched_and_the_instance_of_the_page_is_asked() {
    let (index, upstream) = (instance(str::to_owned).await, instance(str::to_owned).await);
    let provider = PeerTube::sepia(&fetch()).at(&index.url).unwrap().account("", PeerTubeAccess::token("secret"));
    assert_eq!(provider.name(), "sepia");
    provider.search(&SearchQuery::new("demo")).await.unwrap();
    links(&provider, &format!("{}/videos/embed/{ID}", upstream.url)).await.unwrap();
    assert_eq!((index.asked(), upstream.asked()), (1, 2));
    assert!(upstream.seen().iter().all(|seen| seen.header("authorization").is_none()));
    assert_eq!(reason(&links_of(&provider, ID).await.unwrap_err()), Reason::Unsupported);
}

#[tokio::test]
async fn pages_that_are_no_video_are_not_asked_for() {
    let upstream = instance(str::to_owned).await;
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    for page in ["/about", "/w/p/x", "/w/a%2Fb", "/videos/watch/a.b"] {
        let error = links(&provider, &format!("{}{page}", upstream.url)).await.unwrap_err();
        assert_eq!(reason(&error), Reason::Unsupported, "{page}");
    }
    assert_eq!(upstream.asked(), 0);
    check_nonsense(&upstream, &provider, &format!("{}/w/{ID}", upstream.url)).await;
}

#[tokio::test]
async fn a_token_that_is_longer_than_any_is_in_no_link() {
    let upstream = instance(private).await;
    let url = upstream.url.clone();
    upstream.answers(move |seen| match seen.method.as_str() {
        "POST" => Canned::json(&format!("{{\"files\":{{\"token\":\"{}\"}}}}", "a".repeat(2049))),
        _ => answer(seen, &url, private),
    });
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    assert_eq!(reason(&links_of(&provider, ID).await.unwrap_err()), Reason::Malformed);
}

#[tokio::test]
async fn a_token_is_in_no_more_links_than_an_answer_has_room_for() {
    let upstream = instance(private).await;
    let url = upstream.url.clone();
    upstream.answers(move |seen| match seen.path().rsplit('/').next() {
        Some("token") => Canned::json(&format!("{{\"files\":{{\"token\":\"{}\"}}}}", "é".repeat(1024))),
        Some("captions") => Canned::json("{\"data\":[]}"),
        _ => {
            let files: Vec<_> = (0..5000).map(|n| format!("{{\"fileUrl\":\"{url}/{n}.mp4\"}}")).collect();
            Canned::json(&format!("{{\"name\":\"a\",\"privacy\":{{\"id\":5}},\"files\":[{}]}}", files.join(",")))
        }
    });
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    let found = links_of(&provider, ID).await.unwrap();
    let bytes: usize = found.links.iter().map(|link| link.url.len()).sum();
    assert!((4 << 20..8 << 20).contains(&bytes), "{bytes}");
    assert_eq!(found.extent, Extent::Partial);
}

#[tokio::test]
async fn pages_and_pictures_are_addresses_of_the_web() {
    let upstream = instance(str::to_owned).await;
    upstream.answers(|seen| match seen.path().rsplit('/').next() {
        Some("captions") => Canned::json("{\"data\":[]}"),
        _ => Canned::json(r#"{"name":"a","url":"javascript:alert(1)","previewUrl":"data:text/html,a"}"#),
    });
    let provider = PeerTube::instance(&fetch(), &upstream.url).unwrap();
    let found = links_of(&provider, ID).await.unwrap();
    assert_eq!((found.page_url, found.image_url), (None, None));
}
