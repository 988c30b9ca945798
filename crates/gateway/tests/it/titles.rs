//! `/play/TYPE/ID/INDEX[/SEASON/EPISODE]`: the streams of a title, redirected to or played from here.

use std::time::{Duration, Instant};

use cache_core::{Clock, SystemClock};
use serde_json::{Value, json};

use super::origin::Origin;
use super::site::{Page, Site};
use super::support::{Home, Server};
use super::web::{Answer, addon, archive, escaped, get, send, serving};

const FILM: &[u8] = b"the bytes of a film";
const MAGNET: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

/// An add-on that has these streams of one film and of one episode.
pub(crate) fn addon_with(streams: &Value) -> Site {
    let site = Site::new();
    let manifest = json!({
        "id": "a", "name": "a", "types": ["movie", "series"], "idPrefixes": ["tt"], "catalogs": [],
        "resources": ["stream"],
    });
    site.says("/manifest.json", Page::json(&manifest));
    streaming(&site, streams);
    site
}

fn streaming(site: &Site, streams: &Value) {
    for path in ["/stream/movie/tt0111161.json", "/stream/series/tt0903747%3A1%3A2.json"] {
        site.says(path, Page::json(&json!({ "streams": streams })));
    }
}

fn needing_a_header(url: &str) -> Value {
    json!({"name": "720p", "url": url, "behaviorHints": {"proxyHeaders": {"request": {"Referer": "https://films.example/"}}}})
}

fn film() -> Site {
    let site = Site::new();
    site.says("/A%20film.mp4", Page::film(FILM));
    site
}

fn play(server: &Server, index: usize) -> Answer {
    get(server, &format!("/play/movie/tt0111161/{index}"))
}

#[test]
fn rows_15_and_16_a_direct_link_that_anybody_may_use_is_redirected_to() {
    let (home, film) = (Home::new(), film());
    let url = film.url("/A%20film.mp4");
    let site = addon_with(&json!([{"name": "1080p", "url": url}, {"name": "480p", "url": film.url("/b.mp4")}]));
    let server = serving(&home, &addon("addon", &site), &[]);
    for (target, to) in [
        ("/play/movie/tt0111161/0", "/A%20film.mp4"),
        ("/play/movie/tt0111161/1", "/b.mp4"),
        ("/play/series/tt0903747/1/1/2", "/b.mp4"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = send(&server, &format!("{method} {target}\r\nRange: bytes=5-"), "");
            assert_eq!((answer.status, answer.header("location")), (302, Some(film.url(to).as_str())), "{answer:?}");
            assert_eq!((answer.header("cache-control"), answer.body.len()), (Some("no-store"), 0), "{answer:?}");
        }
    }
    assert_eq!(site.asked("/stream/movie/tt0111161.json"), 1, "streams are cached");
    assert!(film.heads().is_empty(), "the server fetches nothing");
}

#[test]
fn rows_16_and_17_a_link_that_needs_headers_is_played_from_here_with_ranges_and_a_name() {
    let (home, film) = (Home::new(), film());
    let site = addon_with(&json!([needing_a_header(&film.url("/A%20film.mp4"))]));
    let server = serving(&home, &addon("addon", &site), &[]);
    let whole = play(&server, 0);
    assert_eq!((whole.status, &*whole.body), (200, FILM), "{whole:?}");
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    assert_eq!(whole.header("content-disposition"), Some("inline; filename*=UTF-8''A%20film.mp4"));
    assert!(whole.header("content-security-policy").unwrap().contains("sandbox"), "{whole:?}");
    assert!(film.heads().iter().all(|head| head.contains("\nreferer: https://films.example/")), "{:?}", film.heads());
    let part = send(&server, "GET /play/movie/tt0111161/0\r\nRange: bytes=4-8", "");
    assert_eq!((part.status, &*part.body, part.header("etag")), (206, &FILM[4..9], whole.header("etag")), "{part:?}");
    let head = send(&server, "HEAD /play/movie/tt0111161/0", "");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("19"), 0), "{head:?}");
    let saved = get(&server, "/play/movie/tt0111161/0?download=1");
    assert!(saved.header("content-disposition").unwrap().starts_with("attachment;"), "{saved:?}");
}

