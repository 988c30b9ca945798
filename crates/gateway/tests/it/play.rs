//! `/play?url=`: ranges, conditions and players while a link is fetched, from an origin that counts what it sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::origin::Origin;
use super::support::{Home, Server};

/// Bytes of the film of these tests: four segments and a piece.
const LEN: usize = 8_500_000;

/// What the kernel takes of an answer that nobody reads, in bytes.
const BUFFERS: usize = 6 << 20;

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .head
            .lines()
            .find(|line| line.split_once(':').is_some_and(|(header, _)| header.eq_ignore_ascii_case(name)))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

fn ask(server: &Server, method: &str, url: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let query = url.replace('%', "%25").replace('&', "%26").replace('#', "%23");
    write!(stream, "{method} /play?url={query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
        .expect("a request");
    let mut bytes = Vec::new();
    // A connection that is cut is a short body.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: bytes.split_off(end + 4) }
}

fn film() -> Vec<u8> {
    (0..LEN as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn a_link_is_fetched_once_whoever_reads_which_part_of_it() {
    let (home, film) = (Home::new(), film());
    let origin = Origin::of(film.clone());
    let server = Server::start_reaching_anywhere(&home);
    let url = origin.url("/A%20film.mp4?token=1");
    let whole = ask(&server, "GET", &url, "");
    assert_eq!((whole.status, whole.body.len()), (200, LEN), "{}", whole.head);
    assert!(whole.body == film);
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-disposition"), Some("inline; filename*=UTF-8''A%20film.mp4"));
    assert_eq!(whole.header("cache-control"), Some("private, no-cache"));
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    let etag = whole.header("etag").expect("a tag").to_owned();
    assert!(etag.starts_with('"'), "a strong one: {etag}");

    let part = ask(&server, "GET", &url, &format!("Range: bytes=5000000-5000009\r\nIf-Range: {etag}\r\n"));
    assert_eq!((part.status, part.body.as_slice()), (206, &film[5_000_000..5_000_010]), "{}", part.head);
    assert_eq!(part.header("content-range"), Some("bytes 5000000-5000009/8500000"));
    assert_eq!(part.header("etag"), Some(&*etag));
    let tail = ask(&server, "GET", &url, &format!("Range: bytes=-394\r\nIf-Match: {etag}\r\n"));
    assert_eq!((tail.status, tail.body.as_slice()), (206, &film[LEN - 394..]));
    let beyond = ask(&server, "GET", &url, &format!("Range: bytes={LEN}-\r\n"));
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */8500000")));
    let head = ask(&server, "HEAD", &url, "");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("8500000"), 0));
    assert_eq!(ask(&server, "GET", &url, &format!("If-None-Match: {etag}\r\n")).status, 304);
    assert_eq!(ask(&server, "GET", &url, "If-Match: \"other\"\r\n").status, 412);
    let both = ask(&server, "GET", &url, "Range: bytes=0-9,8000000-8000009\r\n");
    assert!(both.status == 206 && both.header("content-type").unwrap_or_default().starts_with("multipart/byteranges"));
    assert_eq!(both.header("content-length"), Some(&*both.body.len().to_string()));
    // A stream that is given up has filled the kernel's buffers.
    assert!(origin.sent() < LEN + BUFFERS, "{} bytes were fetched, from {:?}", origin.sent(), origin.starts());

    drop(server);
    let server = Server::start_reaching_anywhere(&home);
    let before = origin.sent();
    let again = ask(&server, "GET", &url, "");
    assert!(again.body == film && again.header("etag") == Some(&*etag), "after a restart");
    assert_eq!(origin.sent(), before, "from the disk");
}

#[test]
fn a_part_that_is_not_there_yet_is_waited_for_and_never_shortened() {
    let (home, film) = (Home::new(), film());
    let origin = Origin::of(film.clone()).throttled(4_000_000);
    let server = Server::start_reaching_anywhere(&home);
    let url = origin.url("/film.mkv");
    let started = Instant::now();
    let part = ask(&server, "GET", &url, "Range: bytes=6000000-6999999\r\n");
    assert_eq!((part.status, part.body.len()), (206, 1_000_000), "{}", part.head);
    assert!(part.body == film[6_000_000..7_000_000]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn what_has_no_ranges_or_no_length_is_played_from_its_beginning() {
    for origin in [Origin::of(film()).without_ranges(), Origin::of(film()).without_length()] {
        let home = Home::new();
        let server = Server::start_reaching_anywhere(&home);
        let url = origin.url("/film.webm");
        let whole = ask(&server, "GET", &url, "");
        assert_eq!(whole.status, 200, "{}", whole.head);
        let part = ask(&server, "GET", &url, "Range: bytes=8000000-8000009\r\n");
        assert_eq!((part.status, part.body.as_slice()), (206, &film()[8_000_000..8_000_010]), "{}", part.head);
    }
}

#[test]
fn an_origin_that_breaks_off_for_good_ends_the_connection_before_the_end() {
    let (home, film) = (Home::new(), film());
    let origin = Origin::of(film.clone()).breaking_at(3_000_000);
    let server = Server::start_reaching_anywhere(&home);
    let answer = ask(&server, "GET", &origin.url("/film.mp4"), "");
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("8500000")));
    assert!(answer.body.len() < LEN, "{} bytes came", answer.body.len());
    assert!(answer.body == film[..answer.body.len()]);
}

#[test]
fn trust_31_pages_and_scripts_are_bytes_to_browsers() {
    let home = Home::new();
    let origin = Origin::of(b"<script>alert(1)</script>".to_vec()).with_type("text/html");
    let server = Server::start_reaching_anywhere(&home);
    let answer = ask(&server, "GET", &origin.url("/page"), "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
}

#[test]
fn trust_15_nothing_is_fetched_from_this_machine_or_its_network_however_it_is_written() {
    let home = Home::new();
    let origin = Origin::of(film());
    let server = Server::start_with(&home, &home.path("cache"), &["--reach-ports", "1-65535"]);
    let port = origin.address().port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "127.1",
        "127.0.0.1.",
        "0177.0.0.1",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[::]",
        "127%2e0%2e0%2e1",
    ];
    for host in hosts {
        let answer = ask(&server, "GET", &format!("http://{host}:{port}/film.mp4"), "");
        assert_eq!(answer.status, 502, "{host}: {}", answer.head);
        assert!(String::from_utf8_lossy(&answer.body).contains("at an address that is not fetched from"));
    }
    for url in ["file:///etc/passwd", "javascript:alert(1)", "ftp://a.example/x", "//a.example/x", "nonsense", ""] {
        assert_eq!(ask(&server, "GET", url, "").status, 400, "{url}");
    }
    assert_eq!(origin.sent(), 0);
}

#[test]
fn an_origin_that_refuses_is_told_without_its_address() {
    let home = Home::new();
    let origin = Origin::of(film());
    let server = Server::start_reaching_anywhere(&home);
    let answer = ask(&server, "GET", &origin.url("/missing?token=hush"), "");
    assert_eq!(answer.status, 502);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains("hush") && !text.contains("127.0.0.1"), "{text}");
}

