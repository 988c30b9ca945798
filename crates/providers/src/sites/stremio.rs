//! `Stremio`: an add-on of Stremio.

mod manifest;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{HOUR, Result, Timestamp};
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::settled::{checked, checked_page, limited, listed};
use super::site::{encoded, unsupported};
use super::{Base, Page, Site, lenient};
use crate::canonical::percent::decoded;
use crate::http::{Ask, Fetch, Reply};
use crate::{
    Failure, LinkKind, LinkRequest, Links, PlaylistEntry, Provider, Reason, SearchPage, SearchQuery, SearchResult,
    Validity, validity,
};
use manifest::{Catalog, Manifest};
use stream::Stream;

/// How long what an add-on says about itself is taken for granted.
const MANIFEST: Duration = HOUR;
/// The most catalogues that one search asks.
const MAX_CATALOGS: usize = 8;
/// Where people look at what add-ons name.
const PAGES: &str = "https://web.stremio.com/#/detail";

/// An add-on of Stremio: the resources `catalog`, `meta` and `stream` of its protocol, as far as its manifest offers them
/// for a type and an identifier.
///
/// * **Search** asks the catalogues that can be searched, eight at most. Parameters: `type`, for those of one type;
///   `catalog`, for the one with this identifier. A catalogue that is searched alone has further pages, if it can skip.
/// * **Links** of `web.stremio.com/#/detail/TYPE/ID[/VIDEO]`, or of the identifier `TYPE/ID[/VIDEO]`. A series without a
///   video is a list of its episodes. Links come in the add-on's own order, which is its idea of the best; torrents are
///   magnet links that select one file, and headers that a player has to send are bound to their link.
/// * For how long an answer is good, the add-on says itself, in the body (`cacheMaxAge`) or in its headers.
/// * The address of an add-on often has a secret in it: it is in no error, log or result.
#[derive(Clone)]
pub struct Stremio {
    site: Site,
    manifest: Arc<Mutex<Known>>,
}

/// What the add-on said about itself when it was asked last, and when that was.
type Known = Option<(Instant, Arc<OnceCell<Result<Arc<Manifest>, Failure>>>)>;

/// What a request names.
struct Wanted {
    kind: String,
    id: String,
    /// One of its videos.
    video: Option<String>,
}

impl Stremio {
    /// The add-on whose manifest is at `url`, named `stremio`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid) when that is no address of HTTP.
    pub fn new(fetch: &Fetch, url: &str) -> Result<Self> {
        // The addresses that people are given to install an add-on.
        let url = url.strip_prefix("stremio://").map_or_else(|| url.to_owned(), |rest| format!("https://{rest}"));
        let base = Base::new(&url)?.without("/manifest.json");
        Ok(Self { site: Site::new("stremio", base, fetch), manifest: Arc::default() })
    }

