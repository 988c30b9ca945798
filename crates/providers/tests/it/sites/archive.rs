//! The Internet Archive.

use std::time::Duration;

use providers::{Binding, InternetArchive, LinkKind, Provider, Reason, SearchQuery, Validity};

use super::{check_nonsense, links, links_of, reason, urls};
use crate::kit::{fetch, fixture};
use crate::upstream::{Canned, Upstream};

const PAGE: &str = "https://archive.org/details/demo-moon-1969";

async fn site() -> (Upstream, InternetArchive) {
    let upstream = Upstream::of([
        ("/advancedsearch.php", fixture("ia_search.json")),
        ("/services/search/v1/scrape", fixture("ia_scrape.json")),
        ("/metadata/demo-moon-1969", fixture("ia_metadata.json")),
        ("/metadata/demo-dark", fixture("ia_metadata_dark.json")),
        ("/metadata/nothing", fixture("ia_metadata_missing.json")),
    ])
    .await;
    let archive = InternetArchive::new(&fetch()).at(&upstream.url).unwrap();
    (upstream, archive)
}

#[tokio::test]
async fn a_search_finds_items_and_asks_for_films_and_recordings() {
    let (upstream, archive) = site().await;
    let page =
        archive.search(&SearchQuery::new("title:(moon)").limit(2).param("sort", "downloads desc")).await.unwrap();
    let titles: Vec<_> = page.results.iter().map(|result| result.title.as_str()).collect();
    assert_eq!(titles, ["Demo Moon Film", "Title A"]);
    assert_eq!(page.results[0].url, format!("{}/details/demo-moon-1969", upstream.url));
    assert_eq!(page.results[1].creator.as_deref(), Some("A, B"));
    assert_eq!(page.results[0].kind, Some(LinkKind::Video));
    assert_eq!((page.total, page.next), (Some(2), None));
    let seen = &upstream.seen()[0];
    assert_eq!(seen.param("q").as_deref(), Some("(title:(moon)) AND mediatype:(movies OR audio)"));
    assert_eq!([seen.param("rows"), seen.param("page")], [Some("2".to_owned()), Some("1".to_owned())]);
    assert_eq!(seen.param("sort[]").as_deref(), Some("downloads desc"));
}

#[tokio::test]
async fn a_search_goes_on_where_the_page_before_ended() {
    let (upstream, archive) = site().await;
    upstream.answers(|_| Canned::json(&fixture("ia_search.json").replace("\"numFound\": 2", "\"numFound\": \"5\"")));
    let mut query = SearchQuery::new("moon").limit(2);
    let mut pages = Vec::new();
    while let Some(next) = archive.search(&query).await.unwrap().next {
        pages.push(next.clone());
        query = query.page(next);
    }
    assert_eq!(pages, ["2", "3"]);
    upstream.answers(|_| Canned::json(&fixture("ia_search.json").replace("\"numFound\": 2", "\"numFound\": 99999")));
    assert_eq!(archive.search(&query.clone().limit(1000).page("10")).await.unwrap().next, None, "as deep as it goes");
    assert_eq!(reason(&archive.search(&query.page("x")).await.unwrap_err()), Reason::Unsupported);
}

#[tokio::test]
async fn a_walk_follows_the_cursor() {
    let (upstream, archive) = site().await;
    let first = archive.search(&SearchQuery::new("moon").param("walk", "yes")).await.unwrap();
    assert_eq!((first.results.len(), first.total), (1, Some(250)));
    archive.search(&SearchQuery::new("moon").page(first.next.unwrap())).await.unwrap();
    let seen = upstream.seen();
    assert_eq!(seen[0].param("cursor"), None);
    assert_eq!(seen[1].param("cursor").as_deref(), Some("W3siaWRlbnRpZmllciI6ImRlbW8ifV0="));
}

#[tokio::test]
async fn links_are_the_open_files_the_best_first_and_never_end() {
    let (upstream, archive) = site().await;
    let found = links(&archive, PAGE).await.unwrap();
    let download = format!("{}/download/demo-moon-1969", upstream.url);
    let films = [format!("{download}/moon.mpeg"), format!("{download}/moon%20512kb.mp4")];
    assert_eq!(urls(&found, LinkKind::Video), films);
    let torrents = urls(&found, LinkKind::Torrent);
    assert!(torrents.contains(&&*format!("{download}/demo-moon-1969_archive.torrent")));
    assert!(torrents.iter().any(|url| url.starts_with("magnet:?xt=urn:btih:81ea3dbf71b379b0ef1c34d19bc91d731b8101e2")));
    assert_eq!((found.links[0].bytes, found.links[0].quality.height), (Some(41_943_040), Some(480)));
    assert!(found.links.iter().all(|link| link.validity == Validity::FOREVER && link.bound_to == Binding::Anyone));
    assert_eq!((found.title.as_deref(), found.creator.as_deref()), (Some("Demo Moon Film"), Some("Demo Archive")));
    assert_eq!(found.duration, Some(Duration::from_secs_f64(125.4)));
    assert_eq!(found, links_of(&archive, "demo-moon-1969").await.unwrap());
}

#[tokio::test]
async fn links_of_one_file_are_it_and_what_was_made_from_it() {
    let (_upstream, archive) = site().await;
    let found = links(&archive, &format!("{PAGE}/moon.mpeg")).await.unwrap();
    assert_eq!(found.links.len(), 2);
    assert_eq!(links(&archive, &format!("{PAGE}/moon%20512kb.mp4")).await.unwrap().links.len(), 1);
    assert!(links(&archive, &format!("{PAGE}/none.mp4")).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_item_that_is_not_there_or_was_taken_down_or_is_kept_back_says_so() {
    let (upstream, archive) = site().await;
    assert_eq!(reason(&links_of(&archive, "nothing").await.unwrap_err()), Reason::NotFound);
    assert_eq!(reason(&links_of(&archive, "demo-dark").await.unwrap_err()), Reason::Forbidden);
    let asked = upstream.asked();
    for page in [
        "https://example.org/details/x",
        "https://archive.org/about",
        "https://archive.org:8443/details/demo-moon-1969",
        "https://archive.org/details/a%3Fb",
        "https://soundcloud.com/id/demo-moon-1969",
    ] {
        let found = links(&archive, page).await;
        assert_eq!(reason(&found.unwrap_err()), Reason::Unsupported, "{page}");
    }
    assert_eq!(reason(&links_of(&archive, "..").await.unwrap_err()), Reason::Unsupported);
    assert_eq!(upstream.asked(), asked, "nothing was asked for");
    upstream.answers(|_| Canned::json(r#"{"metadata":{},"files":[{"name":"a.mp4","private":"true"}]}"#));
    assert_eq!(reason(&links(&archive, PAGE).await.unwrap_err()), Reason::Forbidden);
    upstream.answers(|_| Canned::json(r#"{"metadata":{},"files":[{"name":"a.xml"},{"size":7}]}"#));
    assert!(links(&archive, PAGE).await.unwrap().is_empty());
    upstream.answers(|_| Canned::json(r#"{"error":"busy"}"#));
    assert_eq!(reason(&links(&archive, PAGE).await.unwrap_err()), Reason::Unavailable);
}

#[tokio::test]
async fn nonsense_is_an_error() {
    let (upstream, archive) = site().await;
    check_nonsense(&upstream, &archive, PAGE).await;
}
