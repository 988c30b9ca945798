//! Values of gigabytes for the Reelcache cache: kept in segments over any backend, read while they are fetched.

mod blob;
mod blobs;
mod error;
mod gates;
mod manifest;
mod memory;
mod options;
mod outcome;
mod reader;
mod source;

pub use blobs::Blobs;
pub use error::{BlobError, Result};
pub use options::{BlobsBuilder, WhenLeft};
pub use outcome::{BlobOutcome, Uncached};
pub use reader::{BlobReader, BlobStream};
pub use source::{ByteStream, Description, FileSource, GeneratedSource, Sink, Source, Version};
#[cfg(feature = "http")]
pub use source::{HttpClient, HttpOptions, HttpSource, LinkRefresh};
