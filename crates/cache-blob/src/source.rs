//! `Source`: where the bytes of a blob come from.

mod file;
mod generated;
#[cfg(feature = "http")]
mod http;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use file::FileSource;
pub use generated::{GeneratedSource, Sink};
#[cfg(feature = "http")]
pub use http::{FreshLink, HttpClient, HttpOptions, HttpSource, LinkRefresh};

use crate::Result;

/// Bytes in the order of a blob. Empty pieces are a sign of life. An end is the end of what this fetch gives, not always
/// that of the blob.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// What a source says of its blob before any byte of it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Length in bytes, when it is known beforehand. It is checked, and nothing is allocated by it.
    pub len: Option<u64>,
    /// What differs when the bytes differ: an `ETag`, a date of change. Without one, or with a weak `ETag` (`W/"…"`), a
    /// change of the same length can go unseen while the kept manifest is fresh; a stale one is then not gone on with.
    pub validator: Option<Arc<str>>,
    /// SHA-256 of the whole blob, when it is known beforehand. What is kept is compared with it once all of it is there;
    /// another one counts as a change.
    pub sha256: Option<[u8; 32]>,
    /// Media type.
    pub content_type: Option<Arc<str>>,
    /// Whether a fetch can begin anywhere at the cost of one that begins at the start.
    pub ranges: bool,
}

impl Description {
    /// A blob of which nothing is known: read in order, its length found at the end.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the length in bytes.
    #[must_use]
    pub fn len(mut self, len: u64) -> Self {
        self.len = Some(len);
        self
    }

    /// Sets the validator.
    #[must_use]
    pub fn validator(mut self, validator: impl Into<Arc<str>>) -> Self {
        self.validator = Some(validator.into());
        self
    }

    /// Sets the SHA-256 of the whole blob.
    #[must_use]
    pub fn sha256(mut self, digest: [u8; 32]) -> Self {
        self.sha256 = Some(digest);
        self
    }

    /// Sets the media type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<Arc<str>>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Says that fetches can begin anywhere.
    #[must_use]
    pub fn ranges(mut self) -> Self {
        self.ranges = true;
        self
    }
}

/// The version that a fetch has to belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// Length in bytes, when it is known.
    pub len: Option<u64>,
    /// The validator of the description.
    pub validator: Option<Arc<str>>,
}

impl Version {
    /// The version with this length and validator.
    pub fn new(len: Option<u64>, validator: Option<Arc<str>>) -> Self {
        Self { len, validator }
    }
}

/// Where the bytes of a blob come from: the contract that a new kind of origin implements.
///
/// Both methods may be called at any time and several times at once. Dropping their futures, or a stream, ends the
/// work for them. They may take long: their callers bound them, and the silence of a stream.
#[async_trait]
pub trait Source: Debug + Send + Sync + 'static {
    /// Who is asked, for the bound on fetches of one origin: the host of an address. Constant.
    fn origin(&self) -> Arc<str>;

    /// What is known of the blob.
    ///
    /// # Errors
    /// [`BlobError::Failed`](crate::BlobError::Failed); with [`Retry::Later`](cache_core::Retry::Later) when the
    /// cause may pass.
    async fn describe(&self) -> Result<Description>;

    /// The bytes of `version` from `offset` on.
    ///
    /// `offset` is 0 unless the description promises ranges. A stream that ends before the end of a blob of known
    /// length is taken up again where it ended; the end of a blob of unknown length is that of its stream.
    ///
    /// # Errors
    /// [`BlobError::Changed`](crate::BlobError::Changed), before any byte, when the source can tell that it has
    /// another version; otherwise as [`describe`](Self::describe).
    async fn fetch(&self, offset: u64, version: &Version) -> Result<ByteStream>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Source + ?Sized> Source for Arc<S> {
    fn origin(&self) -> Arc<str> {
        (**self).origin()
    }

    async fn describe(&self) -> Result<Description> {
        (**self).describe().await
    }

    async fn fetch(&self, offset: u64, version: &Version) -> Result<ByteStream> {
        (**self).fetch(offset, version).await
    }
}

/// Whether equal validators mean equal bytes: those of weak tags may differ.
pub(crate) fn is_strong(validator: &str) -> bool {
    !validator.starts_with("W/")
}
