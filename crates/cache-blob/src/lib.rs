//! Values of gigabytes for the Reelcache cache: kept in segments over any backend, read while they are fetched.
//!
//! A *blob* is a *manifest*, which is the entry of its key, and *segments* of 2 MiB, which are entries below that key. So
//! blobs have the tiers, the eviction and the checksums that entries have.
//!
//! * [`Blobs`]: opens blobs over a [`Backend`](cache_core::Backend), or a stack of them
//! * [`BlobReader`]: ranges as streams, and a reader with a position; where its bytes came from
//! * [`Source`]: where bytes come from: [`HttpSource`], [`FileSource`], [`GeneratedSource`], or one of your own
//!
//! ```
//! use cache_blob::{Blobs, Description, GeneratedSource, Sink};
//! use cache_core::Key;
//! use cache_mem::MemBackend;
//! use futures_util::TryStreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let blobs = Blobs::builder().backend(MemBackend::builder(64 << 20).build()).build()?;
//! let numbers = GeneratedSource::new(Description::new(), |_, mut sink: Sink| async move {
//!     for number in 0..1_000_000_u32 {
//!         sink.write(number.to_be_bytes().to_vec()).await?;
//!     }
//!     Ok(())
//! });
//!
//! let reader = blobs.open(&Key::of("numbers").build()?, numbers).await?;
//! let bytes: Vec<_> = reader.read_range(4_000..4_008).try_collect().await?;
//! assert_eq!(bytes.concat(), [0, 0, 3, 232, 0, 0, 3, 233]);
//! println!("{} bytes were fetched for it", reader.outcome().filled);
//! # Ok(())
//! # }
//! ```
//!
//! docs/blobs.md says what a reader is promised, and what it costs.

mod activity;
mod blob;
mod blobs;
mod error;
mod gates;
mod manifest;
mod memory;
mod options;
mod outcome;
mod reader;
mod refused;
mod source;

pub use activity::BlobActivity;
pub use blobs::Blobs;
pub use error::{BlobError, Result};
pub use options::{BlobsBuilder, WhenLeft};
pub use outcome::{BlobOutcome, Uncached};
pub use reader::{BlobReader, BlobStream};
pub use source::{ByteStream, Description, FileSource, GeneratedSource, Sink, Source, Version};
#[cfg(feature = "http")]
pub use source::{FreshLink, HttpClient, HttpOptions, HttpSource, LinkRefresh};
