//! `GeneratedSource`: a blob that a function writes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;

use super::{ByteStream, Description, Source, Version};
use crate::{BlobError, Result};

/// Pieces written and not yet taken.
const QUEUE: usize = 4;

type Work = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A function as a source: it writes the blob, from an offset on, into a [`Sink`].
///
/// It is run once for each fetch, as a part of it: it waits while nobody takes what it wrote, and is dropped with the
/// fetch.
///
/// ```
/// # use cache_blob::{Description, GeneratedSource, Sink};
/// let source = GeneratedSource::new(Description::new().content_type("text/plain"), |_offset, mut sink: Sink| async move {
///     for line in 0..1_000 {
///         sink.write(format!("line {line}\n")).await?;
///     }
///     Ok(())
/// });
/// # let _ = source;
/// ```
#[derive(Clone)]
pub struct GeneratedSource {
    origin: Arc<str>,
    description: Description,
    generate: Arc<dyn Fn(u64, Sink) -> Work + Send + Sync>,
}

/// Where a function writes a blob to.
#[derive(Debug)]
pub struct Sink(mpsc::Sender<Bytes>);

impl Sink {
    /// Writes the next bytes; waits while those before them are not taken.
    ///
    /// # Errors
    /// When nobody reads any more: end the work.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<()> {
        let gone = |_| BlobError::lasting("the fetch has ended: nobody takes more bytes");
        self.0.send(bytes.into()).await.map_err(gone)
    }
}

impl GeneratedSource {
    /// The blob described by `description`, written by `generate`. It is called with offset 0 only, unless the
    /// description promises ranges.
    pub fn new<F, W>(description: Description, generate: F) -> Self
    where
        F: Fn(u64, Sink) -> W + Send + Sync + 'static,
        W: Future<Output = Result<()>> + Send + 'static,
    {
        let generate = move |offset, sink| Box::pin(generate(offset, sink)) as Work;
        Self { origin: Arc::from("generated"), description, generate: Arc::new(generate) }
    }

    /// Names the origin, whose fetches at one time are bounded together.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Arc<str>>) -> Self {
        self.origin = origin.into();
        self
    }
}

#[async_trait]
impl Source for GeneratedSource {
    fn origin(&self) -> Arc<str> {
        self.origin.clone()
    }

    async fn describe(&self) -> Result<Description> {
        Ok(self.description.clone())
    }

    async fn fetch(&self, offset: u64, _: &Version) -> Result<ByteStream> {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        let work = (self.generate)(offset, Sink(sender));
        // Polled by whoever takes the bytes, so that it ends with them and needs no task of its own. Its error is the
        // last item; its end alone gives none.
        let work = stream::once(work).filter_map(async |ended| ended.err().map(Err));
        let written = stream::poll_fn(move |context| receiver.poll_recv(context)).map(Ok);
        Ok(stream::select(written, work).boxed())
    }
}

impl fmt::Debug for GeneratedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedSource")
            .field("origin", &self.origin)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}
