//! The persistent file tier of Reelcache: one directory, an index, and append-only volumes.
//!
//! Short entries are kept in the index, longer ones in volumes, files of up to 256 MiB to which one thread appends.
//! What was acknowledged survives the process, however it ends, and the power too if asked; what was evicted or removed
//! stays away; whatever is found in the directory, it opens; a damaged entry is a miss. docs/durability.md says how.
//!
//! ```
//! use cache_core::{Backend, Entry, Hlc, Key, Meta, SystemClock, Clock};
//! use cache_file::{FileBackend, FileConfig};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> cache_core::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path();
//! let clock = Arc::new(SystemClock::new());
//! let stamps = Hlc::new(clock.clone());
//! let key = Key::of("video").part("a3f4b2c1").build()?;
//!
//! let tier = FileBackend::open(FileConfig::new(path).capacity(1 << 30)).await?;
//! tier.put(&key, Entry::new(Meta::new(stamps.tick(), clock.now()), "the body")).await?;
//! tier.close().await?;
//!
//! let tier = FileBackend::open(FileConfig::new(path).capacity(1 << 30)).await?;
//! assert_eq!(tier.get(&key).await?.map(|entry| entry.body), Some("the body".into()));
//! # tier.close().await
//! # }
//! ```

mod backend;
mod config;
mod dir;
mod engine;
mod error;
mod fs;
mod hashes;
mod index;
mod lock;
mod opening;
mod recent;
mod report;
mod seal;
mod stored;
mod volume;

pub use backend::FileBackend;
pub use config::{Durability, FileConfig};
pub use error::DirectoryInUse;
pub use fs::{Fs, FsFile, Listed, OpenMode, RealFs};
pub use report::{DiskUsage, IndexOrigin, OpenReport};
pub use stored::{IndexRecord, VolumePlace};