#[test]
fn what_is_kept_plays_although_neither_add_on_nor_origin_answers() {
    let (home, film) = (Home::new(), film());
    let site = addon_with(&json!([needing_a_header(&film.url("/A%20film.mp4"))]));
    let server = serving(&home, &format!("{}lifetime_seconds = 0\n", addon("addon", &site)), &[]);
    assert_eq!(play(&server, 0).status, 200);
    assert_eq!(server.stop("-TERM").0, Some(0));
    let server = serving(&home, &format!("{}lifetime_seconds = 0\n", addon("addon", &site)), &[]);
    let (asked, fetched) = (site.heads().len(), film.heads().len());
    assert_eq!(play(&server, 0).body, FILM);
    assert_eq!((site.heads().len(), film.heads().len()), (asked, fetched), "nobody is asked");
}

#[test]
fn a_link_that_ends_before_a_film_is_over_is_played_from_here_and_one_that_does_not_is_redirected_to() {
    let (home, film) = (Home::new(), film());
    let now = SystemClock::new().now().as_millis() / 1000;
    let signed = |hours: u64| json!({"url": film.url(&format!("/A%20film.mp4?Expires={}&Signature=a&Key-Pair-Id=b", now + hours * 3600))});
    let site = addon_with(&json!([signed(2), signed(24)]));
    let server = serving(&home, &addon("addon", &site), &[]);
    assert_eq!([play(&server, 0).status, play(&server, 1).status], [200, 302]);
}

#[test]
fn a_link_that_its_origin_refuses_is_asked_for_anew_and_played_on() {
    let (home, film) = (Home::new(), film());
    let end = SystemClock::new().now().as_millis() / 1000 + 7200;
    let signed = |number: u32| format!("/A%20film.mp4?Expires={end}&Signature={number}");
    film.says(&signed(1), Page::status(403));
    let site = addon_with(&json!([needing_a_header(&film.url(&signed(1)))]));
    let server = serving(&home, &addon("addon", &site), &[]);
    // What was just loaded could not be had better.
    assert_eq!((play(&server, 0).status, site.asked("/stream/movie/tt0111161.json")), (502, 1));
    let mut anew = needing_a_header(&film.url(&signed(2)));
    anew["behaviorHints"]["proxyHeaders"]["request"] = json!({"X-Anew": "yes"});
    streaming(&site, &json!([anew]));
    let limit = Instant::now() + Duration::from_secs(30);
    let answer = loop {
        let answer = play(&server, 0);
        if answer.status == 200 {
            break answer;
        }
        assert_eq!(site.asked("/stream/movie/tt0111161.json"), 1, "whoever asks for another link plays it: {answer:?}");
        assert!(Instant::now() < limit);
        std::thread::park_timeout(Duration::from_millis(200));
    };
    assert_eq!((&*answer.body, site.asked("/stream/movie/tt0111161.json")), (FILM, 2));
    let last = film.heads().pop().expect("it was asked");
    assert!(
        last.contains("\nx-anew: yes") && !last.contains("\nreferer:"),
        "a link is asked with its own headers: {last}"
    );
}

#[test]
fn streams_that_only_their_queries_tell_apart_are_played_each() {
    let (home, films) = (Home::new(), Site::new());
    for id in ["1", "2", "3"] {
        films.says(&format!("/stream?id={id}"), Page::film(format!("film {id}").as_bytes()));
    }
    let streams: Vec<Value> =
        ["1", "2", "3"].map(|id| needing_a_header(&films.url(&format!("/stream?id={id}")))).into();
    let site = addon_with(&json!(streams));
    let server = serving(&home, &addon("addon", &site), &[]);
    for (index, film) in [(1, "film 2"), (0, "film 1"), (2, "film 3"), (1, "film 2")] {
        assert_eq!(String::from_utf8(play(&server, index).body).unwrap(), film, "stream {index}");
    }
}

#[test]
fn a_stream_whose_links_were_written_anew_is_chosen_anew() {
    let (home, films) = (Home::new(), Site::new());
    for path in ["/one/a.mp4", "/two/a.mp4"] {
        films.says(path, Page::film(path.as_bytes()));
    }
    let site = addon_with(&json!([needing_a_header(&films.url("/one/a.mp4"))]));
    let table = format!("{}lifetime_seconds = 0\n", addon("addon", &site));
    let server = serving(&home, &table, &[]);
    assert_eq!(play(&server, 0).body, b"/one/a.mp4");
    assert_eq!(server.stop("-TERM").0, Some(0));
    streaming(&site, &json!([needing_a_header(&films.url("/two/a.mp4"))]));
    let server = serving(&home, &table, &[]);
    assert_eq!(send(&server, "DELETE /api/entries?pattern=streams:*", "").status, 200);
    let answer = play(&server, 0);
    assert_eq!((answer.status, &*answer.body), (200, &b"/two/a.mp4"[..]), "{answer:?}");
}

