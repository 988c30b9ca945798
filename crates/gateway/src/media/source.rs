//! `StreamSource`: the bytes of a chosen stream, whose link is looked up when they are needed.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cache_blob::{ByteStream, Description, FreshLink, HttpClient, HttpSource, LinkRefresh, Source, Version};
use cache_core::Result;
use providers::Link;
use tokio::sync::OnceCell;

use super::choice::{Choice, Place};
use super::way::Way;
use super::{Media, torrent_source};

/// Headers that are about a connection or a range: what a provider says about them does not count.
const OWN_HEADERS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-range",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The bytes of a chosen stream. Nobody is asked for its link until bytes are needed that are not there.
pub(crate) struct StreamSource {
    stream: Stream,
    client: HttpClient,
    origin: Arc<str>,
    opened: OnceCell<Arc<dyn Source>>,
}

#[derive(Clone)]
struct Stream {
    media: Media,
    place: Place,
    choice: Choice,
}

impl StreamSource {
    pub(crate) fn new(media: &Media, place: &Place, choice: &Choice, client: &HttpClient) -> Self {
        let stream = Stream { media: media.clone(), place: place.clone(), choice: choice.clone() };
        let origin = choice.origin.as_str().into();
        Self { stream, client: client.clone(), origin, opened: OnceCell::new() }
    }

    async fn opened(&self) -> Result<&Arc<dyn Source>> {
        self.opened.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Arc<dyn Source>> {
        let Stream { media, place, choice } = &self.stream;
        let link = media.link(place, choice).await?;
        match choice.way {
            Way::Torrent => torrent_source::opened(media, &self.client, &link, place.episode()).await,
            Way::Proxy | Way::Redirect => Ok(Arc::new(self.of_http(&link)?)),
        }
    }

    fn of_http(&self, link: &Link) -> Result<HttpSource> {
        with_headers(HttpSource::new(&self.client, &link.url)?.refreshed_by(self.stream.clone()), link)
    }
}

#[async_trait]
impl Source for StreamSource {
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

#[async_trait]
impl LinkRefresh for Stream {
    async fn refresh(&self, refused: &str) -> Result<FreshLink> {
        let Self { media, place, choice } = self;
        let links = media.provider(&choice.provider)?.report_bad(&place.request()?, refused).await?;
        let link = choice.among(place, &links.value.links)?;
        let headers = sent_along(link).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(FreshLink::new(link.url.as_str()).with_headers(headers))
    }
}

impl fmt::Debug for StreamSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSource").field("choice", &self.stream.choice).finish_non_exhaustive()
    }
}

/// `source` with those headers of `link` that are not about a connection or a range.
pub(super) fn with_headers(source: HttpSource, link: &Link) -> Result<HttpSource> {
    sent_along(link).try_fold(source, |source, (name, value)| source.header(name, value))
}

fn sent_along(link: &Link) -> impl Iterator<Item = (&str, &str)> {
    let sent = link.headers.iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()));
    sent.map(|(name, value)| (name.as_str(), value.as_str()))
}
