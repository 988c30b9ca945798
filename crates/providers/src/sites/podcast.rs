//! `Podcast`: episodes of podcasts, by their feeds.

mod feed;

use async_trait::async_trait;
use cache_core::Result;
use serde::Deserialize;

use super::media::kind_of;
use super::settled::{checked, checked_page, limited, listed};
use super::site::{encoded, fetchable, unsupported};
use super::{Base, Page, Site, lenient};
use crate::canonical::percent::decoded;
use crate::http::{Ask, Expected, Fetch, Reply};
use crate::{
    Failure, Link, LinkKind, LinkRequest, Links, PlaylistEntry, Provider, Reason, SearchPage, SearchQuery, SearchResult,
};
use feed::{Episode, Feed};

const DIRECTORY: &str = "https://itunes.apple.com";
/// What the route of an episode begins with, behind the address of its feed.
const ROUTE: &str = "/episode/";

/// Episodes of podcasts, by their feeds of RSS, which are found in the directory of iTunes.
///
/// * **Search** finds feeds, in the directory. It has one page, of 200 results at most. Parameters: `country`, `lang`.
/// * **Links** of a feed are entries, one for each episode, in the feed's order: the first 10,000, with the answer partial if
///   there are more. Links of an entry are the enclosure of the episode and its alternatives. An entry's address is that
///   of the feed with `#/episode/ID`; each costs one request of the feed.
/// * An episode is known by its `guid`, if no other of the feed has the same, or else by the address of its enclosure.
/// * Whatever feed a request names is asked for: see [`FetchOptions::admit`](crate::http::FetchOptions::admit).
#[derive(Debug, Clone)]
pub struct Podcast(Site);

impl Podcast {
    /// With the directory at itunes.apple.com, named `podcast`.
    pub fn new(fetch: &Fetch) -> Self {
        Self(Site::new("podcast", Base::known(DIRECTORY), fetch))
    }

    /// Sets its name as a provider.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// Sets where the directory is.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid) when that is no address of HTTP.
    pub fn at(mut self, base_url: &str) -> Result<Self> {
        self.0.set_base(Base::new(base_url)?);
        Ok(self)
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, Failure> {
        let address = self.0.base.at(&["search"]).with("media", "podcast").with("term", &query.text);
        let address = address.with("limit", query.limit.unwrap_or(50).clamp(1, 200));
        let known = query.params.iter().filter(|(name, _)| matches!(name.as_str(), "country" | "lang"));
        let address = known.fold(address, |address, (name, value)| address.with(name, value));
        let found: Found = self.0.json(address.ask()).await?;
        let feeds = found.results.into_iter().map(|show| {
            let mut result = SearchResult::new(show.collection_name.unwrap_or_default(), show.feed_url);
            result.image_url = show.artwork_url600.or(show.artwork_url100);
            result.creator = show.artist_name;
            result.kind = Some(LinkKind::Audio);
            result
        });
        Ok(SearchPage::of(feeds))
    }

    async fn resolve(&self, request: &LinkRequest) -> Result<Links, Failure> {
        let Some(Page::Web { fragment, .. }) = Page::of(request) else {
            return Err(unsupported("the address of a feed"));
        };
        let url = request.url().split('#').next().unwrap_or_default();
        let url = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        let reply = self.0.fetch.fetch(&Ask::get(url.as_str()).expect(Expected::Xml)).await?;
        let read = |reply: &Reply| {
            let feed = feed::parsed(&String::from_utf8_lossy(reply.body()));
            feed.map_err(|why| Failure::new(Reason::Malformed, format!("{}: {why}", reply.host())))
        };
        let (mut feed, _) = reply.parsed(read).await?;
        let Some(id) = fragment.strip_prefix(ROUTE) else { return Ok(entries(&url, feed)) };
        let id = decoded(id);
        let episode = feed.episodes.iter().position(|episode| episode.id() == Some(&*id));
        let gone = || Failure::new(Reason::NotFound, "the feed has no such episode any more");
        let episode = feed.episodes.swap_remove(episode.ok_or_else(gone)?);
        let mut links = limited(episode.sources.iter().filter_map(|source| self.link(source)));
        links.creator = feed.title;
        links.image_url = episode.image.or(feed.image);
        links.page_url = episode.page;
        links.duration = episode.duration;
        links.title = episode.title;
        Ok(links)
    }

    fn link(&self, source: &feed::Source) -> Option<Link> {
        let (url, content_type) = (fetchable(&source.url)?, source.content_type.as_deref());
        let kind = kind_of(content_type, &url);
        let mut link = self.0.link(url, kind, None);
        link.content_type = source.content_type.as_deref().map(str::to_owned);
        link.bytes = source.bytes;
        link.language = source.language.as_deref().map(str::to_owned);
        link.quality.label = source.title.as_deref().map(str::to_owned).unwrap_or_default();
        (link.quality.bit_rate, link.quality.height) = (source.bit_rate, source.height);
        Some(link)
    }
}

#[async_trait]
impl Provider for Podcast {
    fn name(&self) -> &str {
        &self.0.name
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        self.find(query).await.map(checked_page).map_err(|failure| failure.into_error(self.name(), "search"))
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        self.resolve(request).await.map(checked).map_err(|failure| failure.into_error(self.name(), "links"))
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(deserialize_with = "lenient::list")]
    results: Vec<Show>,
}

/// One without a feed is left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Show {
    feed_url: String,
    collection_name: Option<String>,
    artist_name: Option<String>,
    artwork_url600: Option<String>,
    artwork_url100: Option<String>,
}

/// What the feed at `url` is a list of.
fn entries(url: &str, feed: Feed) -> Links {
    let is_cut = feed.is_cut;
    let entry = |episode: Episode| {
        let mut entry = PlaylistEntry::new(format!("{url}#{ROUTE}{}", encoded(episode.id()?)));
        entry.title = episode.title;
        entry.duration = episode.duration;
        Some(entry)
    };
    let links = listed(feed.episodes.into_iter().filter_map(entry));
    let links = Links { title: feed.title, image_url: feed.image, page_url: feed.page, ..links };
    if is_cut { links.partial() } else { links }
}