#[test]
fn streams_are_numbered_through_all_add_ons_in_the_order_of_their_names() {
    let (home, film) = (Home::new(), film());
    let [first, second] = ["/1.mp4", "/2.mp4"].map(|path| {
        let subtitles = json!([{"id": "1", "url": film.url("/1.srt"), "lang": "eng"}]);
        addon_with(&json!([{"url": film.url(path), "subtitles": subtitles}]))
    });
    let server = serving(&home, &[addon("b", &second), addon("a", &first)].concat(), &[]);
    let to = |index| play(&server, index).header("location").map(str::to_owned);
    assert_eq!([to(0), to(1)], [Some(film.url("/1.mp4")), Some(film.url("/2.mp4"))]);
    assert_eq!(play(&server, 2).status, 404);
    // Without the streams of one, those of the next have no number.
    let home = Home::new();
    first.says("/stream/movie/tt0111161.json", Page::status(500));
    let server = serving(&home, &[addon("b", &second), addon("a", &first)].concat(), &[]);
    assert_eq!([play(&server, 0).status, play(&server, 1).status], [502, 502]);
}

#[test]
fn a_magnet_link_needs_what_fetches_torrents() {
    let (home, site) = (Home::new(), addon_with(&json!([{"infoHash": MAGNET, "fileIdx": 1}])));
    let server = serving(&home, &addon("addon", &site), &[("REELCACHE_TORRENTS", "false")]);
    let answer = play(&server, 0);
    assert!(answer.status == 501 && answer.json()["detail"].as_str().unwrap().contains("torrent"), "{answer:?}");
}

#[test]
fn pages_are_no_streams_that_play() {
    let (home, site) = (Home::new(), addon_with(&json!([{"externalUrl": "https://films.example/watch"}])));
    let server = serving(&home, &addon("addon", &site), &[]);
    assert_eq!(play(&server, 0).status, 422);
}

#[test]
fn trust_19_what_is_no_type_identifier_or_number_is_refused_and_nobody_is_asked() {
    let (home, site) = (Home::new(), addon_with(&json!([])));
    let server = serving(&home, &addon("addon", &site), &[]);
    for path in [
        "movie/tt0111161/-1",
        "movie/tt0111161/18446744073709551616",
        "movie/tt0111161/0x1",
        "movie/tt0111161/1e3",
        "movie/tt0111161/01",
        "movie/tt0111161/%30",
        "movie/tt0111161/0/1/1",
        "movie/0111161/0",
        "movie/..%2f..%2fetc/0",
        "movie/tt0111161%2F/0",
        "movie/../../etc/passwd",
        "channel/tt0111161/0",
        "series/tt0903747/0",
        "series/tt0903747/0/1",
        "series/tt0903747/0/1/-1",
        "series/tt0903747/0/1/99999",
        "movie/tt0111161",
        "movie/tt0111161/0?url=http://evil.example/",
        "movie/tt0111161/0?download=1&download=1",
    ] {
        let answer = get(&server, &format!("/play/{path}"));
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")), "{path}");
    }
    assert!(site.heads().is_empty(), "{:?}", site.heads());
    assert_eq!(play(&server, 0).status, 404);
    assert_eq!(get(&server, "/play/movie/tt9999999/0").status, 404);
}

#[test]
fn trust_13_a_stream_that_nobody_may_be_sent_to_is_not_redirected_to() {
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//evil.example/a",
        "\\\\evil.example\\a",
        "http://me:hush@evil.example/a",
        "http://films.example/a\r\nSet-Cookie: a=b",
    ] {
        let (home, site) = (Home::new(), addon_with(&json!([{ "url": url }])));
        let server = serving(&home, &addon("addon", &site), &[]);
        let answer = play(&server, 0);
        let is_harmless = answer.header("location").is_none_or(|to| to.starts_with("http://films.example/a"));
        assert!(is_harmless && answer.header("set-cookie").is_none(), "{url}: {answer:?}");
        assert!(!answer.head.contains("hush"), "{answer:?}");
    }
}

#[test]
fn trust_15_a_stream_out_of_reach_is_neither_fetched_nor_redirected_to() {
    let home = Home::new();
    for url in ["http://127.0.0.1/a.mp4", "http://169.254.169.254/a.mp4", "http://films.example:6379/a.mp4"] {
        let site = addon_with(&json!([needing_a_header(url), {"name": "b", "url": url}]));
        std::fs::write(home.path("c.toml"), addon("addon", &site)).unwrap();
        let mut command = home.reelcache();
        command.args(["--config", "c.toml", "serve", "--listen", "127.0.0.1:0"]);
        let server = Server::start_command(&mut command);
        // The add-on itself is on this machine, which is out of reach too.
        assert_eq!(play(&server, 0).status, 502);
        assert!(site.heads().is_empty());
    }
}

