//! `/metrics` and `/ready` as those see them who watch the server.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::origin::Origin;
use super::support::{Home, Server};
use super::web::{Answer, get, send};

/// The value of the series `series`.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn every_metric_that_is_told_is_in_the_docs_and_no_label_names_a_key() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 300_000]));
    let server = Server::start_reaching_anywhere(&home);
    assert_eq!(server.play(&film.url("/secret-name.mp4")), 200);
    assert_eq!(get(&server, "/made-up-by-somebody").status, 404);
    let answer = get(&server, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(answer.body).unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let told: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(told.len() > 25, "{told:?}");
    for name in told {
        assert!(page.contains(&format!("`{name}`")), "{name} is in docs/metrics.md");
    }
    assert!(!text.contains("secret-name") && !text.contains("made-up"), "{text}");
    assert_eq!(value(&text, "reelcache_tier_up{stack=\"tiers\",tier=\"file\"}").or(Some(1.0)), Some(1.0));
    assert!(text.contains("reelcache_op_duration_seconds_bucket"), "{text}");
    let played = "reelcache_http_requests_total{route=\"/play\",method=\"GET\",status=\"200\"}";
    assert_eq!(value(&text, played), Some(1.0), "{text}");
}

#[test]
fn metrics_need_what_reading_needs() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_READ_TOKEN", "reader-reader-reader")]);
    assert_eq!(get(&server, "/metrics").status, 401);
    assert_eq!(send(&server, "GET /metrics\r\nAuthorization: Bearer reader-reader-reader", "").status, 200);
    assert_eq!((get(&server, "/ready").status, get(&server, "/health").status), (200, 200));
}

#[test]
fn a_server_that_ends_is_not_ready_while_a_film_still_plays() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 40_000_000]));
    let server = Server::start_reaching_anywhere(&home);
    assert_eq!(get(&server, "/ready").status, 200);
    let mut player = TcpStream::connect(server.address).unwrap();
    player.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let url = film.url("/a.mp4");
    write!(player, "GET /play?url={url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    player.read_exact(&mut [0; 12]).unwrap();
    server.signal("-TERM");
    let end = Instant::now() + Duration::from_secs(8);
    let told = loop {
        let told = get(&server, "/ready");
        if told.status == 503 {
            break told;
        }
        assert!(Instant::now() < end, "{told:?}");
    };
    assert!(told.json()["detail"].as_str().unwrap().contains("ending"), "{told:?}");
    assert_eq!(told.header("retry-after"), Some("2"));
    assert_eq!(get(&server, "/health").status, 200);
    assert_eq!(get(&server, "/search?query=a").status, 503);
    let mut rest = Vec::new();
    player.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > 39_999_000, "the film is played to its end: {}", rest.len());
}

#[test]
fn who_connected_before_the_end_and_asks_after_it_is_answered() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut early = TcpStream::connect(server.address).unwrap();
    early.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The connections are taken in the order they came in, so this answer says that the early one is taken.
    assert_eq!(get(&server, "/health").status, 200);
    server.signal("-TERM");
    let end = Instant::now() + Duration::from_secs(8);
    while get(&server, "/ready").status != 503 {
        assert!(Instant::now() < end, "the signal is seen");
    }
    write!(early, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut early).status, 200);
}

#[test]
fn a_server_whose_only_tier_is_away_is_not_ready_and_lives() {
    let home = Home::new();
    let variables = [("CACHE_BACKEND", "redis"), ("CACHE_REDIS_URL", "redis://127.0.0.1:1")];
    let server = Server::start_with_variables(&home, &variables);
    let told = get(&server, "/ready");
    assert_eq!(told.status, 503, "{told:?}");
    assert!(told.json()["detail"].as_str().unwrap().contains("no tier is usable"), "{told:?}");
    assert_eq!(get(&server, "/health").status, 200);
}
