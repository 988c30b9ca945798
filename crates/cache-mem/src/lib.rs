//! The memory tier of Reelcache: values and entries in this process, within an exact budget.
//!
//! * [`MemCache`]: typed and synchronous; a hit takes a shared lock and clones the value, and of callers who miss at once
//!   one makes it
//! * [`MemBackend`]: a [`Backend`](cache_core::Backend) over it, for entries of bytes
//!
//! ```
//! use std::sync::Arc;
//! use cache_core::{HOUR, ManualClock, PolicyKind, Timestamp, Clock};
//! use cache_mem::{Admission, MemCache, Terms};
//!
//! let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
//! let songs: MemCache<String, Arc<str>> = MemCache::builder()
//!     .capacity(1_000)
//!     .weigher(|key: &String, song: &Arc<str>| (key.len() + song.len()) as u64)
//!     .policy(PolicyKind::Lru)
//!     .clock(clock.clone())
//!     .build();
//!
//! let terms = Terms::new().expires(clock.now().after(HOUR));
//! assert_eq!(songs.insert_with("a".to_owned(), "la la la".into(), terms), Admission::Stored);
//! assert_eq!(songs.get("a").as_deref(), Some("la la la"));
//! assert_eq!(songs.weight(), 9);
//!
//! clock.advance(HOUR);
//! assert_eq!(songs.get("a"), None);
//! ```
//!
//! ```
//! use cache_core::{Backend, Clock, Entry, Hlc, Key, Meta, SystemClock};
//! use cache_mem::MemBackend;
//! use std::sync::Arc;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let clock = Arc::new(SystemClock::new());
//! let stamps = Hlc::new(clock.clone());
//! let memory = MemBackend::builder(64 << 20).clock(clock.clone()).build();
//!
//! let key = Key::of("video").part("a3f4b2c1").part("poster").build()?;
//! let entry = Entry::new(Meta::new(stamps.tick(), clock.now()), "the body");
//! memory.put(&key, entry.clone()).await?;
//! assert_eq!(memory.get(&key).await?, Some(entry));
//! # Ok::<(), cache_core::Error>(())
//! # }).unwrap();
//! ```

mod backend;
mod cache;
mod config;
mod hash;

pub use backend::MemBackend;
pub use cache::{Admission, MemCache, MemCacheBuilder, MemStats, Terms};
pub use config::MemBackendBuilder;
pub use hash::Secrets;
