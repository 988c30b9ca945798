//! Wikimedia Commons.

use std::time::Duration;

use providers::{Commons, LinkKind, Provider, Reason, SearchQuery, Validity};

use super::{check_nonsense, links, links_of, reason, urls};
use crate::kit::{fetch, fixture};
use crate::upstream::{Canned, Upstream};

const PAGE: &str = "https://commons.wikimedia.org/wiki/File:Demo_climate.webm";

async fn site(answer: &str) -> (Upstream, Commons) {
    let upstream = Upstream::of([("/w/api.php", fixture(answer))]).await;
    let commons = Commons::new(&fetch()).at(&upstream.url).unwrap();
    (upstream, commons)
}

#[tokio::test]
async fn a_search_finds_files_and_goes_on() {
    let (upstream, commons) = site("commons_search.json").await;
    let page = commons.search(&SearchQuery::new("climate").limit(10)).await.unwrap();
    assert_eq!(page.results[0].title, "Demo climate.webm");
    assert_eq!(page.results[0].url, PAGE);
    assert_eq!(page.results[0].kind, Some(LinkKind::Video));
    assert_eq!(page.results[0].duration, Some(Duration::from_secs_f64(45.327)));
    commons.search(&SearchQuery::new("climate").page(page.next.unwrap())).await.unwrap();
    let seen = upstream.seen();
    assert_eq!(seen[0].param("gsrsearch").as_deref(), Some("filetype:video climate"));
    assert_eq!([&seen[0], &seen[1]].map(|seen| seen.param("gsroffset").unwrap()), ["0", "10"]);
    upstream.answers(|_| Canned::json(r#"{"batchcomplete":""}"#));
    assert!(commons.search(&SearchQuery::new("nothing")).await.unwrap().results.is_empty());
}

#[tokio::test]
async fn links_are_the_file_its_transcodes_and_its_subtitles() {
    let (upstream, commons) = site("commons_videoinfo.json").await;
    let found = links(&commons, PAGE).await.unwrap();
    let films = urls(&found, LinkKind::Video);
    assert_eq!(films.len(), 2, "the file comes twice in the answer: {films:?}");
    assert_eq!(films[0], "https://upload.wikimedia.org/wikipedia/commons/a/ab/Demo_climate.webm");
    let best = &found.links[0];
    assert_eq!((best.bytes, best.quality.height, best.quality.bit_rate), (Some(5_242_880), Some(720), Some(925_000)));
    assert_eq!(best.content_type.as_deref(), Some("video/webm; codecs=\"vp9, opus\""));
    let texts: Vec<_> = found.links.iter().filter(|link| link.kind == LinkKind::Subtitles).collect();
    assert_eq!((texts.len(), texts[0].language.as_deref()), (1, Some("en")));
    assert_eq!((found.title.as_deref(), found.creator.as_deref()), (Some("Demo climate.webm"), Some("DemoUser")));
    assert_eq!(found.validity(), Validity::FOREVER);
    assert_eq!(upstream.seen()[0].param("titles").as_deref(), Some("File:Demo_climate.webm"));
    links_of(&commons, "File:Demo climate.webm").await.unwrap();
    links(&commons, "https://commons.wikimedia.org/wiki/file:demo_climate.webm").await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_there_and_a_page_of_another_kind_say_so() {
    let (upstream, commons) = site("commons_missing.json").await;
    assert_eq!(reason(&links(&commons, PAGE).await.unwrap_err()), Reason::NotFound);
    for page in [
        "https://commons.wikimedia.org/wiki/Main_Page",
        "https://example.org/wiki/File:a.webm",
        "https://commons.wikimedia.org:8443/wiki/File:a.webm",
    ] {
        assert_eq!(reason(&links(&commons, page).await.unwrap_err()), Reason::Unsupported, "{page}");
    }
    assert_eq!(reason(&links_of(&commons, "File:a|File:b").await.unwrap_err()), Reason::Unsupported);
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test]
async fn a_refusal_in_an_answer_that_is_said_to_be_well_is_an_error() {
    let (upstream, commons) = site("commons_missing.json").await;
    for (code, expected) in [
        ("ratelimited", Reason::RateLimited),
        ("maxlag", Reason::Unavailable),
        ("internal_api_error_DBQueryError", Reason::Unavailable),
        ("badvalue", Reason::Unsupported),
    ] {
        upstream.answers(move |_| Canned::json(&format!(r#"{{"error":{{"code":"{code}","info":"x"}}}}"#)));
        assert_eq!(reason(&links(&commons, PAGE).await.unwrap_err()), expected, "{code}");
    }
}

#[tokio::test]
async fn nonsense_is_an_error() {
    let (upstream, commons) = site("commons_missing.json").await;
    check_nonsense(&upstream, &commons, PAGE).await;
}