#[test]
fn a_real_player_seeks_in_a_film_that_is_still_being_fetched() {
    for layout in ["+faststart", "-faststart"] {
        let home = Home::new();
        let clip = home.path("film.mp4");
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=duration=60:size=640x360:rate=25"])
            .args(["-b:v", "1500k", "-minrate", "1500k", "-maxrate", "1500k", "-bufsize", "300k", "-g", "50"])
            .args(["-pix_fmt", "yuv420p", "-movflags", layout])
            .arg(&clip)
            .output()
            .expect("ffmpeg runs: `cargo xtask test` installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let film = std::fs::read(&clip).expect("a clip");
        let len = film.len();
        let origin = Origin::of(film).throttled(3_000_000);
        let server = Server::start_reaching_anywhere(&home);
        let url = format!("http://{}/play?url={}", server.address, origin.url("/film.mp4"));
        for at in ["50", "10"] {
            let frame = |input: &str| {
                let run = Command::new("ffmpeg")
                    .args(["-v", "error", "-ss", at, "-i", input])
                    .args(["-frames:v", "1", "-f", "framemd5", "-"])
                    .output()
                    .expect("ffmpeg runs");
                assert!(run.status.success(), "{layout} at {at}: {}", String::from_utf8_lossy(&run.stderr));
                String::from_utf8_lossy(&run.stdout).into_owned()
            };
            assert_eq!(frame(&url), frame(clip.to_str().expect("a path")), "{layout}: the frame at {at} s");
        }
        assert!(origin.sent() <= len + 3 * (4 << 20), "{} of {len} bytes were fetched", origin.sent());
    }
}
