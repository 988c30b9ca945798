//! `Commons`: films and recordings of Wikimedia Commons.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cache_core::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::media::{best_first, kind_of, span_of};
use super::settled::{checked, checked_page, limited};
use super::site::{Address, unsupported};
use super::{Base, Page, Site, lenient};
use crate::http::Fetch;
use crate::{Failure, Link, LinkKind, LinkRequest, Links, Provider, Reason, SearchPage, SearchQuery, SearchResult};

const BASE: &str = "https://commons.wikimedia.org";
/// How good the file is that was uploaded.
const ORIGINAL: &str = "original";

/// Films and recordings of Wikimedia Commons, by the API of `MediaWiki`: `generator=search` and `prop=videoinfo`.
///
/// * **Search**: the text is one of its own search. Parameter: `filetype`, `video` unless set.
/// * **Links** of `commons.wikimedia.org/wiki/File:NAME`, or of the identifier `File:NAME`: the file, what it was
///   transcoded to, and its subtitles. They have no end.
/// * The site wants to know who asks: see [`FetchOptions::contact`](crate::http::FetchOptions::contact).
#[derive(Debug, Clone)]
pub struct Commons(Site);

impl Commons {
    /// The one at commons.wikimedia.org, named `commons`.
    pub fn new(fetch: &Fetch) -> Self {
        Self(Site::new("commons", Base::known(BASE), fetch))
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

    async fn ask(&self, address: Address) -> Result<Answer, Failure> {
        let answer: Answer = self.0.json(address.ask()).await?;
        match answer.error {
            None => Ok(answer),
            Some(error) => Err(Failure::new(error.reason(), "the site has refused the query")),
        }
    }

    fn query(&self) -> Address {
        self.0.base.at(&["w", "api.php"]).with("action", "query").with("format", "json")
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, Failure> {
        let offset = query.page.as_deref().map_or(Ok(0), str::parse::<u64>);
        let offset = offset.map_err(|_| unsupported("a page of this search"))?;
        let kind = query.params.get("filetype").map_or("video", String::as_str);
        let address = self.query().with("generator", "search").with("gsrnamespace", 6);
        let address = address.with("gsrsearch", format_args!("filetype:{kind} {}", query.text));
        let address = address.with("gsrlimit", query.limit.unwrap_or(20).clamp(1, 50)).with("gsroffset", offset);
        let address = address.with("prop", "imageinfo").with("iiprop", "url|size|mime").with("iiurlheight", 180);
        let answer = self.ask(address).await?;
        let mut found: Vec<Entry> = answer.query.unwrap_or_default().pages.into_values().collect();
        found.sort_by_key(|page| page.index);
        let mut page = SearchPage::of(found.into_iter().filter_map(result));
        page.next = answer.next.and_then(|next| next.offset).map(|offset| offset.to_string());
        Ok(page)
    }

    async fn resolve(&self, request: &LinkRequest) -> Result<Links, Failure> {
        let title = self.title(request).ok_or_else(|| unsupported("a file of Wikimedia Commons"))?;
        let address = self.query().with("titles", &title).with("redirects", 1).with("prop", "videoinfo");
        let address = address.with("viprop", "user|url|size|mime|derivatives|timedtext").with("viurlheight", 180);
        let pages = self.ask(address).await?.query.unwrap_or_default().pages;
        let page = pages.into_values().next();
        let page =
            page.ok_or_else(|| Failure::new(Reason::Malformed, "the answer lacks the file that was asked for"))?;
        if page.missing.is_some() || page.invalid.is_some() {
            return Err(Failure::new(Reason::NotFound, "there is no such file"));
        }
        let title = name(&page.title).to_owned();
        let Some(info) = page.videoinfo.into_iter().next() else { return Ok(Links::default()) };
        let mut links = limited(self.links_of(&info));
        best_first(&mut links.links);
        links.title = Some(title);
        links.creator = info.user;
        links.duration = info.duration.and_then(span_of);
        links.image_url = info.thumburl;
        links.page_url = info.descriptionurl;
        Ok(links)
    }

    /// The file itself comes twice; as a derivative it has its codecs and its bit rate.
    fn links_of<'a>(&'a self, info: &'a Info) -> impl Iterator<Item = Link> + 'a {
        let derivatives = info.derivatives.iter().map(|derivative| self.derivative(derivative, info));
        let original = info.url.iter().map(|url| {
            let mut link = self.0.link(url, kind_of(info.mime.as_deref(), url), None);
            link.bytes = info.size;
            link.content_type.clone_from(&info.mime);
            ORIGINAL.clone_into(&mut link.quality.label);
            link.quality.width = info.width.filter(|width| *width > 0);
            link.quality.height = info.height.filter(|height| *height > 0);
            link
        });
        let texts = info.timedtext.iter().map(|text| {
            let mut link = self.0.link(&text.src, LinkKind::Subtitles, None);
            link.language.clone_from(&text.srclang);
            link.content_type.clone_from(&text.content_type);
            link
        });
        derivatives.chain(original).chain(texts)
    }

    fn derivative(&self, derivative: &Derivative, info: &Info) -> Link {
        let content_type = derivative.content_type.as_deref();
        let mut link = self.0.link(&derivative.src, kind_of(content_type, &derivative.src), None);
        let is_original = info.url.as_ref() == Some(&derivative.src);
        link.bytes = info.size.filter(|_| is_original);
        link.content_type.clone_from(&derivative.content_type);
        link.quality.label = derivative.transcodekey.clone().unwrap_or_else(|| ORIGINAL.to_owned());
        link.quality.width = derivative.width.filter(|width| *width > 0);
        link.quality.height = derivative.height.filter(|height| *height > 0);
        link.quality.bit_rate = derivative.bandwidth;
        link
    }

    /// The title of the file that `request` names.
    fn title(&self, request: &LinkRequest) -> Option<String> {
        let title = match Page::of(request)? {
            Page::Id(id) => id,
            Page::Web { host, segments, .. } => {
                let is_here = self.0.is_host(&host, &["commons.wikimedia.org", "commons.m.wikimedia.org"]);
                let name = segments.strip_prefix(&["wiki".to_owned()]).filter(|_| is_here)?;
                name.join("/")
            }
        };
        let is_file = title.get(..5).is_some_and(|namespace| namespace.eq_ignore_ascii_case("file:"));
        // A bar would name several.
        (is_file && !title.contains('|')).then_some(title)
    }
}

#[async_trait]
impl Provider for Commons {
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

/// Nothing found is an answer without a query.
#[derive(Deserialize)]
struct Answer {
    query: Option<Query>,
    #[serde(rename = "continue")]
    next: Option<Next>,
    error: Option<Refusal>,
}

#[derive(Default, Deserialize)]
struct Query {
    #[serde(default)]
    pages: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Next {
    #[serde(rename = "gsroffset", default, deserialize_with = "lenient::number")]
    offset: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    title: String,
    #[serde(default)]
    index: i64,
    missing: Option<IgnoredAny>,
    invalid: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient::list")]
    imageinfo: Vec<Info>,
    #[serde(default, deserialize_with = "lenient::list")]
    videoinfo: Vec<Info>,
}

#[derive(Deserialize)]
struct Info {
    url: Option<String>,
    descriptionurl: Option<String>,
    thumburl: Option<String>,
    user: Option<String>,
    mime: Option<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "lenient::number")]
    width: Option<u32>,
    #[serde(default, deserialize_with = "lenient::number")]
    height: Option<u32>,
    #[serde(default, deserialize_with = "lenient::number")]
    duration: Option<f64>,
    #[serde(default, deserialize_with = "lenient::list")]
    derivatives: Vec<Derivative>,
    #[serde(default, deserialize_with = "lenient::list")]
    timedtext: Vec<TimedText>,
}

#[derive(Deserialize)]
struct Derivative {
    src: String,
    #[serde(rename = "type")]
    content_type: Option<String>,
    transcodekey: Option<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    width: Option<u32>,
    #[serde(default, deserialize_with = "lenient::number")]
    height: Option<u32>,
    #[serde(default, deserialize_with = "lenient::number")]
    bandwidth: Option<u64>,
}

#[derive(Deserialize)]
struct TimedText {
    src: String,
    srclang: Option<String>,
    #[serde(rename = "type")]
    content_type: Option<String>,
}

impl Refusal {
    fn reason(&self) -> Reason {
        match self.code.as_deref().unwrap_or_default() {
            "ratelimited" => Reason::RateLimited,
            "maxlag" | "readonly" => Reason::Unavailable,
            code if code.starts_with("internal_api_error") => Reason::Unavailable,
            _ => Reason::Unsupported,
        }
    }
}

fn result(page: Entry) -> Option<SearchResult> {
    let info = page.imageinfo.into_iter().next()?;
    let mut result = SearchResult::new(name(&page.title), info.descriptionurl?);
    result.kind = Some(kind_of(info.mime.as_deref(), info.url.as_deref().unwrap_or_default()));
    result.duration = info.duration.and_then(span_of);
    result.image_url = info.thumburl;
    Some(result)
}

/// A title without its namespace.
fn name(title: &str) -> &str {
    title.strip_prefix("File:").unwrap_or(title)
}
