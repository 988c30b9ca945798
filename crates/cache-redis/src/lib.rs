//! The Redis and Valkey tier of Reelcache: one server, a cluster, or what sentinels name.
//!
//! Each entry is one string, a *record*, under a prefix and the key. Scripts on the server compare stamps and lifetimes
//! in its front, so an older put never wins over a newer entry, whoever wrote it; a renewal replaces the meta and leaves
//! the body where it is. Readers verify every byte: a damaged record, a value of somebody else, or a reply that belongs
//! to another key is a miss.
//!
//! What takes the time is less the server than each command on its way there: to be handed to a task, to be written, to
//! be answered, to be waited for. So calls that are under way at once are made in one. Reads of a crowd ask for the
//! lengths of all their records and then for those up to 16 KiB; puts of a crowd that have something to replace go in
//! one script. A put where there is nothing is a plain `SET` with `NX`, which costs a server a tenth of a script and
//! needs no comparison; whether puts usually find nothing is learned as they go, and one that guessed wrong takes two
//! turns. Bodies stay out of scripts, which hash every byte that they touch. In a cluster no command has keys of several
//! nodes, so there each call goes by itself.
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
//!
//! # Record, version 1
//!
//! | offset | length | content |
//! |--:|--:|---|
//! | 0 | 4 | magic `RLCR` |
//! | 4 | 1 | version, `1` |
//! | 5 | 1 | role: `v` a value, `t` a tombstone, `m` a mark |
//! | 6 | 2 | zero |
//! | 8 | 8 | stamp |
//! | 16 | 8 | instant from which on it is never served, ms since the epoch |
//! | 24 | 4 | E: length of the envelope |
//! | 28 | 4 | B: length of the body |
//! | 32 | 8 | XXH3-64 of the body, seeded with the XXH3-64 (seed 0) of the key |
//! | 40 | E | entry envelope, version 1, whose meta is that of the entry and whose body is the key |
//! | 40 + E | P | zeros up to the next multiple of 64 |
//! | 40 + E + P | B | body, as it is |
//!
//! Nothing follows. Integers outside of the envelope are big-endian, so that scripts compare them byte by byte: strings
//! compare by the server's locale, and its numbers end at 2^53. Envelope and body are both bound to the key. Role, stamp
//! and instant repeat those of the meta; a record in which they differ is corrupt. The zeros let most renewals overwrite
//! the head in place.
//!
//! Names behind the prefix that begin with `=` are no entries: no key begins with it. Under `=put:` a long record waits
//! for a script to move it to its key, for four times the limit of a command at most.

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
