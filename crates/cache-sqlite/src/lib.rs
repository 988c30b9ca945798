//! The SQLite tier of Reelcache: one database file in WAL mode, shared by any number of processes of one machine.
//!
//! One thread writes, in groups of one transaction each; a few connections read. What was acknowledged survives the
//! process, however it ends, and the power too if asked. Every read verifies checksums: a damaged entry is a miss, a
//! damaged file is moved aside and a new one begun.
//!
//! It is also the worked example of docs/writing-a-backend.md.
//!
//! ```
//! use cache_core::{Backend, Clock, Entry, Hlc, Key, Meta, SystemClock};
//! use cache_sqlite::{SqliteBackend, SqliteConfig};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> cache_core::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("cache.db");
//! let clock = Arc::new(SystemClock::new());
//! let stamps = Hlc::new(clock.clone());
//! let key = Key::of("video").part("a3f4b2c1").build()?;
//!
//! let one = SqliteBackend::open(SqliteConfig::new(&path).capacity(1 << 30)).await?;
//! let other = SqliteBackend::open(SqliteConfig::new(&path).capacity(1 << 30)).await?;
//! one.put(&key, Entry::new(Meta::new(stamps.tick(), clock.now()), "the body")).await?;
//! assert_eq!(other.get(&key).await?.map(|entry| entry.body), Some("the body".into()));
//! # one.close().await?;
//! # other.close().await
//! # }
//! ```

mod backend;
mod config;
mod database;
mod error;
mod group;
mod place;
mod read;
mod readers;
mod record;
mod report;
mod room;
mod shared;
mod writer;

pub use backend::SqliteBackend;
pub use config::{Durability, SqliteConfig};
pub use report::{FileUsage, OpenReport, Origin};
