//! The ways to Redis that are measured: Reelcache, the client library below it, and another library.

use std::time::Duration;

use bytes::Bytes;
use cache_core::{Backend, Entry, Hlc, Key, Meta, SystemClock};
use cache_redis::{RedisBackend, RedisOptions};
use fred::clients::Pool;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::Config;
use fred::types::{Builder, Expiration, RespVersion};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use std::sync::Arc;

/// Connections of those that have several.
const CONNECTIONS: usize = 4;
/// The life of what is put.
const LIFE: Duration = Duration::from_hours(1);

/// One way to Redis.
pub(crate) enum Contender {
    Reelcache { backend: Box<RedisBackend>, stamps: Hlc },
    Fred(Pool),
    Redis(MultiplexedConnection),
}

/// All ways to the server at `port`, ours first.
pub(crate) async fn all(port: u16) -> Vec<(&'static str, Arc<Contender>)> {
    let options = RedisOptions::single("127.0.0.1", port).connections(CONNECTIONS);
    let backend = Box::new(RedisBackend::open(options).await.expect("a backend"));
    let reelcache = Contender::Reelcache { backend, stamps: Hlc::new(Arc::new(SystemClock::new())) };
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/?protocol=resp3")).expect("a client");
    let multiplexed = client.get_multiplexed_async_connection().await.expect("a connection");
    vec![
        ("Reelcache", Arc::new(reelcache)),
        ("fred, 4 connections", Arc::new(Contender::Fred(fred(port, CONNECTIONS).await))),
        ("fred, 1 connection", Arc::new(Contender::Fred(fred(port, 1).await))),
        ("redis, multiplexed", Arc::new(Contender::Redis(multiplexed))),
    ]
}

impl Contender {
    /// Puts `body` under key `number`.
    pub(crate) async fn put(&self, number: usize, body: Bytes) {
        match self {
            Self::Reelcache { backend, stamps } => {
                let stamp = stamps.tick();
                let mut meta = Meta::new(stamp, stamp.instant());
                meta.stale_until = stamp.instant().after(LIFE);
                backend.put(&key(number), Entry::new(meta, body)).await.expect("a put");
            }
            Self::Fred(pool) => {
                let life = Expiration::PX(LIFE.as_millis() as i64);
                pool.next().set::<(), _, _>(name(number), body, Some(life), None, false).await.expect("a put");
            }
            Self::Redis(connection) => {
                let life = LIFE.as_millis() as u64;
                connection.clone().pset_ex::<_, _, ()>(name(number), &body[..], life).await.expect("a put");
            }
        }
    }

    /// Length of what key `number` has.
    pub(crate) async fn get(&self, number: usize) -> usize {
        match self {
            Self::Reelcache { backend, .. } => {
                backend.get(&key(number)).await.expect("an answer").map_or(0, |entry| entry.body.len())
            }
            Self::Fred(pool) => pool.next().get::<Bytes, _>(name(number)).await.expect("an answer").len(),
            Self::Redis(connection) => {
                connection.clone().get::<_, Vec<u8>>(name(number)).await.expect("an answer").len()
            }
        }
    }
}

pub(crate) fn key(number: usize) -> Key {
    Key::of("video").part("a3f4b2c1").part(number).build().expect("a short key")
}

fn name(number: usize) -> String {
    format!("plain:video:a3f4b2c1:{number}")
}

async fn fred(port: u16, connections: usize) -> Pool {
    let mut config = Config::from_url(&format!("redis://127.0.0.1:{port}")).expect("a configuration");
    config.version = RespVersion::RESP3;
    let pool = Builder::from_config(config).build_pool(connections).expect("a pool");
    pool.init().await.expect("connections");
    pool
}
