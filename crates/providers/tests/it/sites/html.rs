//! Sites that are described by tables.

use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use providers::http::Fetch;
use providers::{
    Extent, HtmlError, HtmlFollow, HtmlSearch, HtmlSite, HtmlTable, LinkKind, Links, Provider, Reason, SearchQuery,
};
use serde_json::json;
use tokio::time::timeout;

use super::{links, links_of, reason, urls};
use crate::kit::{LONG, fast, fetch};
use crate::upstream::{Canned, Upstream};

const RESULTS: &str = r#"<!doctype html><html><head><title>Search</title></head><body id="films">
<article><h2>  The
  <b>Moon</b></h2><a class=more href="/film/moon?a=1&amp;b=2">more</a><img src="moon.jpg"><i>1:30</i><em>Méliès</em></article>
<article><h2>No link</h2></article>
<article><h2>Bad link</h2><a class=more href="javascript:alert(1)">more</a></article>
<article><h2>Mars</h2><a class=more href="//other.example/mars">more</a></article>
<a rel="next" href="?q=next&p=2">next</a></body></html>"#;

const FILM: &str = r#"<html><head><meta property="og:title" content="The Moon"><base href="/media/"></head><body id="films">
<h1>The Moon</h1><video><source src="moon-360.mp4" type="video/mp4" title="360p">
<source src="moon-1080.mp4" type="video/mp4" title="1920x1080"><source src="moon-360.mp4" type="video/mp4">
<source src="data:video/mp4;base64,AAAA"></video>
<a class="mirror" href="/mirror/1#player">1</a><a class="mirror" href="/mirror/2">2</a>
<a class="mirror" href="https://elsewhere.example/mirror">3</a></body></html>"#;

fn table(url: &str) -> HtmlTable {
    let table = json!({
        "search": {
            "url": format!("{url}/search/{{query}}?q={{query}}&p={{page}}"), "row": "article", "title": "h2",
            "link": "a.more@href", "image": "img@src", "duration": "i", "creator": "em"
        },
        "page": {"row": "video source, video[src]", "link": "@src", "resolution": "@title", "title": "h1",
            "image": "meta[property='og:image']@content"},
        "landmark": "#films",
    });
    serde_json::from_value(table).unwrap()
}

fn html(body: impl Into<Vec<u8>>) -> Canned {
    Canned::bytes("text/html; charset=utf-8", body)
}

