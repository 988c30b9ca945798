//! Servers for tests: shared ones for what disturbs nobody, own ones for faults.

mod cluster;
mod raw;
mod sentinel;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{self, Command};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::{Clock, SystemClock};
use cache_redis::RedisOptions;
use cache_testkit::servers::{Server, free_port, program};
use tempfile::TempDir;

pub(crate) use cluster::Cluster;
pub(crate) use raw::{Raw, Said};
pub(crate) use sentinel::Watched;

/// How long a server may take to start.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A server of one test.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) server: Server,
    pub(crate) port: u16,
    command: Command,
    folder: TempDir,
}

impl Redis {
    /// A `redis-server` with `args` besides its port, which keeps nothing on disk unless they say so.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_program("redis-server", args)
    }

    pub(crate) fn start_program(name: &str, args: &[&str]) -> Self {
        let port = free_port().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program(name).unwrap());
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--dir", folder.path().to_str().unwrap(), "--enable-debug-command", "yes"]).args(args);
        let server = Server::start(&command, &folder.path().join("log")).unwrap();
        let redis = Self { server, port, command, folder };
        redis.wait();
        redis
    }

    /// Starts it again, at the same port, after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.start_again_without_waiting();
        self.wait();
    }

    pub(crate) fn start_again_without_waiting(&mut self) {
        self.server = Server::start(&self.command, &self.folder.path().join("log")).unwrap();
    }

    pub(crate) fn raw(&self) -> Raw {
        Raw::connect(self.port).unwrap()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn options(&self) -> RedisOptions {
        RedisOptions::single("127.0.0.1", self.port)
    }

    fn wait(&self) {
        wait_for("the server answers", || Raw::connect(self.port).is_ok_and(|mut raw| raw.answers()));
    }
}

/// A server, given by its variable or started for this process.
struct Shared {
    url: String,
    /// Kept for the life of the process.
    _servers: Option<Box<dyn Send + Sync>>,
}

impl Shared {
    fn new<S: Send + Sync + 'static>(variable: &str, start: impl FnOnce() -> (String, S)) -> Self {
        if let Ok(url) = env::var(variable) {
            return Self { url, _servers: None };
        }
        let (url, servers) = start();
        Self { url, _servers: Some(Box::new(servers)) }
    }
}

static REDIS: LazyLock<Shared> = LazyLock::new(|| Shared::new("REELCACHE_TEST_REDIS", || one("redis-server")));
static VALKEY: LazyLock<Shared> = LazyLock::new(|| Shared::new("REELCACHE_TEST_VALKEY", || one("valkey-server")));
static CLUSTER: LazyLock<Shared> = LazyLock::new(|| {
    Shared::new("REELCACHE_TEST_REDIS_CLUSTER", || {
        let cluster = Cluster::start();
        (cluster.url(), cluster)
    })
});

/// A server that tests share, each under a prefix of its own.
pub(crate) fn redis() -> RedisOptions {
    shared(&REDIS)
}

/// As [`redis`], a current Valkey.
pub(crate) fn valkey() -> RedisOptions {
    shared(&VALKEY)
}

/// As [`redis`], a cluster of three nodes.
pub(crate) fn cluster() -> RedisOptions {
    shared(&CLUSTER)
}

/// Waits until `holds`, and fails when that takes too long.
pub(crate) fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn one(name: &str) -> (String, Redis) {
    let redis = Redis::start_program(name, &[]);
    (format!("redis://127.0.0.1:{}", redis.port), redis)
}

fn shared(shared: &Shared) -> RedisOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let started = SystemClock::new().now().as_millis();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let options = RedisOptions::from_url(&shared.url).unwrap();
    options.prefix(format!("test-{}-{started}-{number}:", process::id()))
}
