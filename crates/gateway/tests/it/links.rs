//! `/providers`, `/get-videos` and `/api/links/report`: links of pages, cached.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::site::{Page, Site};
use super::support::{Home, Server};
use super::web::{Answer, addon, archive, escaped, get, post, send, serving};

const PAGE: &str = "https://archive.org/details/moon";

/// A site with one film.
fn film(title: &str) -> Page {
    Page::json(&json!({
        "files": [
            {"name": "a film.mp4", "format": "MPEG4", "size": "1000", "width": "640", "height": "360", "length": "62.5"},
            {"name": "a film.ogv", "format": "Ogg", "size": "500"},
        ],
        "metadata": {"identifier": "moon", "title": title},
    }))
}

fn site() -> Site {
    let site = Site::new();
    site.says("/metadata/moon", film("Moon"));
    site
}

fn videos(server: &Server, provider: &str, page: &str) -> Answer {
    get(server, &format!("/get-videos?url={}&provider={provider}", escaped(page)))
}

#[test]
fn rows_1_and_4_links_are_cached_per_provider_and_page_and_have_the_names_of_the_first_interface() {
    let (home, site) = (Home::new(), site());
    let server = serving(&home, &archive("films", &site), &[]);
    let first = post(&server, "/get-videos", &json!({"media_url": PAGE, "provider_name": "films"}));
    let status = first.header("cache-status").unwrap();
    assert!(status.starts_with("reelcache; fwd=miss; stored; ttl=3") && first.header("age").is_none(), "{first:?}");
    let result = &first.json()["results"][0];
    let url = site.url("/download/moon/a%20film.mp4");
    assert_eq!((&result["url"], &result["title"]), (&json!(url), &json!("Moon")), "{result}");
    assert_eq!((&result["type"], &result["size_in_bytes"]), (&json!("video"), &json!(1000)), "{result}");
    assert_eq!((&result["duration"], &result["resolution"]), (&json!(62.5), &json!("640x360")), "{result}");
    assert_eq!(result["html_url"], site.url("/details/moon"));
    assert_eq!(result["image_url"], site.url("/services/img/moon"));

    // Another way to write the page is the same page.
    let second = videos(&server, "films", "http://www.archive.org/details/moon?utm_source=x");
    assert_eq!(second.status, 200, "{second:?}");
    let status = second.header("cache-status").unwrap();
    assert!(status.starts_with("reelcache; hit; ttl=3") && status.ends_with("detail=\"near\""), "{status}");
    let age: u64 = second.header("age").unwrap().parse().unwrap();
    let saved: f64 = second.header("reelcache-seconds-saved").unwrap().parse().unwrap();
    assert!(age < 60 && saved >= 0.0);
    assert_eq!(second.json()["results"][1]["url"], first.json()["results"][1]["url"]);
    assert_eq!(second.json()["cache"]["hit"], true);
    assert_eq!(site.asked("/metadata/moon"), 1);
}

#[test]
fn row_12_what_took_long_is_given_again_at_once_and_says_what_that_saved() {
    let (home, site, slow) = (Home::new(), Site::new(), Duration::from_secs(3));
    site.says("/metadata/moon", film("Moon").after(slow));
    let server = serving(&home, &archive("films", &site), &[]);
    let asked = |limit: fn(Duration) -> bool| {
        let begun = Instant::now();
        let answer = videos(&server, "films", PAGE);
        assert!(answer.status == 200 && limit(begun.elapsed()), "{:?}: {answer:?}", begun.elapsed());
        answer
    };
    asked(|took| took >= Duration::from_secs(3));
    let again = asked(|took| took < Duration::from_secs(1));
    let saved: f64 = again.header("reelcache-seconds-saved").unwrap().parse().unwrap();
    assert!(saved > 2.0, "{again:?}");
}

#[test]
fn row_3_providers_share_the_cache_and_never_links() {
    let (home, sites) = (Home::new(), [site(), site(), site()]);
    let names = ["flemmix", "french", "papadu"];
    let tables: String = names.iter().zip(&sites).map(|(name, site)| archive(name, site)).collect();
    let server = serving(&home, &tables, &[]);
    for _ in 0..2 {
        for (name, site) in names.iter().zip(&sites) {
            let answer = videos(&server, name, PAGE).json();
            assert_eq!(answer["provider"], *name);
            assert!(answer["results"][0]["url"].as_str().unwrap().starts_with(&site.url("/")), "{answer}");
            assert_eq!(site.asked("/metadata/moon"), 1);
        }
    }
    let listed = get(&server, "/providers").json();
    assert_eq!(listed, json!({"providers": names, "default": "flemmix"}));
}

