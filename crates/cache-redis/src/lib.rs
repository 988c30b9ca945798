//! The Redis and Valkey tier of Reelcache: one server, a cluster, or what sentinels name.
//!
//! Each entry is one string: a *record* of a fixed front, the meta and the body, under a prefix and the key. Scripts on
//! the server compare stamps and lifetimes in the front, so an older put never wins over a newer entry, whoever wrote
//! it; a renewal replaces the meta and leaves the body where it is. Readers verify every byte: a damaged record, a
//! value of somebody else, or a reply that belongs to another key is a miss.
//!
//! ```no_run
//! use cache_core::{Backend, Clock, Entry, HOUR, Hlc, Key, Meta, SystemClock, ttl};
//! use cache_redis::{RedisBackend, RedisOptions};
//! use std::sync::Arc;
//!
//! # async fn example() -> cache_core::Result<()> {
//! let clock = Arc::new(SystemClock::new());
//! let stamps = Hlc::new(clock.clone());
//! let tier = RedisBackend::open(RedisOptions::from_url("redis://127.0.0.1:6379/0?prefix=films:")?).await?;
//!
//! let key = Key::of("video").part("a3f4b2c1").build()?;
//! let meta = Meta::new(stamps.tick(), clock.now()).with_lifetime(ttl(2 * HOUR));
//! tier.put(&key, Entry::new(meta, "the body")).await?;
//! assert_eq!(tier.get(&key).await?.map(|entry| entry.body), Some("the body".into()));
//! # tier.close().await
//! # }
//! ```

mod backend;
mod backplane;
mod error;
mod leases;
mod link;
mod options;
mod record;
mod store;

pub use backend::RedisBackend;
pub use options::{RedisOptions, Start, Trust};
