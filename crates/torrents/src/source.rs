//! `TorrentSource`: a file of a torrent as a source of a blob.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use cache_blob::{BlobError, ByteStream, Description, Source, Version};
use cache_core::Error;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::sync::watch;

use crate::contents::{Contents, FileOf};
use crate::error::{TorrentError, Why};
use crate::leads::Leads;
use crate::torrents::Torrents;
use crate::work::{Reading, Stage};

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// A file of a torrent as a source of a blob.
///
/// To describe it asks nobody. A fetch begins the torrent, unless it is at work; what it reads next is asked for first,
/// then the file in its order. Its version is the info hash with the number of the file: other bytes have another one.
#[derive(Debug, Clone)]
pub struct TorrentSource {
    torrents: Torrents,
    contents: Contents,
    file: FileOf,
    leads: Leads,
    content_type: Option<Arc<str>>,
}

impl TorrentSource {
    pub(crate) fn new(torrents: &Torrents, contents: Contents, file: FileOf, leads: Leads) -> Self {
        Self { torrents: torrents.clone(), contents, file, leads, content_type: None }
    }

    /// Sets the media type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<Arc<str>>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// The file.
    pub fn file(&self) -> &FileOf {
        &self.file
    }

    /// The torrent that it is in.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    fn validator(&self) -> String {
        format!("{}-{}", self.contents.hash(), self.file.index)
    }
}

#[async_trait]
impl Source for TorrentSource {
    fn origin(&self) -> Arc<str> {
        format!("torrent {}", self.contents.hash()).into()
    }

    async fn describe(&self) -> cache_blob::Result<Description> {
        let mut description = Description::new().len(self.file.len).validator(self.validator()).ranges();
        description.content_type.clone_from(&self.content_type);
        Ok(description)
    }

    async fn fetch(&self, offset: u64, version: &Version) -> cache_blob::Result<ByteStream> {
        let own = self.validator();
        if version.validator.as_deref().is_some_and(|wanted| wanted != own) {
            return Err(BlobError::changed(format!("the file is that of {own}")));
        }
        let reading = self.torrents.read(&self.contents, &self.file, &self.leads).await.map_err(failed)?;
        let stage = reading.0.stage();
        let stream = async {
            let mut stream = reading.0.torrent.clone().stream(self.file.index).await.map_err(broken)?;
            stream.seek(SeekFrom::Start(offset)).await.map_err(broken)?;
            Ok(stream)
        };
        let stream = until_ending(&mut stage.clone(), stream).await?;
        Ok(pieces(stream, stage, reading))
    }
}

/// The bytes of `stream`, as long as the torrent is at work.
fn pieces(
    stream: impl AsyncRead + Unpin + Send + 'static,
    stage: watch::Receiver<Stage>,
    reading: Reading,
) -> ByteStream {
    let begun = Some((stream, stage, reading));
    let pieces = stream::unfold(begun, |open| async {
        let (mut stream, mut stage, reading) = open?;
        let read = async {
            let mut piece = BytesMut::with_capacity(PIECE);
            stream.read_buf(&mut piece).await.map_err(broken)?;
            Ok(piece.freeze())
        };
        match until_ending(&mut stage, read).await {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => Some((Ok(piece), Some((stream, stage, reading)))),
            Err(error) => Some((Err(error), None)),
        }
    });
    pieces.boxed()
}

/// What `work` gives, unless the torrent ends before.
async fn until_ending<T>(
    stage: &mut watch::Receiver<Stage>,
    work: impl Future<Output = cache_blob::Result<T>>,
) -> cache_blob::Result<T> {
    let ended = async {
        match stage.wait_for(|stage| *stage != Stage::AtWork).await.map(|stage| stage.clone()) {
            Ok(Stage::Ending(why) | Stage::Gone(why)) => failed(why),
            _ => broken("it has ended"),
        }
    };
    tokio::select! {
        biased;
        error = ended => Err(error),
        done = work => done,
    }
}

fn failed(error: TorrentError) -> BlobError {
    Error::from(error).into()
}

fn broken(error: impl std::fmt::Display) -> BlobError {
    failed(TorrentError::new(Why::Failed, format!("the torrent cannot be read: {error}")))
}