#[test]
fn rows_5_and_6_links_end_with_cache_ttl_and_survive_a_restart_until_then() {
    let (home, site) = (Home::new(), site());
    let server = serving(&home, &archive("films", &site), &[("CACHE_TTL", "7200")]);
    let ttl = |answer: &Answer| answer.json()["cache"]["ttl_seconds"].as_i64().unwrap();
    assert!((3601..=7200).contains(&ttl(&videos(&server, "films", PAGE))));
    assert_eq!(server.stop("-TERM").0, Some(0));
    let server = serving(&home, &archive("films", &site), &[("CACHE_TTL", "7200")]);
    let answer = videos(&server, "films", PAGE);
    assert!(answer.header("cache-status").unwrap().contains("detail=\"file\""), "{answer:?}");
    assert!((3601..=7200).contains(&ttl(&answer)));
    let home = Home::new();
    let server = serving(&home, &archive("films", &site), &[("CACHE_TTL", "0")]);
    for _ in 0..2 {
        let answer = videos(&server, "films", PAGE);
        assert_eq!(answer.header("cache-status"), Some("reelcache; fwd=miss; detail=\"loaded\""));
    }
    assert_eq!(site.asked("/metadata/moon"), 3);
}

#[test]
fn row_6_many_who_ask_for_one_page_at_once_are_one_request_to_the_site() {
    let (home, site) = (Home::new(), Site::new());
    site.says("/metadata/moon", film("Moon").after(Duration::from_millis(300)));
    let server = serving(&home, &archive("films", &site), &[]);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asking: Vec<_> = (0..100).map(|_| scope.spawn(|| videos(&server, "films", PAGE))).collect();
        asking.into_iter().map(|asking| asking.join().expect("no panic")).collect()
    });
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(site.asked("/metadata/moon"), 1);
    let joined = |answer: &&Answer| answer.header("cache-status").is_some_and(|status| status.contains("collapsed"));
    assert!(answers.iter().filter(joined).count() > 0);
}

#[test]
fn a_problem_has_one_shape_and_the_status_that_it_deserves() {
    let (home, site) = (Home::new(), site());
    site.says("/metadata/nothing", Page::text("{}")).says("/metadata/broken", Page::text("<html>"));
    site.says("/metadata/down", Page::status(500));
    let server = serving(&home, &archive("films", &site), &[]);
    let of = |page: &str| videos(&server, "films", page);
    let problems = [
        (of("https://archive.org/details/nothing"), 404),
        (of("https://elsewhere.example/film"), 422),
        (of("not an address"), 400),
        (of("file:///etc/passwd"), 400),
        (of("https://archive.org/details/broken"), 502),
        (of("https://archive.org/details/down"), 502),
        (videos(&server, "nobody", PAGE), 404),
        (get(&server, "/get-videos"), 400),
        (get(&server, "/get-videos?url=https://a.example&url=https://b.example"), 400),
        (get(&server, "/get-videos?url=https://a.example&nonsense=1"), 400),
        (get(&server, &format!("/get-videos?url={}&account=a%0d%0ab", escaped(PAGE))), 400),
        (send(&server, "POST /get-videos\r\nContent-Type: application/json", "{"), 400),
        (post(&server, "/get-videos", &json!({"media_url": 3})), 422),
        (send(&server, "POST /get-videos\r\nContent-Type: text/plain", "{}"), 415),
        (post(&server, "/get-videos", &json!({"media_url": "x".repeat(70_000)})), 413),
    ];
    for (answer, status) in problems {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
    }
    assert_eq!(videos(&server, "nobody", PAGE).json()["providers"], json!(["films"]));
}

#[test]
fn trust_22_failures_are_not_kept_and_empty_answers_shortly() {
    let (home, site) = (Home::new(), Site::new());
    let server = serving(&home, &archive("films", &site), &[]);
    for page in [Page::status(500), Page::text("[1"), Page::text("{\"files\": [")] {
        site.says("/metadata/moon", page);
        assert_eq!(videos(&server, "films", PAGE).status, 502);
    }
    site.says("/metadata/moon", film("Moon"));
    assert_eq!(videos(&server, "films", PAGE).status, 200);
    site.says("/metadata/bare", Page::json(&json!({"files": [], "metadata": {"title": "Bare"}})));
    let empty = videos(&server, "films", "https://archive.org/details/bare").json();
    assert_eq!(empty["results"], json!([]));
    assert!(empty["cache"]["ttl_seconds"].as_i64().unwrap() <= 60, "{empty}");
}

#[test]
fn a_site_that_wants_a_pause_is_given_it_and_so_is_who_asks() {
    let (home, site) = (Home::new(), Site::new());
    site.says("/metadata/moon", Page::status(429).header("Retry-After", "30"));
    let server = serving(&home, &archive("films", &site), &[]);
    for _ in 0..2 {
        let answer = videos(&server, "films", PAGE);
        let pause: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(answer.status == 503 && (1..=30).contains(&pause), "{answer:?}");
    }
    assert_eq!(site.asked("/metadata/moon"), 1);
}

