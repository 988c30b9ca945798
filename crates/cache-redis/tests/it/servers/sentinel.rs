//! `Watched`: a primary and its replica, watched by a sentinel.

use std::fs;
use std::process::Command;

use cache_testkit::servers::{Server, free_port, program};
use tempfile::TempDir;

use super::{Raw, Redis, wait_for};

/// A primary and its replica, watched by a sentinel.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) primary: Redis,
    pub(crate) replica: Redis,
    pub(crate) sentinel_port: u16,
    _sentinel: Server,
    _folder: TempDir,
}

impl Watched {
    pub(crate) fn start() -> Self {
        let primary = Redis::start(&["--repl-diskless-sync-delay", "0"]);
        let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]);
        let sentinel_port = free_port().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {sentinel_port}\nbind 127.0.0.1\nsentinel monitor films 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds films 500\nsentinel failover-timeout films 2000\n",
            primary.port
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program("redis-server").unwrap());
        command.arg(&file).arg("--sentinel");
        let sentinel = Server::start(&command, &folder.path().join("log")).unwrap();
        wait_for("the replica is in step", || {
            replica.raw().say("INFO replication").text().contains("master_link_status:up")
        });
        wait_for("the sentinel knows the replica", || {
            let known = Raw::connect(sentinel_port).map(|mut raw| raw.say("SENTINEL master films"));
            known.is_ok_and(|known| {
                format!("{known:?}").contains(&format!("{:?}", b"num-slaves".to_vec())) && replicas(sentinel_port) == 1
            })
        });
        Self { primary, replica, sentinel_port, _sentinel: sentinel, _folder: folder }
    }

    /// Whether the replica serves as a primary. A sentinel that promotes it ends all its connections: who asks just then
    /// gets no answer.
    pub(crate) fn has_promoted(&self) -> bool {
        let said = Raw::connect(self.replica.port).and_then(|mut raw| raw.try_ask(&[b"INFO", b"replication"]));
        said.is_ok_and(|said| said.text().contains("role:master"))
    }
}

fn replicas(sentinel_port: u16) -> usize {
    let said = Raw::connect(sentinel_port).map(|mut raw| raw.say("SENTINEL replicas films"));
    if let Ok(super::Said::Many(replicas)) = said { replicas.len() } else { 0 }
}