/// A site and its provider, with the table that `change` makes.
async fn site(change: impl FnOnce(&mut HtmlTable)) -> (Upstream, HtmlSite) {
    let upstream = Upstream::new(|seen| match seen.path() {
        path if path.starts_with("/search") => html(RESULTS),
        "/mirror/1" => html(r#"<body id=films><video src="/a/one.webm"></video><a class=mirror href=/mirror/3></a>"#),
        "/mirror/2" => html(r#"<body id=films><video src="two.webm"></video><a class=mirror href=/film></a>"#),
        "/mirror/3" => html(r#"<body id=films><video src="three.webm"></video>"#),
        _ => html(FILM),
    })
    .await;
    let mut table = table(&upstream.url);
    change(&mut table);
    let provider = HtmlSite::new(&fetch(), &table).unwrap();
    (upstream, provider)
}

/// What the film page `body` has.
async fn film(body: impl Into<Vec<u8>>) -> Result<Links> {
    let (upstream, provider) = site(|_| {}).await;
    let body = body.into();
    upstream.answers(move |_| html(body.clone()));
    links(&provider, &format!("{}/film", upstream.url)).await
}

fn wrong(change: impl FnOnce(&mut HtmlTable)) -> Error {
    let mut table = table("https://films.example");
    change(&mut table);
    HtmlSite::new(&fetch(), &table).unwrap_err()
}

fn follow(pages: u32, depth: u32) -> HtmlFollow {
    HtmlFollow { link: "a.mirror@href".to_owned(), pages, depth }
}

#[tokio::test]
async fn a_search_has_what_the_rows_say() {
    let (upstream, provider) = site(|_| {}).await;
    let page = provider.search(&SearchQuery::new("a moon/{page}&x=ä")).await.unwrap();
    let titles: Vec<_> = page.results.iter().map(|result| result.title.as_str()).collect();
    assert_eq!(titles, ["The Moon", "Mars"], "those without an address are none");
    let first = &page.results[0];
    assert_eq!(first.url, format!("{}/film/moon?a=1&b=2", upstream.url));
    assert_eq!(first.duration, Some(Duration::from_secs(90)));
    assert_eq!(first.creator.as_deref(), Some("Méliès"));
    assert_eq!(page.results[1].url, "http://other.example/mars");
    let seen = &upstream.seen()[0];
    assert_eq!(seen.path(), "/search/a%20moon%2F%7Bpage%7D%26x%3D%C3%A4");
    assert_eq!([seen.param("q"), seen.param("p")], [Some("a moon/{page}&x=ä".to_owned()), Some("1".to_owned())]);
    assert_eq!(provider.search(&SearchQuery::new("a").limit(1)).await.unwrap().results.len(), 1);
}

#[tokio::test]
async fn pages_of_results_are_counted_or_told() {
    let (upstream, provider) = site(|_| {}).await;
    let page = provider.search(&SearchQuery::new("a")).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("2"));
    assert_eq!(provider.search(&SearchQuery::new("a").page("2")).await.unwrap().next.as_deref(), Some("3"));
    assert_eq!(upstream.seen()[1].param("p").as_deref(), Some("2"));
    upstream.answers(|_| html("<body id=films>nothing"));
    assert_eq!(provider.search(&SearchQuery::new("a")).await.unwrap().next, None);

    let next = |table: &mut HtmlTable| table.search.as_mut().unwrap().next = Some("a[rel=next]@href".to_owned());
    let (upstream, provider) = site(next).await;
    let page = provider.search(&SearchQuery::new("a")).await.unwrap();
    let next = page.next.unwrap();
    provider.search(&SearchQuery::new("a").page(next)).await.unwrap();
    assert_eq!(upstream.seen()[1].param("q").as_deref(), Some("next"));
    for page in ["2", "file:///etc/passwd", "http://elsewhere.example/"] {
        let error = provider.search(&SearchQuery::new("a").page(page)).await.unwrap_err();
        assert_eq!(reason(&error), Reason::Unsupported, "{page}");
    }
    assert_eq!(upstream.asked(), 2);
}

#[tokio::test]
async fn a_page_has_its_links_the_best_first() {
    let (upstream, provider) = site(|_| {}).await;
    let found = links(&provider, &format!("{}/film", upstream.url)).await.unwrap();
    assert_eq!((found.title.as_deref(), found.extent), (Some("The Moon"), Extent::Complete));
    let expected = ["1080", "360"].map(|height| format!("{}/media/moon-{height}.mp4", upstream.url));
    assert_eq!(urls(&found, LinkKind::Video), expected);
    let qualities: Vec<_> = found.links.iter().map(|link| (link.quality.height, &*link.quality.label)).collect();
    assert_eq!(qualities, [(Some(1080), "1920x1080"), (Some(360), "360p")]);
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test]
async fn pages_are_followed_as_deep_and_as_many_as_the_table_says() {
    for (pages, depth, expected, extent) in [
        (5, 1, &["moon-1080.mp4", "moon-360.mp4", "one.webm", "two.webm"][..], Extent::Complete),
        (1, 1, &["moon-1080.mp4", "moon-360.mp4", "one.webm"], Extent::Partial),
        (5, 2, &["moon-1080.mp4", "moon-360.mp4", "one.webm", "two.webm", "three.webm"], Extent::Complete),
    ] {
        let (upstream, provider) = site(|table| table.follow = Some(follow(pages, depth))).await;
        let found = links(&provider, &format!("{}/film", upstream.url)).await.unwrap();
        let names: Vec<_> = found.links.iter().map(|link| link.url.rsplit('/').next().unwrap()).collect();
        assert_eq!((&names[..], found.extent), (expected, extent), "{pages} pages, depth {depth}");
    }
}

#[tokio::test]
async fn a_followed_page_that_fails_makes_the_answer_partial() {
    let (upstream, provider) = site(|table| table.follow = Some(follow(5, 1))).await;
    upstream.answers(|seen| if seen.path() == "/film" { html(FILM) } else { Canned::status(500) });
    let found = links(&provider, &format!("{}/film", upstream.url)).await.unwrap();
    assert_eq!((found.links.len(), found.extent), (2, Extent::Partial));
}

#[tokio::test]
async fn only_its_own_hosts_are_asked() {
    let (upstream, provider) = site(|_| {}).await;
    for page in ["http://elsewhere.example/film", "http://127.0.0.1:1/film", "https://localhost/film"] {
        assert_eq!(reason(&links(&provider, page).await.unwrap_err()), Reason::Unsupported, "{page}");
    }
    assert_eq!(reason(&links_of(&provider, "film").await.unwrap_err()), Reason::Unsupported);
    assert_eq!(upstream.asked(), 0);
    let fetch = Fetch::new(fast().admit(|_| false)).unwrap();
    let refused = HtmlSite::new(&fetch, &table(&upstream.url)).unwrap();
    let error = links(&refused, &format!("{}/film", upstream.url)).await.unwrap_err();
    assert_eq!(reason(&error), Reason::Forbidden, "what is admitted is for the fetching to say");
}

#[tokio::test]
async fn a_host_is_asked_at_the_ports_that_the_table_names_and_at_no_other() {
    let upstream = Upstream::new(|_| html(FILM)).await;
    let (other, port) = (Upstream::new(|_| html(FILM)).await, upstream.url.rsplit(':').next().unwrap());
    let of = |host: String| {
        let page = json!({"page": {"row": "video source", "link": "@src"}, "hosts": [host]});
        HtmlSite::new(&fetch(), &serde_json::from_value(page).unwrap()).unwrap()
    };
    let named = of(format!("127.0.0.1:{port}"));
    assert_eq!(links(&named, &format!("{}/film", upstream.url)).await.unwrap().links.len(), 2);
    for (site, page) in [
        (of("127.0.0.1".into()), format!("{}/film", upstream.url)),
        (of("127.0.0.1:80".into()), format!("{}/film", upstream.url)),
        (named, format!("{}/film", other.url)),
    ] {
        assert_eq!(reason(&links(&site, &page).await.unwrap_err()), Reason::Unsupported, "{page}");
    }
    assert_eq!((upstream.asked(), other.asked()), (1, 0));
}

#[tokio::test]
async fn a_page_that_is_written_to_take_long_is_given_up_in_time() {
    // A thousand rows would each look for it at all before each of so many.
    let (upstream, provider) = site(|table| {
        table.page.row = "div, i".into();
        table.page.link = "x ~ p@href".into();
    })
    .await;
    let body = format!("<body id=films>{}{}", "<div>".repeat(400), "<p>".repeat(60_000));
    upstream.answers(move |_| html(body.clone()));
    let answer = timeout(LONG, links(&provider, &format!("{}/film", upstream.url))).await.unwrap();
    assert_eq!(reason(&answer.unwrap_err()), Reason::Malformed);
}

#[tokio::test]
async fn a_page_without_a_match_is_empty_and_one_of_another_shape_is_an_error() {
    assert!(film("<body id=films><p>no film</p>").await.unwrap().is_empty());
    for (body, what) in [
        ("<body><form>log in</form>", "the landmark is not there"),
        ("<body id=films><video><source></video>", "links have no addresses"),
    ] {
        assert_eq!(reason(&film(body).await.unwrap_err()), Reason::Malformed, "{what}");
    }
    let (upstream, provider) = site(|_| {}).await;
    upstream.answers(|_| html("<body id=films><article><h2>Title</h2></article>"));
    let error = provider.search(&SearchQuery::new("a")).await.unwrap_err();
    assert_eq!(reason(&error), Reason::Malformed);
    assert_eq!((error.backend(), error.operation()), (Some("html"), Some("search")));
}

#[tokio::test]
async fn nonsense_and_refusals_are_errors() {
    let (upstream, provider) = site(|_| {}).await;
    let page = format!("{}/film", upstream.url);
    for (answer, expected) in [
        (Canned::json("{}"), Reason::Malformed),
        (Canned::bytes("image/png", "png"), Reason::Malformed),
        (Canned::status(500), Reason::Unavailable),
        (Canned::status(404), Reason::NotFound),
        (Canned::status(429), Reason::RateLimited),
    ] {
        upstream.answers(move |_| answer.clone());
        let error = links(&provider, &page).await.unwrap_err();
        assert_eq!(reason(&error), expected, "{error}");
    }
}

#[tokio::test]
async fn texts_are_read_in_their_character_set() {
    let page = |text: &[u8]| [b"<body id=films><h1>".as_slice(), text, b"</h1><video src=/a.mp4>"].concat();
    let (upstream, provider) = site(|_| {}).await;
    let url = format!("{}/film", upstream.url);
    for (content_type, text, expected) in [
        ("text/html; charset=windows-1251", &b"\xcb\xf3\xed\xe0"[..], "Луна"),
        ("text/html; charset=ISO-8859-1", b"M\xe9li\xe8s", "Méliès"),
        ("text/html", "Méliès".as_bytes(), "Méliès"),
        // What is declared wrongly loses letters, and nothing else.
        ("text/html; charset=utf-8", b"M\xe9li\xe8s", "M\u{fffd}li\u{fffd}s"),
        ("text/html; charset=klingon", "Méliès".as_bytes(), "Méliès"),
    ] {
        let body = page(text);
        upstream.answers(move |_| Canned::bytes(content_type, body.clone()));
        let found = links(&provider, &url).await.unwrap();
        assert_eq!((found.title.as_deref(), found.links.len()), (Some(expected), 1), "{content_type}");
    }
}

#[tokio::test]
async fn huge_and_deep_pages_are_read_within_limits() {
    let many: Vec<_> = (0..5000).map(|number| format!("<video src=\"/{number}.mp4\"></video>")).collect();
    let found = film(format!("<body id=films>{}{}", many.concat(), " ".repeat(1 << 20))).await.unwrap();
    assert_eq!(found.links.len(), 1000);
    let error = film(format!("<body id=films>{}", "<div>".repeat(100_000))).await.unwrap_err();
    assert_eq!(reason(&error), Reason::Malformed);
    let error = film(vec![b' '; 9 << 20]).await.unwrap_err();
    assert_eq!(reason(&error), Reason::TooLarge);
    let (upstream, provider) = site(|_| {}).await;
    upstream.answers(|_| Canned::endless().header("content-type", "text/html"));
    let error = links(&provider, &format!("{}/film", upstream.url)).await.unwrap_err();
    assert_eq!(reason(&error), Reason::TooLarge);
}

#[test]
fn what_is_wrong_in_a_table_is_named() {
    let search = |change: fn(&mut HtmlSearch)| wrong(|table| change(table.search.as_mut().unwrap()));
    for (error, field) in [
        (search(|search| search.url = "https://films.example/search".into()), "search.url"),
        (search(|search| search.url = "https://{query}.example/".into()), "search.url"),
        (search(|search| search.url = "https://films.example/?q={query}&x={other}".into()), "search.url"),
        (search(|search| search.url = "file:///{query}".into()), "search.url"),
        (search(|search| search.row = "div[".into()), "search.row"),
        (search(|search| search.title = String::new()), "search.title"),
        (search(|search| search.link = "a@".into()), "search.link"),
        (search(|search| search.next = Some(">>@href".into())), "search.next"),
        (wrong(|table| table.page.row = format!("div{}", " div".repeat(1000))), "page.row"),
        (wrong(|table| table.page.row = "a ~ b ~ c".into()), "page.row"),
        (wrong(|table| table.page.row = ":is(:is(a b) c) d".into()), "page.row"),
        (wrong(|table| table.page.row = "a:has(b:nth-child(2))".into()), "page.row"),
        (wrong(|table| table.page.link = "a ~ b:NTH-child(2)@href".into()), "page.link"),
        (wrong(|table| table.page.row = "::".into()), "page.row"),
        (wrong(|table| table.page.link = "a@href b".into()), "page.link"),
        (wrong(|table| table.page.resolution = Some("[".into())), "page.resolution"),
        (wrong(|table| table.landmark = Some(String::new())), "landmark"),
        (wrong(|table| table.follow = Some(follow(0, 1))), "follow.pages"),
        (wrong(|table| table.follow = Some(follow(1, 6))), "follow.depth"),
        (wrong(|table| table.hosts = vec!["https://films.example/".into()]), "hosts"),
        (wrong(|table| table.search = None), "hosts"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert_eq!(HtmlError::of(&error).map(|error| error.field), Some(field), "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn selectors_as_people_write_them_are_taken() {
    for row in [
        "body > div:nth-child(3) > ul > li:nth-of-type(2) a",
        "tr:not(:has(th)) td",
        "h2 ~ p",
        "a[rel~=next][href*=\"/~user\"]",
        ":is(article, section) a.play",
        "table tr:nth-child(2n + 1)",
    ] {
        let mut table = table("https://films.example");
        table.page.row = row.into();
        assert!(HtmlSite::new(&fetch(), &table).is_ok(), "{row}");
    }
}

#[test]
fn another_description_is_another_version() {
    let [one, same] = [(); 2].map(|()| HtmlSite::new(&fetch(), &table("https://films.example")).unwrap());
    assert_eq!(one.version(), same.version());
    let mut other = table("https://films.example");
    other.page.row = "video".into();
    assert_ne!(one.version(), HtmlSite::new(&fetch(), &other).unwrap().version());
}

#[tokio::test]
async fn what_addresses_are_relative_to_is_in_no_more_of_them_than_a_page_has_room_for() {
    let rows: String = (0..1000).map(|n| format!("<source src='?{n}'>")).collect::<Vec<_>>().concat();
    let page = |base: usize| format!("<body id=films><base href='/{}'><video>{rows}</video>", "a".repeat(base));
    let found = film(page(10_000)).await.unwrap();
    let bytes: usize = found.links.iter().map(|link| link.url.len()).sum();
    assert!((1 << 20..2 << 20).contains(&bytes), "{bytes}");
    assert_eq!(found.extent, Extent::Partial);
    assert_eq!(reason(&film(page(30_000)).await.unwrap_err()), Reason::Malformed);
}
