//! What strangers try over HTTP, each under its number on the page about security.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::origin::{Origin, saying};
use super::site::{Page, Site};
use super::support::{Home, Server};
use super::web::{Answer, addon, archive, escaped, get, send, serving};

const LEN: usize = 1_000_000;

fn film() -> Vec<u8> {
    (0..LEN as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A server that has the film, and what asks for it with further lines of the head.
fn playing() -> (Home, Server, impl Fn(&str) -> Answer) {
    let (home, origin) = (Home::new(), Origin::of(film()));
    let server = Server::start_reaching_anywhere(&home);
    let target = format!("/play?url={}", origin.url("/film.mp4"));
    assert_eq!(get(&server, &target).body, film());
    let address = server.address;
    let ask = move |lines: &str| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n").expect("sent");
        Answer::read(&mut stream)
    };
    (home, server, ask)
}

#[test]
fn trust_01_many_ranges_cost_no_more_than_the_film_twice() {
    let (_home, _server, ask) = playing();
    let list = |ranges: Vec<String>| format!("Range: bytes={}\r\n", ranges.join(","));
    let growing = list((0..1300).map(|end| format!("5-{end}")).collect());
    let overlapping = list((0..500).map(|start| format!("{start}-")).collect());
    let single = list((0..800).map(|at| format!("{0}-{0}", at * 999)).collect());
    for range in [growing, overlapping, single, list(vec!["0-".to_owned(); 1300])] {
        let begun = Instant::now();
        let answer = ask(&range);
        assert!(matches!(answer.status, 200 | 206 | 416), "{}", answer.head);
        assert!(answer.body.len() <= 2 * LEN, "{} bytes", answer.body.len());
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

#[test]
fn trust_02_numbers_without_end_are_answered_with_the_right_bytes() {
    let (_home, _server, ask) = playing();
    for huge in ["9223372036854775808", "18446744073709551616", "999999999999999999999999999999"] {
        let from = ask(&format!("Range: bytes=999990-{huge}\r\n"));
        assert_eq!((from.status, &from.body[..]), (206, &film()[999_990..]), "{huge}");
        let last = ask(&format!("Range: bytes=-{huge}\r\n"));
        assert!(matches!(last.status, 200 | 206) && last.body == film(), "{huge}");
        let beyond = ask(&format!("Range: bytes={huge}-\r\n"));
        assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */1000000")), "{huge}");
    }
}

#[test]
fn trust_03_a_range_of_another_version_is_all_of_this_one() {
    let (_home, _server, ask) = playing();
    let tag = ask("").header("etag").expect("a tag").to_owned();
    let part = |condition: &str| ask(&format!("Range: bytes=10-19\r\nIf-Range: {condition}\r\n"));
    assert_eq!((part(&tag).status, part(&tag).body), (206, film()[10..20].to_vec()));
    for other in ["\"another\"", &format!("W/{tag}"), "Sat, 29 Oct 1994 19:43:31 GMT", "garbage", "*", "\"", ""] {
        let answer = part(other);
        assert_eq!((answer.status, answer.body.len()), (200, LEN), "{other}: {}", answer.head);
    }
}

#[test]
fn trust_04_one_tag_stands_for_the_bytes_in_every_answer() {
    let (_home, _server, ask) = playing();
    let whole = ask("");
    let tag = whole.header("etag").expect("a tag");
    assert!(tag.starts_with('"'), "a strong one: {tag}");
    let (part, same) = (ask("Range: bytes=1-2\r\n"), ask(&format!("If-None-Match: {tag}\r\n")));
    assert_eq!([part.status, same.status], [206, 304]);
    assert_eq!([part.header("etag"), same.header("etag")], [Some(tag); 2]);
    assert_eq!(ask("If-Match: \"another\"\r\nRange: bytes=1-2\r\n").status, 412);
}

#[test]
fn trust_05_an_origin_that_changes_its_film_is_cut_and_never_mixed() {
    let head = "HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-99/5000000\r\n";
    let (port, heads) = saying(format!("{head}Content-Length: 100\r\n\r\n{}", "a".repeat(100)));
    let server = Server::start_reaching_anywhere(&Home::new());
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let target = format!("/play?url=http://127.0.0.1:{port}/film.mp4");
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    assert!(heads.try_recv().is_ok(), "it was asked");
    let text = String::from_utf8_lossy(&told);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // Each further part that it sends claims to be the beginning.
    assert!(text.starts_with("HTTP/1.1 502") || body.len() <= 100, "{} bytes", body.len());
}

/// Files and connections that the server has open.
fn open_files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).expect("Linux").count()
}

#[test]
fn trust_06_players_that_leave_leave_nothing_open() {
    let origin = Origin::of(vec![7; 20_000_000]).throttled(2_000_000);
    let server = Server::start_reaching_anywhere(&Home::new());
    let target = format!("/play?url={}", origin.url("/film.mp4"));
    let leave = || {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=5-\r\n\r\n").expect("sent");
        stream.read_exact(&mut [0; 12]).expect("an answer");
    };
    leave();
    let before = open_files(&server);
    (0..100).for_each(|_| leave());
    let end = Instant::now() + Duration::from_secs(30);
    while open_files(&server) > before + 5 {
        assert!(Instant::now() < end, "{before} files before, {} after", open_files(&server));
        thread::yield_now();
    }
}

#[test]
fn trust_12_a_title_takes_no_address_from_the_request() {
    let (home, site, other) = (Home::new(), Site::new(), Site::new());
    let server = serving(&home, &addon("addon", &site), &[]);
    for name in ["url", "target", "page", "redirect"] {
        let query = format!("{name}={}", escaped(&other.url("/a.mp4")));
        assert_eq!(get(&server, &format!("/play/movie/tt0111161/0?{query}")).status, 400, "{name}");
    }
    assert!(other.heads().is_empty() && site.heads().is_empty());
}

#[test]
fn trust_15_a_redirect_into_this_network_is_not_followed() {
    let inner = Site::new();
    let target = inner.url("/secret");
    let (port, _) = saying(format!("HTTP/1.1 302 x\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"));
    let ports = format!("80,{port}");
    let server =
        Server::start_with(&Home::new(), &Home::new().path("cache"), &["--reach", "anywhere", "--reach-ports", &ports]);
    let answer = get(&server, &format!("/play?url=http://127.0.0.1:{port}/film"));
    assert_eq!(answer.status, 502, "{answer:?}");
    let (port, asked) = saying(String::new());
    let (leading, _) =
        saying(format!("HTTP/1.1 302 x\r\nLocation: file:///etc/passwd?{port}\r\nContent-Length: 0\r\n\r\n"));
    let server = Server::start_reaching_anywhere(&Home::new());
    assert_eq!(get(&server, &format!("/play?url=http://127.0.0.1:{leading}/film")).status, 502);
    assert!(inner.heads().is_empty() && asked.try_recv().is_err(), "nobody else was asked");
}

#[test]
fn trust_17_no_path_leads_out() {
    let server = Server::start(&Home::new());
    for path in [
        "/../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cetc%5cpasswd",
        "/....//....//etc/passwd",
        "/style.css/../../../etc/passwd",
        "/style.css%00.html",
        "/%252e%252e%252fetc%252fpasswd",
        "/..%c0%afetc/passwd",
        "//etc/passwd",
        "/play/movie/..%2f..%2fetc%2fpasswd/0",
        "/api/artifacts/..%2f..%2fetc%2fpasswd",
        "/api/entry?key=..%2f..%2fetc%2fpasswd",
    ] {
        let answer = get(&server, path);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("root:"), "{path}");
    }
}

