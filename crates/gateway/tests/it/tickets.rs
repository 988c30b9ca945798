//! Tickets: what a player without a token plays, and nothing else.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::origin::Origin;
use super::support::{Home, Server};
use super::titles::addon_with;
use super::web::{Answer, addon, escaped, get, post, send};

pub(crate) const ADMIN: &str = "admin-admin-admin-admin";
const READ: &str = "reader-reader-reader";

/// A server that other machines can reach, and that plays links of this one.
pub(crate) fn for_others(home: &Home) -> Server {
    for_others_with(home, &[])
}

fn for_others_with(home: &Home, args: &[&str]) -> Server {
    let mut command = home.reelcache();
    command.args(["serve", "--listen", "0.0.0.0:0", "--reach", "anywhere", "--reach-ports", "1-65535"]).args(args);
    command.envs([("REELCACHE_ADMIN_TOKEN", ADMIN), ("REELCACHE_READ_TOKEN", READ), ("RUST_LOG", "debug")]);
    let mut server = Server::start_command(&mut command);
    server.address.set_ip(Ipv4Addr::LOCALHOST.into());
    server
}

fn ticket(server: &Server, path: &str, token: &str) -> Answer {
    let head = format!("POST /api/play-ticket\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}");
    send(server, &head, &json!({ "path": path }).to_string())
}

/// `path` with a ticket.
fn issued(server: &Server, path: &str) -> String {
    let told = ticket(server, path, READ);
    assert_eq!((told.status, &told.json()["seconds"]), (200, &json!(3600)), "{told:?}");
    told.json()["path"].as_str().expect("a path").to_owned()
}

#[test]
fn who_may_read_has_a_film_played_by_a_player_that_sends_no_token() {
    let (home, film) = (Home::new(), Origin::of((0..300_000_u32).map(|at| at as u8).collect()));
    let server = for_others(&home);
    let path = format!("/play?url={}", escaped(&film.url("/a.mp4")));
    assert_eq!(get(&server, &path).status, 401);
    for token in ["", "guessed-guessed-guessed"] {
        assert_eq!(ticket(&server, &path, token).status, 401);
    }
    let with_ticket = issued(&server, &path);
    let whole = get(&server, &with_ticket);
    assert_eq!((whole.status, whole.body.len()), (200, 300_000), "{}", whole.head);
    assert_eq!(whole.header("referrer-policy"), Some("no-referrer"));
    let part = send(&server, &format!("GET {with_ticket}\r\nRange: bytes=256-258"), "");
    assert_eq!((part.status, &*part.body), (206, &[0, 1, 2][..]));
    assert_eq!(send(&server, &format!("HEAD {with_ticket}"), "").status, 200);
    // The film is the one that is known without a ticket: nothing of it is part of its name.
    let top = send(&server, &format!("GET /api/caches\r\nAuthorization: Bearer {READ}"), "").json();
    assert_eq!(top["top"].as_array().map(Vec::len), Some(1), "{top}");
}

#[test]
fn a_ticket_is_good_for_its_address_alone() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 10_000]));
    let server = for_others(&home);
    let path = format!("/play?url={}", escaped(&film.url("/a.mp4")));
    let other = format!("/play?url={}", escaped(&film.url("/b.mp4")));
    let with_ticket = issued(&server, &path);
    let (_, ticket_of_it) = with_ticket.rsplit_once("ticket=").unwrap();
    let flipped = if with_ticket.ends_with('0') { "1" } else { "0" };
    for (target, status) in [
        (format!("{other}&ticket={ticket_of_it}"), 403),
        (format!("{path}&download=1&ticket={ticket_of_it}"), 403),
        (format!("{with_ticket}&download=1"), 403),
        (format!("{}{flipped}", &with_ticket[..with_ticket.len() - 1]), 403),
        (format!("{path}&ticket=99999999999999.{}", "0".repeat(64)), 403),
        (format!("/play/movie/tt1/0?ticket={ticket_of_it}"), 403),
        (format!("/api/entries?ticket={ticket_of_it}"), 401),
        (format!("/api/caches?{}", with_ticket.split_once('?').unwrap().1), 401),
        (format!("/plain?ticket={ticket_of_it}"), 401),
        (format!("/metrics?ticket={ticket_of_it}"), 401),
        (format!("/search?query=a&ticket={ticket_of_it}"), 401),
    ] {
        assert_eq!(get(&server, &target).status, status, "{target}");
    }
    let sweep = send(&server, &format!("POST /api/sweep?ticket={ticket_of_it}"), "");
    assert_eq!(sweep.status, 401);
    // Nor is it a token.
    assert_eq!(send(&server, &format!("GET {path}\r\nAuthorization: Bearer {ticket_of_it}"), "").status, 401);
    assert!(film.starts().is_empty(), "nothing was fetched for any of them");
    // With the token it plays all the same, whatever a ticket says, unless that is wrong.
    assert_eq!(send(&server, &format!("GET {path}\r\nAuthorization: Bearer {READ}"), "").status, 200);
}

