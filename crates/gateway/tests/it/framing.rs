//! Requests byte by byte: what is no request, or could be taken for two, is refused, and its connection ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::support::{Home, Server};
use super::web::Answer;

/// A request that would be answered with 200.
const SECOND: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Far below the time that a connection may wait for a request.
const SOON: Duration = Duration::from_secs(5);

/// Sends `bytes` and reads until the server closes, which it has to do soon; the statuses of its answers.
fn answers(server: &Server, bytes: &[u8]) -> Vec<u16> {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a limit");
    // A server that has seen enough may have left.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let ended = stream.read_to_end(&mut all);
    let is_open = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!is_open, "still open after {:?}", String::from_utf8_lossy(bytes));
    let text = String::from_utf8_lossy(&all).into_owned();
    let statuses = text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().expect("a status"));
    statuses.collect()
}

/// That `head`, with a second request as its body, is answered with one of `expected` and nothing else.
fn assert_refused(server: &Server, head: &str, expected: &[u16]) {
    let answers = answers(server, format!("{head}{SECOND}").as_bytes());
    assert!(matches!(answers[..], [status] if expected.contains(&status)), "{head:?}: {answers:?}");
}

#[test]
fn trust_07_a_request_whose_end_is_unclear_is_refused_and_its_connection_ends() {
    let server = Server::start(&Home::new());
    for lines in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 4",
        "Content-Length: +4",
        "Content-Length: -1",
        "Content-Length: 0x4",
        "Content-Length: 99999999999999999999",
        "Content-Length:",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Content-Length : 3",
        "X-Folded: a\r\n b",
        "\tX-Folded: a",
        "X-Nul: a\0b",
        "X-Return: a\rb",
        "X Space: a",
        "no colon",
    ] {
        let head = format!("POST /get-videos HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n");
        assert_refused(&server, &head, &[400, 411, 501]);
    }
    for chunks in ["0\r\n\r\n", "zz\r\nabc\r\n0\r\n\r\n", "-1\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n"] {
        let head = "POST /get-videos HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_refused(&server, &format!("{head}{chunks}"), &[411]);
    }
    for line in ["GET  /health HTTP/1.1", "GET /health HTTP/9.9", "GET /he alth HTTP/1.1", "G\0T / HTTP/1.1"] {
        assert_refused(&server, &format!("{line}\r\nHost: localhost\r\n\r\n"), &[400, 505]);
    }
}

#[test]
fn trust_07_the_body_of_a_get_is_never_a_request() {
    let server = Server::start(&Home::new());
    let inner = "GET /providers HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let outer =
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{inner}{SECOND}", inner.len());
    let answered = answers(&server, outer.as_bytes());
    assert!(answered == [200] || answered == [200, 200], "{answered:?}");
    // Of one that is sent in two, the rest is not read as another one.
    let (first, rest) = outer.split_at(outer.find("GET /providers").unwrap() + 9);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    let _ = stream.write_all(rest.as_bytes());
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    assert!(
        !String::from_utf8_lossy(&told).contains("\"providers\""),
        "/providers was answered: {}",
        String::from_utf8_lossy(&told)
    );
}

#[test]
fn trust_08_a_request_names_one_host_and_its_target_no_other() {
    let server = Server::start(&Home::new());
    let status = |head: &str| answers(&server, format!("{head}Connection: close\r\n\r\n").as_bytes());
    assert_eq!(status("GET /health HTTP/1.1\r\n"), [400]);
    assert_eq!(status("GET /health HTTP/1.1\r\nHost:\r\n"), [400]);
    assert_eq!(status("GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n"), [400]);
    assert_eq!(status("GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"), [400]);
    assert_eq!(status("GET /health HTTP/1.1\r\nHost: localhost, evil.example\r\n"), [400]);
    assert_eq!(status("GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n"), [400]);
    assert_eq!(status("GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n"), [421]);
    assert_eq!(status("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n"), [501]);
    assert_eq!(status("GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n"), [200]);
}

#[test]
fn trust_09_long_heads_many_headers_and_long_targets_are_refused() {
    let server = Server::start(&Home::new());
    let ask = |target: &str, lines: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        answers(&server, head.as_bytes())
    };
    let lines = |count: usize| "X-Many: a\r\n".repeat(count);
    assert_eq!(ask("/health", &lines(90)), [200]);
    assert_eq!(ask("/health", &lines(101)), [431]);
    assert_eq!(ask("/health", &format!("X-Long: {}\r\n", "a".repeat(12 << 10))), [200]);
    assert_eq!(ask(&format!("/health?{}", "a".repeat(9 << 10)), ""), [414]);
    // A connection that is closed with much unread may take the answer with it.
    for long in [17 << 10, 64 << 10, 1 << 20] {
        let answered = ask("/health", &format!("X-Long: {}\r\n", "a".repeat(long)));
        assert!(answered == [431] || answered.is_empty(), "{long}: {answered:?}");
        let answered = ask(&format!("/{}", "a".repeat(long)), "");
        assert!(matches!(answered[..], [414 | 431] | []), "{long}: {answered:?}");
    }
}