#[test]
fn trust_24_answers_that_grow_when_they_are_read_are_refused() {
    let (home, site) = (Home::new(), Site::new());
    let server = serving(&home, &archive("films", &site), &[]);
    let page = escaped("https://archive.org/details/moon");
    let deep = "[".repeat(1 << 20);
    let bomb = Page::text("\u{1f}\u{8b}\u{8}");
    for (what, page_of) in [
        ("depth", Page::text(&deep)),
        ("length", Page::text(&"1".repeat(64 << 20))),
        ("gzip", bomb.clone().header("Content-Encoding", "gzip")),
        ("br", bomb.clone().header("Content-Encoding", "br")),
        ("zstd", bomb.header("Content-Encoding", "zstd")),
    ] {
        site.says("/metadata/moon", page_of);
        let answer = get(&server, &format!("/get-videos?url={page}&provider=films"));
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("Linux");
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    assert!(peak.is_some_and(|kib| kib < 400 << 10), "{peak:?} KiB at most");
}

#[test]
fn trust_28_asking_changes_nothing() {
    let server = Server::start(&Home::new());
    for target in ["/api/sweep", "/api/verify", "/api/warm", "/api/links/report"] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(send(&server, &format!("{method} {target}"), "").status, 405, "{method} {target}");
        }
    }
    for method in ["TRACE", "PATCH", "PROPFIND"] {
        assert_eq!(send(&server, &format!("{method} /api/entries"), "").status, 405, "{method}");
    }
}