#[test]
fn a_ticket_ends_with_its_server_and_is_written_down_nowhere() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 10_000]));
    let mut first = for_others(&home);
    let path = format!("/play?url={}", escaped(&film.url("/a.mp4")));
    let with_ticket = issued(&first, &path);
    assert_eq!(get(&first, &with_ticket).status, 200);
    let (_, secret) = with_ticket.rsplit_once('.').unwrap();
    let wrong = issued(&first, "/play?url=http%3A%2F%2F127.0.0.1%3A1%2Fa.mp4");
    assert_eq!(get(&first, &wrong).status, 502);
    for target in ["/api/caches", "/api/jobs", "/api/cache-stats", "/api/cache-config", "/metrics", "/api/entries"] {
        let told = send(&first, &format!("GET {target}\r\nAuthorization: Bearer {ADMIN}"), "");
        let text = String::from_utf8_lossy(&told.body);
        assert!(told.status == 200 && !text.contains(secret) && !text.contains("ticket="), "{target}: {text}");
    }
    let mut errors = first.child.stderr.take().unwrap();
    let (code, printed) = first.stop("-TERM");
    let mut logged = String::new();
    std::io::Read::read_to_string(&mut errors, &mut logged).unwrap();
    assert_eq!(code, Some(0), "{logged}");
    assert!(!printed.contains("ticket=") && !logged.contains("ticket=") && !logged.contains(secret), "{logged}");

    let second = for_others(&home);
    assert_eq!(get(&second, &with_ticket).status, 403);
}

#[test]
fn only_what_is_played_gets_a_ticket() {
    let home = Home::new();
    let server = for_others(&home);
    for path in
        ["/api/entries", "/", "", "/player", "//a.example/play", "https://a.example/play", "/play?a#b", "/play?a\nb"]
    {
        let refused = ticket(&server, path, ADMIN);
        assert_eq!(refused.status, 400, "{path:?}: {refused:?}");
    }
    let long = format!("/play?url={}", "a".repeat(8 << 10));
    assert_eq!(ticket(&server, &long, ADMIN).status, 400);
    // A server of this machine alone plays without one, and takes one that is right.
    let alone = Server::start(&Home::new());
    let told = post(&alone, "/api/play-ticket", &json!({ "path": "/play?url=http%3A%2F%2F127.0.0.1%3A1%2F" }));
    let path = told.json()["path"].as_str().map(str::to_owned).unwrap();
    assert_eq!(get(&alone, &path).status, 502, "the address is out of reach, not the right to ask for it");
    assert_eq!(told.json()["detail"], Value::Null);
}

/// The addresses of a playlist, which is asked for by whoever may read.
fn listed(server: &Server, more: &str) -> Vec<String> {
    let head = format!("GET /play/movie/tt0111161.m3u\r\nAuthorization: Bearer {READ}{more}");
    let answer = send(server, &head, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = String::from_utf8(answer.body).expect("a list");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn what_a_playlist_names_is_played_without_a_token() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 10_000]));
    // Headers have to be sent along, so both are played from here.
    let stream = |path: &str| json!({ "url": film.url(path), "behaviorHints": { "proxyHeaders": { "request": { "X-Film": "1" } } } });
    let site = addon_with(&json!([stream("/1.mp4"), stream("/2.mp4")]));
    std::fs::write(home.path("c.toml"), addon("addon", &site)).unwrap();
    let server = for_others_with(&home, &["--config", "c.toml"]);
    let named = listed(&server, "\r\nX-Forwarded-Proto: https\r\nForwarded: proto=https;host=evil.example");
    assert_eq!(named.len(), 2, "{named:?}");
    for (index, address) in named.iter().enumerate() {
        let path = address.strip_prefix("http://localhost").expect("by HTTP at the host that was asked");
        assert!(path.starts_with(&format!("/play/movie/tt0111161/{index}?ticket=")), "{path}");
        let played = get(&server, path);
        assert_eq!((played.status, played.body.len()), (200, 10_000), "{}", played.head);
        let (plain, ticket) = path.split_once('?').unwrap();
        assert_eq!(get(&server, plain).status, 401);
        let other = format!("/play/movie/tt0111161/{}?{ticket}", 1 - index);
        assert_eq!(get(&server, &other).status, 403);
    }
    // A player that has a ticket for the list has those of its streams.
    let list = issued(&server, "/play/movie/tt0111161.m3u");
    let answer = get(&server, &list);
    let text = String::from_utf8_lossy(&answer.body);
    let path = text.lines().nth(2).unwrap().strip_prefix("http://localhost").unwrap();
    assert_eq!(get(&server, path).status, 200);
}

#[test]
fn a_playlist_names_the_public_address_where_there_is_one() {
    let (home, site) = (Home::new(), addon_with(&json!([{ "url": "https://films.example/1.mp4" }])));
    std::fs::write(home.path("c.toml"), addon("addon", &site)).unwrap();
    let server = for_others_with(&home, &["--config", "c.toml", "--public-url", "https://films.example/reel/"]);
    let named = listed(&server, "");
    assert!(named[0].starts_with("https://films.example/reel/play/movie/tt0111161/0?ticket="), "{named:?}");
    let (_, path) = named[0].split_once("/reel").unwrap();
    assert_eq!(get(&server, path).status, 302, "as the server is asked by its proxy");
    let wrong = home.reelcache().args(["serve", "--public-url", "films.example"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}
