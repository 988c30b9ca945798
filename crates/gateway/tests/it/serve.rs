//! `reelcache serve`: what it answers, and how it ends.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::support::{Home, Server, origin, stderr};

#[test]
fn health_figures_and_the_first_page() {
    let home = Home::new();
    let server = Server::start(&home);

    let health = server.ask("/health", "localhost");
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"ok\""), "{health}");

    let stats = server.ask("/api/cache-stats", "127.0.0.1");
    let body = stats.split("\r\n\r\n").nth(1).expect("a body");
    let stats: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let names: Vec<_> = stats["tiers"].as_array().unwrap().iter().map(|tier| tier["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["memory", "file"]);

    let page = server.ask("/plain", "localhost");
    assert!(page.contains("text/html") && page.contains("memory") && page.contains("file"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(server.ask("/nowhere", "localhost").starts_with("HTTP/1.1 404"));
}

#[test]
fn trust_28_a_page_elsewhere_cannot_read_it_through_a_name_of_its_own() {
    let home = Home::new();
    let server = Server::start(&home);
    assert!(server.ask("/api/cache-stats", "rebound.example").starts_with("HTTP/1.1 421"));
}

#[test]
fn signals_end_it_and_lose_nothing() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    home.process(&clip);
    for signal in ["-TERM", "-INT"] {
        let (code, printed) = Server::start(&home).stop(signal);
        assert_eq!(code, Some(0), "{signal}");
        assert!(printed.contains("stopped"), "{printed}");
    }
    assert_eq!(origin(&home.process(&clip), "keyframes", 0), "file");
}

#[test]
fn a_second_process_on_the_directory_is_told_who_has_it() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let server = Server::start(&home);
    let run = home.process(&clip);
    assert_eq!(run.status.code(), Some(5));
    let text = stderr(&run);
    assert!(text.contains("in use") && text.contains(&server.child.id().to_string()), "{text}");
    drop(server);
    assert!(home.process(&clip).status.success(), "killed, the server leaves the directory usable");
}

#[test]
fn a_taken_port_is_an_error_that_says_so() {
    let (home, other) = (Home::new(), Home::new());
    let server = Server::start(&home);
    let run = other.reelcache().args(["serve", "--listen", &server.address.to_string()]).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("--listen"), "{}", stderr(&run));
}

#[test]
fn trust_28_it_listens_on_loopback_only() {
    let home = Home::new();
    let run = home.reelcache().args(["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains("loopback"), "{}", stderr(&run));
}

#[test]
fn a_second_signal_cuts_what_still_runs() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    // An answer on a later connection shows that the half request was taken in.
    server.ask("/health", "localhost");
    let begun = std::time::Instant::now();
    server.signal("-TERM");
    while !server.ask("/ready", "localhost").starts_with("HTTP/1.1 503") {
        std::thread::yield_now();
    }
    let (code, _) = server.stop("-INT");
    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn a_directory_whose_name_is_no_text_is_served() {
    let home = Home::new();
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"cache");
    let odd = home.path(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"odd\xFF")).join(name);
    let server = Server::start_in(&home, &odd);
    assert!(server.ask("/api/cache-stats", "localhost").starts_with("HTTP/1.1 200"));
}