#[test]
fn trust_30_what_is_cleared_is_named_in_few_bytes_and_counted_first() {
    let (_home, server, _ask) = playing();
    let clear = |pattern: &str, more: &str| send(&server, &format!("DELETE /api/entries?pattern={pattern}{more}"), "");
    let count = || get(&server, "/api/entries").json()["entries"].as_array().map_or(0, Vec::len);
    let many = count();
    assert!(many > 0);
    assert_eq!(clear(&"*".repeat(2000), "").status, 400);
    let begun = Instant::now();
    assert_eq!(clear(&"*a".repeat(400), "").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for nothing in ["(a%2B)%2B", "[a-z]*", ".*"] {
        assert_eq!(clear(nothing, "").status, 200, "{nothing} is no expression");
    }
    assert_eq!(clear("*", "&dry_run=true").status, 200);
    assert_eq!(count(), many, "counted and no more");
    assert_eq!(clear("*", "").status, 200);
    assert_eq!(count(), 0);
}

#[test]
fn trust_31_every_answer_tells_browsers_to_believe_what_it_says() {
    let server = Server::start(&Home::new());
    for target in ["/", "/style.css", "/health", "/api/cache-stats", "/metrics", "/nowhere", "/play"] {
        let answer = get(&server, target);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{target}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src '") && !policy.contains("unsafe"), "{target}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{target}: {policy}");
    }
}

/// A server whose log is read to its end.
fn logging(home: &Home, variables: &[(&str, &str)]) -> (Server, thread::JoinHandle<String>) {
    let mut command = home.reelcache();
    command.args(["serve", "--listen", "127.0.0.1:0", "--reach", "anywhere", "--reach-ports", "1-65535"]);
    let mut server = Server::start_command(command.env("RUST_LOG", "debug").envs(variables.iter().copied()));
    let mut log = server.child.stderr.take().expect("its log");
    let read = move || {
        let mut text = Vec::new();
        let _ = log.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    (server, thread::spawn(read))
}

#[test]
fn trust_32_logs_and_answers_show_no_secret_and_a_stranger_writes_no_line_of_them() {
    let (home, origin) = (Home::new(), Origin::of(film()));
    let variables = [
        ("CACHE_TIERS", "memory,redis"),
        ("CACHE_REDIS_URL", "redis://user:hush-redis@127.0.0.1:1"),
        ("CACHE_SIGNING_KEY", "hush-signing-key-of-this"),
        ("REELCACHE_READ_TOKEN", "hush-reader-of-this"),
        ("REELCACHE_TORRENTS_PATIENCE", "1s"),
        ("REELCACHE_TORRENTS_DHT", "false"),
    ];
    let (server, log) = logging(&home, &variables);
    let (red, _) = saying("HTTP/1.1 500 \u{1b}[31mred\r\nContent-Length: 0\r\n\r\n".into());
    let (elsewhere, _) = saying("HTTP/1.1 302 x\r\nLocation: http://me:hush-in-redirect@a.example/\r\n\r\n".into());
    let magnet =
        "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&tr=http://127.0.0.1:1/hush-passkey/announce";
    let mut told = Vec::new();
    for url in [
        &origin.url("/film.mp4?X-Amz-Signature=hush-signature&token=hush-token"),
        &origin.url("/missing.mp4?X-Amz-Signature=hush-signature"),
        &origin.url("/missing/hush-in-path.mp4"),
        "http://me:hush-password@127.0.0.1/a.mp4",
        "http://films.example/a\r\nforged line\u{1b}[31m",
        "nonsense\r\nforged line\u{1b}]0;title\u{7}",
        &format!("http://127.0.0.1:{red}/a.mp4"),
        &format!("http://127.0.0.1:{elsewhere}/a.mp4"),
        "http://127.0.0.1:1/a.mp4?sig=hush-refused",
        magnet,
    ] {
        told.push(get(&server, &format!("/play?url={}", escaped(url))).head);
        let answer = get(&server, &format!("/play?url={}", escaped(url)));
        if answer.status != 200 {
            told.push(String::from_utf8_lossy(&answer.body).into_owned());
        }
    }
    let reader = "Authorization: Bearer hush-reader-of-this";
    for target in ["/api/jobs", "/api/entries", "/api/cache-stats", "/api/cache-config", "/metrics", "/ready"] {
        let answer = send(&server, &format!("GET {target}\r\n{reader}"), "");
        told.extend([answer.head, String::from_utf8_lossy(&answer.body).into_owned()]);
    }
    send(&server, "GET /api/jobs\r\nAuthorization: Bearer hush-guessed-by-somebody", "");
    server.stop("-TERM");
    let log = log.join().expect("no panic");
    assert!(log.contains("a request has no answer"), "{log}");
    for (place, text) in [("log", &log), ("answer", &told.join("\n"))] {
        let line = text.lines().find(|line| line.contains("hush"));
        assert_eq!(line, None, "in the {place}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "in the {place}: {text}");
    }
    let stray = log.lines().find(|line| !line.starts_with("20") && !line.starts_with("reelcache: "));
    assert_eq!(stray, None, "a line that nobody logged");
}
