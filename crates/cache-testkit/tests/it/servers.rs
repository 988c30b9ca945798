//! Servers as child processes: paused, resumed, killed, and gone with their handle.

use std::process::Command;
use std::time::Duration;

use cache_testkit::eventually;
use cache_testkit::servers::{Server, accepts, free_port, program};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(10);

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn sleeper() -> (TempDir, Server) {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new("sleep");
    command.arg("600");
    let server = Server::start(&command, &folder.path().join("log")).unwrap();
    (folder, server)
}

/// The letter of its state, as the kernel says it; `None` when it is gone.
fn state(id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[tokio::test]
async fn a_paused_server_stands_still_until_it_is_resumed() {
    let (_folder, server) = sleeper();
    server.pause().unwrap();
    assert!(eventually(LIMIT, || async { state(server.id()) == Some('T') }).await);
    server.resume().unwrap();
    assert!(eventually(LIMIT, || async { state(server.id()) == Some('S') }).await);
}

#[test]
fn a_dropped_server_is_gone() {
    let (_folder, server) = sleeper();
    let id = server.id();
    drop(server);
    assert_eq!(state(id), None);
}

#[test]
fn a_server_outlives_the_thread_that_asked_for_it() {
    let (_folder, mut server) = std::thread::spawn(sleeper).join().unwrap();
    assert_eq!(server.ended().unwrap(), None);
    assert!(!server.terminate().unwrap().success());
}

#[test]
fn what_a_server_says_is_in_its_log() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new("sh");
    command.args(["-c", "echo $WORD"]).env("WORD", "ready");
    let mut server = Server::start(&command, &log).unwrap();
    // A killed one may not have come to say it.
    while server.ended().unwrap().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(std::fs::read_to_string(log).unwrap(), "ready\n");
}

#[test]
fn a_program_that_is_absent_is_named_with_its_remedy() {
    let error = program("no-such-server").unwrap_err();
    assert!(error.to_string().contains("`no-such-server` is not installed: run `cargo xtask servers`"), "{error}");
}

#[test]
fn a_free_port_is_free() {
    let port = free_port().unwrap();
    assert!(!accepts(([127, 0, 0, 1], port).into()));
    std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
}
