//! `FileSource`: a blob that is a file.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::task::spawn_blocking;

use super::{ByteStream, Description, Source, Version};
use crate::{BlobError, Result};

/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// A file as a source: one on a slow or remote file system, say. Its version is its length and time of change.
#[derive(Debug, Clone)]
pub struct FileSource {
    path: Arc<Path>,
    content_type: Option<Arc<str>>,
}

impl FileSource {
    /// The file at `path`, which is opened with every fetch.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), content_type: None }
    }

    /// Sets the media type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<Arc<str>>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    {
        let path = self.path.clone();
        let done = spawn_blocking(move || work(&path)).await;
        done.map_err(|lost| BlobError::lasting("the read ended without an answer").caused(lost))?
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> BlobError {
        BlobError::lasting(format!("the file {} cannot be read: {error}", self.path.display())).caused(error)
    }
}

#[async_trait]
impl Source for FileSource {
    fn origin(&self) -> Arc<str> {
        Arc::from("file")
    }

    async fn describe(&self) -> Result<Description> {
        let meta = self.blocking(|path| File::open(path)?.metadata()).await?;
        let mut description = Description::new().len(meta.len()).validator(validator(&meta)).ranges();
        description.content_type.clone_from(&self.content_type);
        Ok(description)
    }

    async fn fetch(&self, offset: u64, version: &Version) -> Result<ByteStream> {
        let (file, meta) = self
            .blocking(move |path| {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                let meta = file.metadata()?;
                Ok((file, meta))
            })
            .await?;
        let found = validator(&meta);
        if version.validator.as_deref().is_some_and(|wanted| wanted != found) {
            return Err(BlobError::changed(format!("the file {} is {found}", self.path.display())));
        }
        let this = self.clone();
        let pieces = stream::unfold(Some(file), move |file| {
            let this = this.clone();
            async move {
                let file = file?;
                match this.blocking(move |_| read_piece(file)).await {
                    Ok((piece, _)) if piece.is_empty() => None,
                    Ok((piece, file)) => Some((Ok(piece), Some(file))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Ok(pieces.boxed())
    }
}

fn read_piece(mut file: File) -> io::Result<(Bytes, File)> {
    let mut piece = Vec::with_capacity(PIECE);
    (&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
    Ok((piece.into(), file))
}

/// Length and time of change. A file that is written while it is read differs in them.
fn validator(meta: &Metadata) -> String {
    let changed = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("{}-{}", meta.len(), changed.map_or(0, |since| since.as_nanos()))
}
