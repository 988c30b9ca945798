//! `TorrentSource`: the bytes of a torrent that a link leads to, which nobody asks about until they are needed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cache_blob::{BlobError, ByteStream, Description, HttpClient, HttpSource, Source, Version};
use cache_core::{Error, ErrorKind, Key, Result};
use futures_util::StreamExt;
use providers::{Failure, Link, LinkKind, Reason};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use url::Url;

use super::Media;
use super::choice::torrent_key;
use super::source::with_headers;
use super::torrents::{TorrentFile, TorrentLink, is_magnet};
use super::wanted::Episode;

/// The longest torrent file, in bytes.
const LONGEST: usize = 8 << 20;

/// The bytes of a torrent that a link leads to. Nobody is asked before bytes are needed that are not there.
pub(crate) struct TorrentSource {
    media: Media,
    client: HttpClient,
    link: Link,
    origin: Arc<str>,
    opened: OnceCell<Arc<dyn Source>>,
}

impl TorrentSource {
    /// The torrent behind `url`, if that is a magnet link or the address of a torrent file; with the key of its bytes.
    ///
    /// # Errors
    /// When it is a magnet link without an info hash.
    pub(crate) fn of(url: &str, media: &Media, client: &HttpClient) -> Result<Option<(Key, Self)>> {
        if !is_torrent(url) {
            return Ok(None);
        }
        let link = Link::new(url, LinkKind::Torrent);
        let (key, origin) = torrent_key(url)?;
        let (media, client) = (media.clone(), client.clone());
        Ok(Some((key, Self { media, client, link, origin: origin.into(), opened: OnceCell::new() })))
    }

    async fn opened(&self) -> Result<&Arc<dyn Source>> {
        self.opened.get_or_try_init(|| opened(&self.media, &self.client, &self.link, None)).await
    }
}

/// The bytes of the torrent behind `link`.
///
/// # Errors
/// When it is not told in time what it holds, and those of [`Torrents::source`](super::Torrents::source).
pub(super) async fn opened(
    media: &Media,
    client: &HttpClient,
    link: &Link,
    episode: Option<Episode>,
) -> Result<Arc<dyn Source>> {
    let (torrents, patience) = (media.torrents()?, media.patience());
    let found = async {
        if is_magnet(&link.url) {
            let link = TorrentLink::Magnet(link.url.clone());
            return torrents.source(&TorrentFile { link, episode }).await;
        }
        let _place = media.place_for_torrent_file().await;
        let link = TorrentLink::File(file(client, link).await?);
        torrents.source(&TorrentFile { link, episode }).await
    };
    timeout(patience, found).await.unwrap_or_else(|_| Err(nobody_answers(patience)))
}

/// The bytes of the torrent file at `link`.
async fn file(client: &HttpClient, link: &Link) -> Result<Bytes> {
    let source = with_headers(HttpSource::new(client, &link.url)?, link)?;
    let mut pieces = source.fetch(0, &Version::default()).await.map_err(unblobbed)?;
    let mut file = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(unblobbed)?;
        if file.len() + piece.len() > LONGEST {
            let message = format!("the torrent file is longer than {LONGEST} bytes: choose another stream");
            return Err(Failure::new(Reason::TooLarge, message).into_error("torrents", "torrent"));
        }
        file.extend_from_slice(&piece);
    }
    Ok(file.freeze())
}

fn unblobbed(error: BlobError) -> Error {
    match error {
        BlobError::Failed(error) => error,
        error => Error::new(ErrorKind::Load, error.to_string()),
    }
}

/// Whether `url` is a magnet link, or its path ends as that of a torrent file does.
fn is_torrent(url: &str) -> bool {
    let ends_so = |url: &Url| url.path().to_ascii_lowercase().ends_with(".torrent");
    is_magnet(url) || Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && ends_so(&url))
}

fn nobody_answers(patience: Duration) -> Error {
    let message = format!(
        "nobody has told within {patience:?} what the torrent holds: try again later, or choose another stream"
    );
    Failure::new(Reason::Timeout, message).into_error("torrents", "torrent")
}

#[async_trait]
impl Source for TorrentSource {
    fn origin(&self) -> Arc<str> {
        self.origin.clone()
    }

    async fn describe(&self) -> cache_blob::Result<Description> {
        self.opened().await?.describe().await
    }

    async fn fetch(&self, offset: u64, version: &Version) -> cache_blob::Result<ByteStream> {
        self.opened().await?.fetch(offset, version).await
    }
}

impl fmt::Debug for TorrentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorrentSource").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnet_links_and_addresses_that_end_so_are_torrents() {
        for url in
            ["magnet:?xt=urn:btih:a", "MAGNET:?x", "https://a.example/a.torrent", "http://a.example/A.TORRENT?x=1"]
        {
            assert!(is_torrent(url), "{url}");
        }
        for url in ["https://a.example/a.mp4?b=.torrent", "file:///a.torrent", "https://a.example/torrent", "", "é"] {
            assert!(!is_torrent(url), "{url}");
        }
    }
}