/// A server that does not wait for long.
fn impatient() -> Server {
    Server::start_with_variables(&Home::new(), &[("REELCACHE_HEAD_TIMEOUT", "1s")])
}

/// That the server closes `stream` although `drip` is written into it all the while; what it said.
fn assert_left(stream: &mut TcpStream, drip: &[u8]) -> String {
    let (begun, mut told) = (Instant::now(), Vec::new());
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a limit");
    while begun.elapsed() < Duration::from_secs(20) {
        let left = stream.write_all(drip).is_err();
        let mut piece = [0; 1024];
        match stream.read(&mut piece) {
            Ok(0) => return String::from_utf8_lossy(&told).into_owned(),
            Ok(read) => told.extend_from_slice(&piece[..read]),
            Err(error) if !left && error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return String::from_utf8_lossy(&told).into_owned(),
        }
    }
    panic!("still open: {}", String::from_utf8_lossy(&told))
}

#[test]
fn trust_10_a_head_that_drips_is_not_waited_for() {
    let server = impatient();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
    assert_left(&mut stream, b"a");
    let mut silent = TcpStream::connect(server.address).unwrap();
    assert_left(&mut silent, b"");
}

#[test]
fn trust_10_a_body_that_drips_is_not_waited_for() {
    let server = impatient();
    for target in ["/get-videos", "/api/warm", "/health"] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let told = assert_left(&mut stream, b" ");
        assert!(["HTTP/1.1 408", "HTTP/1.1 405"].iter().any(|status| told.starts_with(status)), "{target}: {told}");
    }
}

#[test]
fn trust_10_a_connection_that_asks_nothing_more_is_closed() {
    let server = impatient();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(assert_left(&mut stream, b"").starts_with("HTTP/1.1 200"));
}

#[test]
fn trust_11_http_2_is_not_spoken() {
    let server = Server::start(&Home::new());
    let preface = answers(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(matches!(preface[..], [400 | 505] | []), "{preface:?}");
    let upgrade = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(answers(&server, upgrade.as_bytes()), [200]);
}

#[test]
fn whatever_is_refused_is_a_problem_of_one_shape() {
    let server = Server::start(&Home::new());
    for (head, status) in [
        ("GET /nowhere", 404),
        ("GET /%ff", 400),
        ("GET /dashboard/nothing.js", 404),
        ("GET /dashboard/%ff", 400),
        ("GET /api/jobs/nothing", 404),
        ("GET /api/jobs/%ff", 400),
        ("DELETE /api/jobs/%ff", 400),
        ("GET /api/artifacts/nothing", 404),
        ("GET /api/artifacts/%ff", 400),
        ("GET /api/artifacts/nothing/frames/%ff.jpg", 400),
        ("GET /api/entries?limit=many", 400),
        ("GET /api/entries?prefix=%25zz", 400),
        ("GET /api/entry", 400),
        ("GET /api/explain?key=", 400),
        ("DELETE /api/entries", 400),
        ("DELETE /api/entries?pattern=a&dry_run=perhaps", 400),
        ("POST /api/verify?tier=-1", 400),
        ("POST /api/warm", 415),
        ("POST /api/process\r\nContent-Type: application/json", 400),
        ("POST /api/cache-config\r\nContent-Type: text/plain", 415),
        ("POST /get-videos", 415),
        ("GET /get-videos", 400),
        ("GET /search", 400),
        ("GET /play", 400),
        ("GET /play/%ff", 400),
        ("PUT /health", 405),
        ("BREW /play", 405),
        ("OPTIONS /search", 405),
    ] {
        for host in ["localhost", "evil.example"] {
            let mut stream = TcpStream::connect(server.address).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
            let (start, lines) = head.split_once("\r\n").unwrap_or((head, ""));
            let lines = if lines.is_empty() { String::new() } else { format!("{lines}\r\n") };
            write!(stream, "{start} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n").expect("sent");
            let answer = Answer::read(&mut stream);
            let status = if host == "localhost" { status } else { 421 };
            assert_eq!(answer.status, status, "{head}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{head}: {answer:?}");
            let told = answer.json();
            assert_eq!(told["status"], status, "{head}: {told}");
            assert!(told["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{head}: {told}");
        }
    }
}
