//! A server whose tiers are not open yet.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cache_testkit::servers::program;

use super::support::Home;
use super::web::Answer;

/// Holds the database of the argument until its input ends.
const HOLD: &str = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); \
    c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read(); c.execute('ROLLBACK')";

/// What is said at `target` by whoever listens at `address`, if anybody does.
fn ask(address: SocketAddr, target: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request");
    Some(Answer::read(&mut stream))
}

/// The answer at `/ready` once its status is `status`.
fn ready(address: SocketAddr, status: u16) -> Answer {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let told = ask(address, "/ready");
        match told {
            Some(told) if told.status == status => return told,
            _ => assert!(Instant::now() < end, "/ready is never {status}: {told:?}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_server_whose_tiers_are_being_opened_lives_and_is_not_ready() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("cache/sqlite")).unwrap();
    let python = program("python-schemathesis").expect("Python: `cargo xtask test` installs it");
    let mut holder = Command::new(python)
        .args(["-c", HOLD])
        .arg(home.path("cache/sqlite/cache.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");

    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = home.reelcache();
    server.args(["--tiers", "sqlite", "serve", "--listen", &address.to_string()]).stdout(Stdio::null());
    let mut server = server.spawn().unwrap();
    let told = ready(address, 503);
    assert!(told.json()["detail"].as_str().unwrap().contains("starting"), "{told:?}");
    assert_eq!(told.header("retry-after"), Some("2"));
    // On the same connection it would be told the same for ever.
    let mut kept = TcpStream::connect(address).unwrap();
    kept.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(kept, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut kept).header("connection"), Some("close"));
    assert_eq!(ask(address, "/health").unwrap().status, 200);
    for target in ["/", "/search?query=a", "/api/cache-stats", "/metrics", "/play?url=http://a.example/"] {
        assert_eq!(ask(address, target).unwrap().status, 503, "{target}");
    }

    drop(holder.stdin.take());
    holder.wait().unwrap();
    let told = ready(address, 200);
    assert_eq!(told.json()["status"], "ready");
    assert_eq!(ask(address, "/api/cache-stats").unwrap().json()["backend"], "sqlite");
    server.kill().unwrap();
    server.wait().unwrap();
}