    /// Sets its name as a provider.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.site.name = name.into();
        self
    }

    /// What the add-on offers; asked for once in an hour, by one for all.
    async fn manifest(&self) -> Result<Arc<Manifest>, Failure> {
        let cell = {
            let mut known = self.manifest.lock();
            // A failure is for those who wait for it, and for nobody after them.
            known.take_if(|(since, cell)| since.elapsed() >= MANIFEST || cell.get().is_some_and(Result::is_err));
            known.get_or_insert_with(|| (Instant::now(), Arc::default())).1.clone()
        };
        let ask = || async { self.site.json(self.site.base.at(&["manifest.json"]).ask()).await.map(Arc::new) };
        cell.get_or_init(ask).await.clone()
    }

    async fn resource<T>(&self, segments: &[&str], last: String) -> Result<(T, Reply), Failure>
    where
        T: DeserializeOwned + Send + 'static,
    {
        // The last one has its own escapes.
        let address = format!("{}/{last}.json", self.site.base.at(segments).text());
        self.site.json_reply(Ask::get(address)).await
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, Failure> {
        let manifest = self.manifest().await?;
        let skip = query.page.as_deref().map_or(Ok(0), str::parse::<u64>);
        let skip = skip.map_err(|_| unsupported("a page of this search"))?;
        let is = |param: &str, value: &str| query.params.get(param).is_none_or(|wanted| wanted == value);
        let can = manifest.searchable().filter(|catalog| is("type", &catalog.kind) && is("catalog", &catalog.id));
        let catalogs: Vec<&Catalog> =
            can.filter(|catalog| skip == 0 || catalog.can("skip")).take(MAX_CATALOGS).collect();
        if catalogs.is_empty() {
            return Err(unsupported("a search that this add-on can do"));
        }
        let asked = join_all(catalogs.iter().map(|catalog| self.catalog(catalog, &query.text, skip))).await;
        let (found, failed): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
        let found: Vec<Vec<Preview>> = found.into_iter().flatten().collect();
        if let (true, Some(Err(failure))) = (found.is_empty(), failed.into_iter().next()) {
            return Err(failure);
        }
        let seen = found.iter().map(Vec::len).sum::<usize>() as u64;
        let has_more = seen > 0 && catalogs.len() == 1 && catalogs[0].can("skip");
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        let is_cut = seen > limit as u64;
        let mut page = SearchPage::of(found.into_iter().flatten().take(limit).map(Preview::result));
        page.next = has_more.then(|| skip.saturating_add(if is_cut { limit as u64 } else { seen }).to_string());
        Ok(page)
    }

    async fn catalog(&self, catalog: &Catalog, text: &str, skip: u64) -> Result<Vec<Preview>, Failure> {
        let skipped = if skip > 0 { format!("&skip={skip}") } else { String::new() };
        let extra = format!("search={}{skipped}", encoded(text));
        let (found, _): (Previews, _) = self.resource(&["catalog", &catalog.kind, &catalog.id], extra).await?;
        Ok(found.metas)
    }

    async fn resolve(&self, request: &LinkRequest) -> Result<Links, Failure> {
        let wanted = Wanted::of(request).ok_or_else(|| unsupported("TYPE/ID or a page of web.stremio.com"))?;
        let manifest = self.manifest().await?;
        if wanted.is_list() && manifest.offers("meta", &wanted.kind, &wanted.id) {
            return self.list(&wanted).await;
        }
        let id = wanted.video.as_deref().unwrap_or(&wanted.id);
        if !manifest.offers("stream", &wanted.kind, id) {
            return Err(unsupported("of a type and a kind of identifier that this add-on has streams for"));
        }
        let (found, reply): (Streams, _) = self.resource(&["stream", &wanted.kind], encoded(id)).await?;
        let validity = self.validity(found.max_age, &reply);
        let lacks = found.streams.iter().any(Stream::is_nowhere);
        let told = found.streams.into_iter().flat_map(|stream| stream.links(&self.site));
        let mut links = limited(told.map(|link| {
            let shorter = link.validity.and(validity);
            link.with_validity(shorter)
        }));
        if lacks && links.is_empty() {
            let message = "the add-on has streams at addresses that nobody may be sent to, and no others";
            return Err(Failure::new(Reason::Malformed, message));
        }
        links.page_url = Some(wanted.page());
        Ok(if lacks { links.partial() } else { links })
    }

    /// The episodes of a series.
    async fn list(&self, wanted: &Wanted) -> Result<Links, Failure> {
        let (found, _): (Found, _) = self.resource(&["meta", &wanted.kind], encoded(&wanted.id)).await?;
        let meta = found.meta.ok_or_else(|| Failure::new(Reason::NotFound, "the add-on does not know that"))?;
        let entry = |video: Video| {
            let mut entry = PlaylistEntry::new(page(&[&wanted.kind, &wanted.id, &video.id]));
            entry.title = video.title.or(video.name);
            entry
        };
        let links = listed(meta.videos.into_iter().map(entry));
        Ok(Links { title: meta.name, image_url: meta.poster, page_url: Some(wanted.page()), ..links })
    }

    /// Until when an answer is good that is not known to end.
    fn validity(&self, max_age: Option<u64>, reply: &Reply) -> Validity {
        let now = self.site.fetch.now();
        let names = ["cache-control", "age", "date", "expires"];
        let headers: Vec<_> = names.into_iter().filter_map(|name| Some((name, reply.header(name)?))).collect();
        let told = max_age.map(|seconds| now.after(Duration::from_secs(seconds)));
        let kept: Option<Timestamp> = told.or_else(|| validity::kept_until(&headers, now));
        kept.map_or(Validity::FOREVER, Validity::renewed)
    }
}

impl Wanted {
    fn of(request: &LinkRequest) -> Option<Self> {
        let path = match Page::of(request)? {
            Page::Id(id) => id,
            Page::Web { host, fragment, .. } if host == "web.stremio.com" || host == "app.strem.io" => {
                fragment.strip_prefix("/detail/")?.to_owned()
            }
            Page::Web { .. } => return None,
        };
        let mut parts = path.split('/').map(|part| decoded(part).into_owned()).filter(|part| !part.is_empty());
        let (kind, id, video) = (parts.next()?, parts.next()?, parts.next());
        parts.next().is_none().then_some(Self { kind, id, video })
    }

    /// Whether it is a series as a whole: `tt0903747`, and not `tt0903747:1:1`.
    fn is_list(&self) -> bool {
        let is_number = |text: Option<&str>| text.is_some_and(|text| text.parse::<u32>().is_ok());
        let mut ends = self.id.rsplit(':');
        let is_episode = is_number(ends.next()) && is_number(ends.next()) && ends.next().is_some();
        self.kind == "series" && self.video.is_none() && !is_episode
    }

    fn page(&self) -> String {
        let parts = [Some(&self.kind), Some(&self.id), self.video.as_ref()];
        page(&parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>())
    }
}

#[async_trait]
impl Provider for Stremio {
    fn name(&self) -> &str {
        &self.site.name
    }

    fn version(&self) -> &str {
        &self.site.version
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        self.find(query).await.map(checked_page).map_err(|failure| failure.into_error(self.name(), "search"))
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        self.resolve(request).await.map(checked).map_err(|failure| failure.into_error(self.name(), "links"))
    }
}

impl fmt::Debug for Stremio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stremio").field("site", &self.site).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Previews {
    #[serde(deserialize_with = "lenient::list")]
    metas: Vec<Preview>,
}

#[derive(Deserialize)]
struct Preview {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    poster: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default, deserialize_with = "lenient::maybe")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    name: Option<String>,
    poster: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    videos: Vec<Video>,
}

#[derive(Deserialize)]
struct Video {
    id: String,
    title: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Streams {
    #[serde(deserialize_with = "lenient::list")]
    streams: Vec<Stream>,
    #[serde(rename = "cacheMaxAge", default, deserialize_with = "lenient::number")]
    max_age: Option<u64>,
}

impl Preview {
    fn result(self) -> SearchResult {
        let mut result = SearchResult::new(self.name, page(&[&self.kind, &self.id]));
        result.kind = matches!(self.kind.as_str(), "movie" | "series").then_some(LinkKind::Video);
        result.image_url = self.poster;
        result
    }
}

fn page(parts: &[&str]) -> String {
    parts.iter().fold(PAGES.to_owned(), |page, part| page + "/" + &encoded(part))
}
