//! `InternetArchive`: films and recordings of the Internet Archive.

use std::time::Duration;

use async_trait::async_trait;
use cache_core::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::media::{best_first, is_played, kind_of, span};
use super::settled::{checked, checked_page, limited};
use super::site::{encoded, unsupported};
use super::{Base, Page, Site, lenient};
use crate::http::Fetch;
use crate::{Failure, Link, LinkKind, LinkRequest, Links, Provider, Reason, SearchPage, SearchQuery, SearchResult};

const BASE: &str = "https://archive.org";
/// How deep the plain search goes.
const REACH: u64 = 10_000;
/// The fewest results that a page of a walk has.
const STEP: u32 = 100;
/// What marks the page of a walk.
const CURSOR: &str = "after:";

/// Films and recordings of the Internet Archive, by its public interface: `advancedsearch.php`, the scraping interface for
/// walks through more than 10,000 results, and `metadata`.
///
/// * **Search**: the text is a query of Lucene. Parameters: `mediatype`, films and recordings unless set; `sort`, such as
///   `downloads desc`; `walk`, with any value, for all results in no order, in pages of at least a hundred.
/// * **Links** of `archive.org/details/ITEM`, of `.../ITEM/FILE` with what was made from the file, or of the identifier
///   `ITEM`. They have no end and lead to `archive.org/download`, which sends on to a machine that has the file today.
/// * An item that is not there is [`Reason::NotFound`]; one that was taken down, or all of whose files are kept back, is
///   [`Reason::Forbidden`].
#[derive(Debug, Clone)]
pub struct InternetArchive(Site);

impl InternetArchive {
    /// The one at archive.org, named `archive`.
    pub fn new(fetch: &Fetch) -> Self {
        Self(Site::new("archive", Base::known(BASE), fetch))
    }

    /// Sets its name as a provider.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// Sets where it is.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid) when that is no address of HTTP.
    pub fn at(mut self, base_url: &str) -> Result<Self> {
        self.0.set_base(Base::new(base_url)?);
        Ok(self)
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, Failure> {
        let cursor = query.page.as_deref().and_then(|page| page.strip_prefix(CURSOR));
        if cursor.is_some() || query.params.contains_key("walk") {
            return self.walk(query, cursor).await;
        }
        let number = query.page.as_deref().map_or(Ok(1), str::parse::<u64>);
        let number = number.map_err(|_| unsupported("a page of this search"))?.clamp(1, REACH);
        let rows = u64::from(query.limit.unwrap_or(50).clamp(1, 1000));
        let address = self.0.base.at(&["advancedsearch.php"]).with("q", asked(query)).with("output", "json");
        let address = ["identifier", "title", "creator", "mediatype"]
            .into_iter()
            .fold(address, |address, field| address.with("fl[]", field))
            .with("rows", rows)
            .with("page", number);
        let address = match query.params.get("sort") {
            Some(sort) => address.with("sort[]", sort),
            None => address,
        };
        let found: Found = self.0.json(address.ask()).await?;
        let Some(found) = found.response else { return Err(refusal(found.error)) };
        let seen = number.saturating_mul(rows);
        let has_more = !found.docs.is_empty() && seen < found.total.unwrap_or(0) && seen + rows <= REACH;
        let mut page = SearchPage::of(found.docs.into_iter().map(|doc| self.result(doc)));
        page.total = found.total;
        page.next = has_more.then(|| (number + 1).to_string());
        Ok(page)
    }

    async fn walk(&self, query: &SearchQuery, cursor: Option<&str>) -> Result<SearchPage, Failure> {
        let address = self.0.base.at(&["services", "search", "v1", "scrape"]).with("q", asked(query));
        let address = address.with("fields", "identifier,title,creator,mediatype");
        let mut address = address.with("count", query.limit.unwrap_or(STEP).clamp(STEP, 10_000));
        if let Some(sort) = query.params.get("sort") {
            address = address.with("sorts", sort);
        }
        if let Some(cursor) = cursor {
            address = address.with("cursor", cursor);
        }
        let found: Walked = self.0.json(address.ask()).await?;
        let Some(items) = found.items else { return Err(refusal(found.error)) };
        let mut page = SearchPage::of(items.into_iter().map(|doc| self.result(doc)));
        page.total = found.total;
        page.next = found.cursor.map(|cursor| format!("{CURSOR}{cursor}"));
        Ok(page)
    }

    fn result(&self, doc: Doc) -> SearchResult {
        let title = doc.title.into_iter().next().unwrap_or_else(|| doc.identifier.clone());
        let mut result = SearchResult::new(title, self.0.base.at(&["details", &doc.identifier]).text());
        result.image_url = Some(self.0.base.at(&["services", "img", &doc.identifier]).text());
        result.creator = joined(&doc.creator);
        result.kind = match doc.mediatype.first().map(String::as_str) {
            Some("movies") => Some(LinkKind::Video),
            Some("audio" | "etree") => Some(LinkKind::Audio),
            Some("image") => Some(LinkKind::Image),
            _ => None,
        };
        result
    }

    async fn resolve(&self, request: &LinkRequest) -> Result<Links, Failure> {
        let (id, wanted) = self.item(request).ok_or_else(|| unsupported("an item of the Internet Archive"))?;
        let item: Item = self.0.json(self.0.base.at(&["metadata", &id]).ask()).await?;
        if item.is_dark {
            return Err(Failure::new(Reason::Forbidden, "the item was taken down"));
        }
        if item.error.is_some() {
            return Err(refusal(item.error));
        }
        // An item that is not there is an empty answer.
        let Some(metadata) = item.metadata else {
            return Err(Failure::new(Reason::NotFound, "there is no such item"));
        };
        let files = item.files.iter().filter(|file| wanted.as_ref().is_none_or(|wanted| file.belongs_to(wanted)));
        let files: Vec<(&File, LinkKind)> = files.filter_map(|file| Some((file, file.kind()?))).collect();
        let open = files.iter().filter(|(file, _)| !file.private);
        let mut links = limited(open.flat_map(|(file, kind)| self.file(&id, file, *kind)));
        if links.is_empty() && !files.is_empty() {
            return Err(Failure::new(Reason::Forbidden, "the files of the item are kept back"));
        }
        best_first(&mut links.links);
        links.title = metadata.title.into_iter().next();
        links.creator = joined(&metadata.creator);
        links.duration = duration(&files);
        links.image_url = Some(self.0.base.at(&["services", "img", &id]).text());
        links.page_url = Some(self.0.base.at(&["details", &id]).text());
        Ok(links)
    }

    /// The item that `request` names, and the file in it.
    fn item(&self, request: &LinkRequest) -> Option<(String, Option<String>)> {
        let segments = match Page::of(request)? {
            Page::Id(id) => id.split('/').map(str::to_owned).collect(),
            Page::Web { host, segments, .. } => {
                let is_item = matches!(segments.first()?.as_str(), "details" | "embed" | "download" | "metadata");
                let is_here = self.0.is_host(&host, &["archive.org", "www.archive.org"]);
                (is_item && is_here).then(|| segments[1..].to_vec())?
            }
        };
        let (id, file) = segments.split_first()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        // Dots alone would lead elsewhere.
        let is_id = id.len() <= 100 && id.bytes().all(is_plain) && id.bytes().any(|byte| byte != b'.');
        is_id.then(|| (id.clone(), (!file.is_empty()).then(|| file.join("/"))))
    }

    fn file(&self, id: &str, file: &File, kind: LinkKind) -> impl Iterator<Item = Link> {
        let segments: Vec<&str> = ["download", id].into_iter().chain(file.name.split('/')).collect();
        let mut link = self.0.link(self.0.base.at(&segments).text(), kind, None);
        link.bytes = file.size;
        link.quality.label = file.format.clone().unwrap_or_default();
        (link.quality.width, link.quality.height) =
            (file.width.filter(|width| *width > 0), file.height.filter(|height| *height > 0));
        let magnet = file.btih.as_ref().filter(|hash| hash.len() == 40).map(|hash| {
            let url = format!("magnet:?xt=urn:btih:{}&dn={}", encoded(hash), encoded(id));
            self.0.link(url, LinkKind::Torrent, None)
        });
        [Some(link), magnet].into_iter().flatten()
    }
}

#[async_trait]
impl Provider for InternetArchive {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn version(&self) -> &str {
        &self.0.version
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
    response: Option<Docs>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Docs {
    #[serde(rename = "numFound", default, deserialize_with = "lenient::number")]
    total: Option<u64>,
    #[serde(deserialize_with = "lenient::list")]
    docs: Vec<Doc>,
}

#[derive(Deserialize)]
struct Walked {
    #[serde(default, deserialize_with = "lenient::some_list")]
    items: Option<Vec<Doc>>,
    #[serde(default, deserialize_with = "lenient::number")]
    total: Option<u64>,
    cursor: Option<String>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Doc {
    identifier: String,
    #[serde(default, deserialize_with = "lenient::texts")]
    title: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    creator: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    mediatype: Vec<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default, deserialize_with = "lenient::flag")]
    is_dark: bool,
    metadata: Option<Metadata>,
    #[serde(default, deserialize_with = "lenient::list")]
    files: Vec<File>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "lenient::texts")]
    title: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    creator: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    source: Option<String>,
    original: Option<String>,
    format: Option<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "lenient::texts")]
    length: Vec<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    width: Option<u32>,
    #[serde(default, deserialize_with = "lenient::number")]
    height: Option<u32>,
    #[serde(default, deserialize_with = "lenient::flag")]
    private: bool,
    btih: Option<String>,
}

