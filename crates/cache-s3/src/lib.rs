//! An object store tier: S3 and what speaks its protocol, Google Cloud Storage, Azure, a local path, memory.
//!
//! [`ObjectBackend`] keeps each entry as one object below a prefix. It is opened from one URL:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> cache_core::Result<()> {
//! use cache_core::{Backend, Entry, Key, Meta, Stamp, Timestamp};
//! use cache_s3::{ObjectBackend, ObjectConfig};
//!
//! let backend = ObjectBackend::open(ObjectConfig::parse("memory:///media")?).await?;
//! let key = Key::of("video").part("a3f4b2c1").build()?;
//! let entry = Entry::new(Meta::new(Stamp::from_u64(1), Timestamp::EPOCH), "the body");
//! backend.put(&key, entry.clone()).await?;
//! assert_eq!(backend.get(&key).await?, Some(entry));
//! # Ok(()) }
//! ```

mod backend;
mod bucket;
mod config;
mod connect;
mod engine;
mod error;
#[cfg(feature = "http")]
mod http;
mod listing;
mod name;
mod object;
mod retry;
mod sweep;
mod tally;
mod turns;

pub use backend::ObjectBackend;
pub use config::ObjectConfig;