#[test]
fn a_site_that_is_silent_is_a_timeout() {
    let (home, site) = (Home::new(), Site::new());
    site.says("/metadata/moon", film("Moon").after(Duration::from_secs(20)));
    let table = format!("{}deadline_seconds = 1\n", archive("films", &site));
    let server = serving(&home, &table, &[]);
    assert_eq!(videos(&server, "films", PAGE).status, 504);
}

#[test]
fn a_bad_link_is_loaded_anew_for_whoever_reports_it() {
    let (home, site) = (Home::new(), site());
    let server = serving(&home, &archive("films", &site), &[]);
    let url = videos(&server, "films", PAGE).json()["results"][0]["url"].clone();
    let report = |more: Value| {
        let mut report = json!({"provider": "films", "url": PAGE});
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(&server, "/api/links/report", &report)
    };
    // What was just loaded could not be had better, and a link that works is none to load anew.
    for more in [json!({"bad_url": url}), json!({"status": 404}), json!({"bad_url": url, "status": 200})] {
        let answer = report(more);
        assert_eq!((answer.status, site.asked("/metadata/moon")), (200, 1), "{answer:?}");
    }
    let limit = Instant::now() + Duration::from_secs(30);
    while report(json!({"bad_url": url})).header("cache-status").is_none_or(|status| status.contains("hit")) {
        assert!(Instant::now() < limit);
        thread::park_timeout(Duration::from_millis(200));
    }
    assert_eq!(site.asked("/metadata/moon"), 2);
    let other = post(&server, "/api/links/report", &json!({"provider": "nobody", "url": PAGE, "bad_url": url}));
    assert_eq!(other.status, 404);
}

#[test]
fn trust_21_what_a_request_claims_about_itself_changes_nothing() {
    let (home, site) = (Home::new(), site());
    let server = serving(&home, &archive("films", &site), &[]);
    let plain = videos(&server, "films", PAGE).json();
    for header in [
        "X-Forwarded-Host: evil.example",
        "X-Original-URL: /get-videos?url=x",
        "X-HTTP-Method-Override: DELETE",
        "Forwarded: host=evil.example",
        "Accept: text/html",
        "Accept-Language: fr",
        "Accept-Encoding: gzip",
    ] {
        let target = format!("/get-videos?url={}&provider=films", escaped(PAGE));
        let answer = send(&server, &format!("GET {target}\r\n{header}"), "");
        assert_eq!((answer.status, &answer.json()["results"]), (200, &plain["results"]), "{header}");
        let fat = send(
            &server,
            &format!("GET {target}\r\nContent-Type: application/json\r\n{header}"),
            "{\"media_url\":\"x\"}",
        );
        assert_eq!(fat.json()["results"], plain["results"], "{header}");
    }
    assert_eq!(site.asked("/metadata/moon"), 1);
}

#[test]
fn trust_13_a_link_that_nobody_may_be_sent_to_is_a_bad_answer_and_not_kept() {
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//films.example/a.mp4",
        "\\\\films.example\\a.mp4",
        "http://me:hush@films.example/a.mp4",
        "http://@films.example/a.mp4",
        "https:///films.example/a.mp4",
        "https://films.example/\\@evil.example/",
    ] {
        let (home, site) = (Home::new(), Site::new());
        let manifest = json!({"id": "a", "name": "a", "types": ["movie"], "resources": ["stream"], "catalogs": []});
        site.says("/manifest.json", Page::json(&manifest));
        site.says("/stream/movie/tt0111161.json", Page::json(&json!({"streams": [{"url": url}]})));
        let server = serving(&home, &addon("addon", &site), &[]);
        for times in 1..=2 {
            let answer = videos(&server, "addon", "https://web.stremio.com/#/detail/movie/tt0111161");
            assert_eq!(answer.status, 502, "{url}: {answer:?}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("hush"), "{answer:?}");
            assert_eq!(site.asked("/stream/movie/tt0111161.json"), times);
        }
    }
}

#[test]
fn a_wrong_table_ends_the_start_with_the_kinds_that_there_are() {
    let home = Home::new();
    std::fs::write(home.path("c.toml"), "[providers.a]\nkind = \"nonsense\"\n").unwrap();
    let run = home.reelcache().args(["--config", "c.toml", "serve", "--listen", "127.0.0.1:0"]).output().unwrap();
    let text = super::support::stderr(&run);
    assert!(run.status.code() == Some(2) && text.contains("internet-archive"), "{:?}: {text}", run.status);
}
