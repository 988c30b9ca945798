//! `/play?url=` between strangers: what origins say, what links hold, and which pages may read the answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::origin::{Origin, saying};
use super::site::{Page, Site};
use super::support::{Home, Server};
use super::web::{archive, escaped, get, post, serving};

/// Asks for `url`; the head of the answer, in lower case, and what came with it.
fn ask(server: &Server, method: &str, url: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    write!(stream, "{method} /play?url={url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
        .expect("a request");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).to_ascii_lowercase()
}

#[test]
fn trust_31_a_list_of_types_is_none_and_nothing_played_runs_in_a_browser() {
    let (port, _) =
        saying("HTTP/1.1 200 x\r\nContent-Type: video/mp4, text/html\r\nContent-Length: 5\r\n\r\n<b>x<".into());
    let home = Home::new();
    let server = Server::start_reaching_anywhere(&home);
    let answer = ask(&server, "GET", &format!("http://127.0.0.1:{port}/film"), "");
    assert!(
        answer.starts_with("http/1.1 200") && answer.contains("content-type: application/octet-stream"),
        "{answer}"
    );
    assert!(
        answer.contains("content-security-policy: default-src 'none'; frame-ancestors 'none'; sandbox"),
        "{answer}"
    );
}

#[test]
fn trust_13_a_link_with_a_name_or_a_password_is_refused() {
    let (port, heads) = saying("HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\nx".into());
    let home = Home::new();
    let server = Server::start_reaching_anywhere(&home);
    for login in ["name:hush", "name", ":hush"] {
        let answer = ask(&server, "GET", &format!("http://{login}@127.0.0.1:{port}/film"), "");
        assert!(answer.starts_with("http/1.1 400"), "{login}: {answer}");
    }
    let (leading, _) = saying(format!(
        "HTTP/1.1 302 x\r\nLocation: http://name:hush@127.0.0.1:{port}/film\r\nContent-Length: 0\r\n\r\n"
    ));
    let answer = ask(&server, "GET", &format!("http://127.0.0.1:{leading}/film"), "");
    assert!(answer.starts_with("http/1.1 502"), "{answer}");
    assert!(heads.try_recv().is_err(), "nobody was asked");
}

#[test]
fn trust_02_parts_of_the_longest_blob_do_not_overflow() {
    let last = u64::MAX - 1;
    let (port, _) =
        saying(format!("HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 0-{last}/{}\r\n\r\n", u64::MAX));
    let home = Home::new();
    let server = Server::start_reaching_anywhere(&home);
    let range = format!("Range: bytes=0-{},{}-\r\n", i64::MAX, i64::MAX as u64 + 193);
    let answer = ask(&server, "GET", &format!("http://127.0.0.1:{port}/film"), &range);
    let len = answer.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<u64>().ok());
    assert!(answer.starts_with("http/1.1 20") && len.is_none_or(|len| len > 1 << 60), "{answer}");
}

#[test]
fn ports_of_other_services_are_not_asked_unless_they_are_named() {
    let origin = Origin::of(b"a film".to_vec());
    let home = Home::new();
    for (args, status) in [
        (&["--reach", "anywhere"][..], 502),
        (&["--reach", "anywhere", "--reach-ports", "80,443,6379"], 502),
        (&["--reach", "anywhere", "--reach-ports", &format!("80,{}", origin.address().port())], 200),
    ] {
        let server = Server::start_with(&home, &home.path("cache"), args);
        let answer = ask(&server, "GET", &origin.url("/film.mp4"), "");
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{args:?}: {answer}");
    }
}

#[test]
fn pages_of_other_origins_read_what_is_public_and_nothing_else() {
    let home = Home::new();
    let origin = Origin::of(b"a film".to_vec());
    let asked = "Origin: https://films.example\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: range\r\n";
    let server = Server::start(&home);
    let answer = ask(&server, "OPTIONS", "x", asked);
    for line in [
        "http/1.1 204",
        "access-control-allow-origin: *",
        "access-control-allow-methods: get, head\r\n",
        "access-control-allow-headers: range, if-range, if-match\r\n",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    assert!(ask(&server, "GET", "nonsense", asked).contains("access-control-allow-origin: *"), "errors are read, too");
    let figures = server.ask("/api/cache-stats", "localhost\r\nOrigin: https://films.example");
    assert!(!figures.contains("access-control-"), "{figures}");
    drop(server);

    let server = Server::start_reaching_anywhere(&home);
    for method in ["OPTIONS", "GET"] {
        let answer = ask(&server, method, &origin.url("/film.mp4"), asked);
        assert!(!answer.contains("access-control-allow-origin") && answer.contains("vary: origin"), "{answer}");
    }
    let near = "Origin: http://localhost:3000\r\nRange: bytes=2-3\r\n";
    let answer = ask(&server, "GET", &origin.url("/film.mp4"), near);
    for line in [
        "http/1.1 206",
        "access-control-allow-origin: http://localhost:3000\r\n",
        "access-control-expose-headers: content-range, content-length, accept-ranges, etag\r\n",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
}

#[test]
fn trust_04_a_weak_tag_of_an_origin_does_not_name_bytes_to_players() {
    let home = Home::new();
    let tag = |answer: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix("etag: "));
        line.unwrap_or_else(|| panic!("no tag: {answer}")).to_owned()
    };
    let told = |etag: &str| saying(format!("HTTP/1.1 200 x\r\nETag: {etag}\r\nContent-Length: 5\r\n\r\nbytes")).0;
    let [weak, strong] = ["W/\"a\"", "\"a\""].map(told);
    let mut tags = Vec::new();
    for life in ["one", "other"] {
        let server = Server::start_with(&home, &home.path(life), &["--reach", "anywhere", "--reach-ports", "1-65535"]);
        for port in [weak, strong] {
            tags.push(tag(&ask(&server, "GET", &format!("http://127.0.0.1:{port}/film"), "")));
        }
    }
    assert!(tags.iter().all(|tag| tag.starts_with('"')), "{tags:?}");
    assert_ne!(tags[0], tags[2], "each opening of a weak one is a version of its own");
    assert_eq!(tags[1], tags[3], "a strong one is the same everywhere");
}

#[test]
fn trust_32_figures_and_jobs_show_no_secret_of_the_addresses_that_were_asked_for() {
    let (home, site) = (Home::new(), Site::new());
    let item = json!({"files": [{"name": "a.mp4", "format": "MPEG4"}], "metadata": {"title": "Moon"}});
    site.says("/metadata/moon", Page::json(&item));
    let server = serving(&home, &archive("films", &site), &[]);
    let page = "https://archive.org/details/moon?access_token=hush-in-query-of-links";
    assert_eq!(get(&server, &format!("/get-videos?url={}", escaped(page))).status, 200);
    let warmed = post(&server, "/api/warm", &json!({"addresses": ["https://a.example/sig/hush-in-path?token=hush"]}));
    assert_eq!(warmed.status, 200, "{warmed:?}");
    let url = site.url("/bot123:hush-in-path-of-a-film/a.mp4?token=hush");
    assert_eq!(post(&server, "/api/process", &json!({ "url": url })).status, 202);
    for (target, known) in [
        ("/api/caches", "links:films:"),
        ("/api/jobs", "https://a.example/"),
        ("/api/entries", ""),
        ("/api/popular", "[]"),
    ] {
        let told = String::from_utf8(get(&server, target).body).unwrap();
        assert!(told.contains(known), "{told}");
        let at = told.find("hush").map(|at| &told[at.saturating_sub(80)..told.len().min(at + 40)]);
        assert_eq!(at, None, "in {target}");
    }
}