impl File {
    /// What it is, if anybody wants it.
    fn kind(&self) -> Option<LinkKind> {
        let kind = kind_of(None, &self.name);
        let is_wanted = is_played(kind) || matches!(kind, LinkKind::Torrent | LinkKind::Subtitles);
        is_wanted.then_some(kind)
    }

    /// Whether it is the file `wanted`, or made from it.
    fn belongs_to(&self, wanted: &str) -> bool {
        self.name == wanted || self.original.as_deref() == Some(wanted)
    }

    fn duration(&self) -> Option<Duration> {
        span(self.length.first()?)
    }
}

/// Why an answer that is said to be well lacks what was asked for: most often it has an error in its place.
fn refusal(error: Option<IgnoredAny>) -> Failure {
    match error {
        Some(_) => Failure::new(
            Reason::Unavailable,
            "the archive has refused the request, in an answer that is said to be well",
        ),
        None => Failure::new(Reason::Malformed, "the answer lacks what was asked for"),
    }
}

/// How long what was uploaded plays, if that is one thing.
fn duration(files: &[(&File, LinkKind)]) -> Option<Duration> {
    let mut played = files.iter().filter(|(_, kind)| is_played(*kind)).map(|(file, _)| file);
    let mut originals = played.clone().filter(|file| file.source.as_deref() == Some("original") && !file.private);
    match (originals.next(), originals.next()) {
        (Some(file), None) => file.duration(),
        (None, _) => played.find_map(|file| file.duration()),
        _ => None,
    }
}

fn asked(query: &SearchQuery) -> String {
    let kinds = query.params.get("mediatype").map_or("(movies OR audio)", String::as_str);
    if query.text.trim().is_empty() {
        return format!("mediatype:{kinds}");
    }
    format!("({}) AND mediatype:{kinds}", query.text)
}

fn joined(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}