#[test]
fn a_playlist_names_every_stream_as_this_server_plays_it() {
    let (home, film) = (Home::new(), film());
    let url = |path: &str| film.url(path);
    let site =
        addon_with(&json!([{"name": "1080p\r\n#evil", "url": url("/1.mp4")}, {"name": "720p", "url": url("/2.mp4")}]));
    let server = serving(&home, &addon("addon", &site), &[]);
    let answer = get(&server, "/play/series/tt0903747/1/2.m3u");
    assert_eq!(answer.header("content-type"), Some("audio/x-mpegurl"), "{answer:?}");
    assert_eq!(answer.header("content-disposition"), Some("inline; filename*=UTF-8''tt0903747%20S01E02.m3u"));
    assert_eq!(
        String::from_utf8(answer.body).unwrap(),
        "#EXTM3U\n#EXTINF:-1,tt0903747 S01E02 1080p\nhttp://localhost/play/series/tt0903747/0/1/2\n\
         #EXTINF:-1,tt0903747 S01E02 720p\nhttp://localhost/play/series/tt0903747/1/1/2\n"
    );
    assert_eq!(get(&server, "/play/movie/tt0000000.m3u").status, 404);
}

#[test]
fn pages_of_other_origins_may_play_streams_as_they_may_links() {
    let (home, site) = (Home::new(), addon_with(&json!([{"url": "https://films.example:8000/a.mp4"}])));
    let server = serving(&home, &addon("addon", &site), &[]);
    let from = |origin: &str| send(&server, &format!("GET /play/movie/tt0111161/0\r\nOrigin: {origin}"), "");
    let answer = from("http://localhost:3000");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (302, Some("http://localhost:3000")));
    assert_eq!(from("https://evil.example").header("access-control-allow-origin"), None);
    let asked = send(&server, "OPTIONS /play/movie/tt0111161/0\r\nOrigin: http://localhost:3000", "");
    assert!(
        asked.status == 204 && asked.header("access-control-allow-headers").unwrap().contains("range"),
        "{asked:?}"
    );
}

#[test]
fn a_stream_of_a_page_is_played_where_get_videos_says() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 300_000]));
    let site = Site::new();
    let item = json!({"files": [{"name": "a.mp4", "format": "MPEG4"}], "metadata": {"title": "Moon"}});
    site.says("/metadata/moon", Page::json(&item)).says("/download/moon/a.mp4", Page::film(FILM));
    let server = serving(&home, &archive("films", &site), &[]);
    let page = escaped("https://archive.org/details/moon");
    let videos = get(&server, &format!("/get-videos?url={page}&provider=films")).json();
    let answer = get(&server, videos["results"][0]["play_url"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(site.url("/download/moon/a.mp4").as_str()), "{answer:?}");
    for (query, status) in [
        (format!("provider=films&page={page}&index=9"), 404),
        (format!("provider=nobody&page={page}&index=0"), 404),
        (format!("provider=films&page={page}&index=-1"), 400),
        (format!("provider=films&page={page}"), 400),
        (format!("provider=films&page={page}&index=0&url=x"), 400),
        (String::new(), 400),
    ] {
        let answer = get(&server, &format!("/play?{query}"));
        assert_eq!(answer.status, status, "{query}: {answer:?}");
    }
    assert_eq!(server.play(&film.url("/a.mp4")), 200, "links themselves are played as before");
}

#[test]
fn without_an_add_on_no_title_is_played() {
    let server = serving(&Home::new(), "", &[]);
    let answer = play(&server, 0);
    assert!(answer.status == 404 && answer.json()["detail"].as_str().unwrap().contains("[providers]"), "{answer:?}");
}

#[test]
fn many_who_play_one_stream_ask_its_add_on_once() {
    let (home, film) = (Home::new(), film());
    let site = addon_with(&json!([]));
    let streams = json!({"streams": [{"url": film.url("/A%20film.mp4")}]});
    site.says("/stream/movie/tt0111161.json", Page::json(&streams).after(Duration::from_millis(300)));
    let server = serving(&home, &addon("addon", &site), &[]);
    let all_play = std::thread::scope(|scope| {
        let playing: Vec<_> = (0..50).map(|_| scope.spawn(|| play(&server, 0).status)).collect();
        playing.into_iter().all(|playing| playing.join().expect("no panic") == 302)
    });
    assert!(all_play);
    assert_eq!(site.asked("/stream/movie/tt0111161.json"), 1);
}
