//! Measures how long an invalidation on one node takes to empty the near tier of another, over one Redis server.
//!
//! `cargo run --release -p cache-redis --example fleet_latency -- redis://127.0.0.1:6379` writes below the prefix
//! `fleet-latency:` there. The loads come from the second node, so each round is: load there, invalidate here, look
//! there until it is gone. The same rounds without looking at the near tier, `publish` to heard, show the server's part.

#![expect(clippy::print_stdout, reason = "its output")]

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Backend, Heard, Key, Mark, Role, Selector, Stamp};
use cache_mem::MemBackend;
use cache_redis::{RedisBackend, RedisOptions};
use cache_tiered::{Cache, Tiered};
use futures_util::StreamExt;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 1_000;
const LIMIT: Duration = Duration::from_secs(10);

struct Node {
    cache: Cache<String>,
    near: Arc<MemBackend>,
}

impl Node {
    async fn new(number: u8, options: RedisOptions) -> Outcome<Self> {
        let near = Arc::new(MemBackend::builder(1 << 20).name("near").build());
        let tiers = Tiered::builder().node(number).tier(near.clone()).tier(RedisBackend::open(options).await?);
        let cache = Cache::builder("strings").tiers(tiers.build()?).build()?;
        Ok(Self { cache, near })
    }

    async fn holds(&self, key: &Key) -> Outcome<bool> {
        let stored = Key::parse(&format!("strings:{key}"))?;
        Ok(self.near.stat(&stored).await?.is_some_and(|meta| meta.role == Role::Value))
    }

    /// Loads `key` and waits until the near tier has it.
    async fn load(&self, key: &Key) -> Outcome<()> {
        self.cache.get_or_load(key, |_| async { Ok::<_, std::io::Error>("value".to_owned()) }).await?;
        while !self.holds(key).await? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let url = env::args().nth(1).ok_or("give the URL of a server")?;
    let options = RedisOptions::from_url(&url)?.prefix("fleet-latency:");
    let told = told(&options).await?;
    let [one, two] = [Node::new(1, options.clone()).await?, Node::new(2, options).await?];
    let probe = Key::of("probe").build()?;
    two.load(&probe).await?;
    // Until what one says is heard by two: who listens tells nobody.
    let start = Instant::now();
    while two.holds(&probe).await? {
        if start.elapsed() > LIMIT {
            return Err("the nodes do not hear each other".into());
        }
        one.cache.invalidate(&Selector::Key(probe.clone())).await?;
    }
    let mut gone = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let key = Key::of("film").part(round).build()?;
        two.load(&key).await?;
        let start = Instant::now();
        one.cache.invalidate(&Selector::Key(key.clone())).await?;
        let invalidated = start.elapsed();
        while two.holds(&key).await? {
            if start.elapsed() > LIMIT {
                return Err(format!("round {round}: never gone").into());
            }
            tokio::task::yield_now().await;
        }
        gone.push((start.elapsed(), invalidated));
    }
    report("publish until heard", told);
    report("invalidate until its answer", gone.iter().map(|(_, answer)| *answer).collect());
    report("invalidate until gone elsewhere", gone.iter().map(|(gone, _)| *gone).collect());
    Ok(())
}

/// From the telling of a mark to the hearing of it.
async fn told(options: &RedisOptions) -> Outcome<Vec<Duration>> {
    let backend = RedisBackend::open(options.clone()).await?;
    let backplane = backend.backplane().ok_or("no backplane")?;
    let mut heard = backplane.subscribe(None);
    heard.next().await.ok_or("no gap at the beginning")??;
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mark = Mark { selector: Selector::Key(Key::of("film").part(round).build()?), stamp: Stamp::ZERO };
        let start = Instant::now();
        let (told, heard) = tokio::join!(backplane.publish(&mark), heard.next());
        told?;
        if !matches!(heard.ok_or("the end")??, Heard::Mark(heard, _) if heard == mark) {
            return Err("another mark was heard".into());
        }
        times.push(start.elapsed());
    }
    Ok(times)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    println!("{what}: p50 {:?}, p99 {:?}, of {} rounds", at(50), at(99), times.len());
}
