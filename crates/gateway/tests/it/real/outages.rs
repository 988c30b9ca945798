//! A stack of memory, file, Redis and an object store, while some of them are away.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cache_core::{Backend, Clock, Entry, Hlc, Key, KeyPrefix, Meta, Selector, SystemClock};
use cache_file::{FileBackend, FileConfig};
use cache_layers::Breaker;
use cache_mem::MemBackend;
use cache_redis::{RedisBackend, RedisOptions, Start};
use cache_s3::{ObjectBackend, ObjectConfig};
use cache_testkit::eventually;
use cache_testkit::proxy::{Proxy, Weather};
use cache_testkit::servers::{Server, accepts, free_port, program};
use cache_tiered::Tiered;
use tempfile::TempDir;

use super::s3;

const KEYS: u32 = 100;
/// How long a call of Redis and one of the object store may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a crowded machine may add.
const SLACK: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_mins(1);
/// How long a stopped server stays so.
const STOP: Duration = Duration::from_secs(5);

/// A Redis server that syncs every write, and both networks.
struct World {
    redis: Server,
    command: Command,
    to_redis: Proxy,
    to_s3: Proxy,
    s3: String,
    port: u16,
    dir: TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port().expect("a port");
        let mut command = Command::new(program("redis-server").expect("a server"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(dir.path());
        let url = s3();
        let endpoint =
            url.split("endpoint=http://").nth(1).and_then(|rest| rest.split('&').next()).expect("an endpoint");
        let to_s3 = Proxy::to(endpoint.parse().expect("an address")).await.expect("a proxy");
        let s3 = url.replace(endpoint, &to_s3.addr().to_string());
        let to_redis = Proxy::to(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("a proxy");
        let redis = start(&command, dir.path(), port).await;
        Self { redis, command, to_redis, to_s3, s3, port, dir }
    }

    /// A node of the fleet; with a file tier when it has a folder.
    async fn node(&self, folder: Option<&Path>) -> Tiered {
        let options = RedisOptions::single("127.0.0.1", self.to_redis.addr().port());
        let redis = RedisBackend::open(options.command_timeout(PATIENCE).start(Start::Lazy)).await.expect("redis");
        let config = ObjectConfig::parse(&self.s3).expect("an address").timeout(PATIENCE);
        let s3 = ObjectBackend::open(config).await.expect("an object store");
        // Room for hardly anything: what is read comes from further down.
        let mut stack = Tiered::builder().tier(MemBackend::new(4 << 10));
        if let Some(folder) = folder {
            stack = stack.tier(FileBackend::open(FileConfig::new(folder)).await.expect("a file tier"));
        }
        stack.tier(Breaker::new(redis)).tier(Breaker::new(s3)).build().expect("a stack")
    }
}

async fn start(command: &Command, folder: &Path, port: u16) -> Server {
    let server = Server::start(command, &folder.join("log")).expect("a server");
    assert!(eventually(LIMIT, || async { accepts(([127, 0, 0, 1], port).into()) }).await, "the server does not start");
    server
}

fn key(number: u32) -> Key {
    Key::of(if number.is_multiple_of(2) { "even" } else { "odd" }).part(number).build().expect("a key")
}

async fn fill(stack: &Tiered) {
    let clock = std::sync::Arc::new(SystemClock::new());
    let stamps = Hlc::new(clock.clone());
    for number in 0..KEYS {
        let entry = Entry::new(Meta::new(stamps.tick(), clock.now()), vec![number as u8; 2_000]);
        stack.put(&key(number), entry).await.expect("a put");
    }
    assert!(has_caught_up(stack).await, "not everything is everywhere: {:?}", stack.stats().await);
}

/// Whether every tier has, in the end, what it has missed.
async fn has_caught_up(stack: &Tiered) -> bool {
    let nothing_waits = || async {
        let stats = stack.stats().await;
        stats.tiers.iter().all(|tier| tier.recovery.queued == 0 && tier.backlog == 0)
    };
    eventually(LIMIT, nothing_waits).await
}

/// Reads all; how long the longest took.
async fn read_all(stack: &Tiered) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 0..KEYS {
        let start = Instant::now();
        let found = stack.get(&key(number)).await.expect("an answer");
        longest = longest.max(start.elapsed());
        let found = found.map(|entry| entry.body == vec![number as u8; 2_000]);
        assert_eq!(found, Some(true), "{number} of what a healthy tier has: {:?}", stack.stats().await);
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_healthy_tier_has_is_read_while_others_hang() {
    let world = World::new().await;
    let (with_file, without) = (world.node(Some(&world.dir.path().join("one"))).await, world.node(None).await);
    fill(&with_file).await;
    assert!(read_all(&without).await < PATIENCE + SLACK);

    world.to_redis.set(Weather::Hang);
    assert!(read_all(&without).await < PATIENCE + SLACK, "the object store has all");
    assert!(read_all(&with_file).await < PATIENCE + SLACK, "the file tier has all, and the object store agrees");
    world.to_redis.set(Weather::Clear);
    let read = || async { without.get(&key(1)).await.is_ok_and(|found| found.is_some()) };
    assert!(eventually(LIMIT, read).await, "Redis is asked again");

    world.to_s3.set(Weather::Hang);
    assert!(read_all(&with_file).await < PATIENCE + SLACK, "the file tier has all, and Redis agrees");
    world.to_s3.set(Weather::Clear);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_stopped_for_5_s_costs_no_read_and_its_late_replies_answer_nobody() {
    let world = World::new().await;
    let stack = world.node(None).await;
    fill(&stack).await;
    world.redis.pause().expect("a stop");
    let (stopped, mut reads, mut longest) = (Instant::now(), 0, Vec::new());
    while stopped.elapsed() < STOP {
        longest.push(read_all(&stack).await);
        reads += KEYS;
    }
    world.redis.resume().expect("it goes on");
    let resumed = Instant::now();
    for _ in 0..5 {
        longest.push(read_all(&stack).await);
        reads += KEYS;
    }
    let worst = longest.iter().max().copied().unwrap_or_default();
    longest.sort_unstable();
    let usual = longest[longest.len() / 2];
    assert!(worst < PATIENCE + SLACK, "{worst:?}");
    assert!(has_caught_up(&stack).await, "the backlog is not drained: {:?}", stack.stats().await);
    println!(
        "Redis stopped for {STOP:?}: {reads} reads, 0 failed, 0 wrong; the slowest of {KEYS} took {worst:?} at most, {usual:?} \
         as a rule; caught up {:?} after it went on",
        resumed.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_invalidated_during_an_outage_stays_away_after_it() {
    let mut world = World::new().await;
    let stack = world.node(Some(&world.dir.path().join("one"))).await;
    fill(&stack).await;

    world.redis.kill().expect("a kill");
    for number in (1..KEYS).step_by(10) {
        // It says that Redis has not heard of it yet.
        let removed = stack.remove(&key(number)).await;
        assert!(removed.is_err(), "{number}");
    }
    let even = KeyPrefix::below(&Key::of("even").build().expect("a key"));
    stack.invalidate(&Selector::Prefix(even)).await.expect("an invalidation");
    world.redis = start(&world.command, world.dir.path(), world.port).await;
    assert!(has_caught_up(&stack).await, "the backlog is not drained: {:?}", stack.stats().await);

    let fresh = world.node(None).await;
    for (name, stack) in [("its own", &stack), ("another", &fresh)] {
        for number in 0..KEYS {
            let gone = number.is_multiple_of(2) || number % 10 == 1;
            let found = stack.get(&key(number)).await.expect("an answer");
            assert_eq!(found.is_none(), gone, "{number} in {name} stack: {:?}", stack.stats().await);
        }
    }
    let stats = stack.stats().await;
    let lost: u64 =
        stats.tiers.iter().map(|tier| tier.recovery.lost + tier.recovery.dropped + tier.backlog_dropped).sum();
    assert_eq!(lost, 0, "{stats:?}");
}
