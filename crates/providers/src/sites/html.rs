//! `HtmlSite`: a site that is described by a table of selectors.

mod document;
mod field;
mod limit;
mod rules;
mod table;
mod text;
mod tree;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, Result};
use futures_util::{StreamExt, stream};
use tokio::task::spawn_blocking;
use url::Url;

pub use table::{HtmlError, HtmlFollow, HtmlPage, HtmlSearch, HtmlTable};

use super::Page;
use super::media::{best_first, kind_of};
use super::settled::{checked, checked_page, limited};
use super::site::{Site, unsupported};
use crate::http::{Ask, Expected, Fetch};
use crate::sites::Base;
use crate::{Failure, Link, LinkRequest, Links, Provider, Reason, SearchPage, SearchQuery};
use document::{Document, Found};
use limit::Limit;
use rules::{Paging, Rules};

/// How many pages are asked for at once; each host has limits of its own besides.
const AT_ONCE: usize = 4;
/// The longest that a page is read, once it is here.
const READING: Duration = Duration::from_secs(5);
/// The most links of an answer.
const MAX_LINKS: usize = 1000;

/// A site that is described by a [table](HtmlTable) of selectors, so that it needs no code.
///
/// * **Search** is one page of results. Where the table has no search, that is an error.
/// * **Links** of a page are what its rules find, without duplicates, and what they find on the pages that are followed
///   from it. Where one of these does not answer, or there are too many of them, the answer is partial.
/// * **Hosts**: only pages of the table's hosts are asked for, whatever a request, a page or a token of paging says; a
///   redirect may lead elsewhere, within [`FetchOptions::admit`](crate::http::FetchOptions::admit).
/// * **A page of another shape** is an error where that can be told: it lacks the `landmark`, or its results lack
///   their addresses. A page on which nothing matches has nothing otherwise.
/// * **A page that is written to take long** is given up: it is read for five seconds at most.
/// * **The version** is a hash of the table: links of another description are not found again.
#[derive(Debug, Clone)]
pub struct HtmlSite {
    site: Site,
    version: String,
    rules: Arc<Rules>,
}

impl HtmlSite {
    /// The site that `table` describes, named `html`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid) with an [`HtmlError`] as its source, which names the field that is
    /// wrong.
    pub fn new(fetch: &Fetch, table: &HtmlTable) -> Result<Self> {
        let rules = Rules::of(table).map_err(Error::from)?;
        // The base is not asked: each page has its own.
        let site = Site::new("html", Base::known("https://localhost"), fetch);
        Ok(Self { site, version: table.version(), rules: Arc::new(rules) })
    }

    /// Sets its name as a provider.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.site.name = name.into();
        self
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, Failure> {
        let none = || Failure::new(Reason::Unsupported, "the site is described without a search");
        let search = self.rules.search.as_ref().ok_or_else(none)?;
        let (url, paging) = search.address(query)?;
        self.admitted(&url)?;
        let mut page = self.read(url, Document::results).await?;
        if let Paging::Numbered(next) = paging {
            page.next = (!page.results.is_empty()).then(|| next.to_string());
        }
        page.results.truncate(query.limit.map_or(usize::MAX, |limit| limit as usize));
        Ok(page)
    }

    async fn resolve(&self, request: &LinkRequest) -> Result<Links, Failure> {
        let Some(Page::Web { .. }) = Page::of(request) else { return Err(unsupported("a page of the site")) };
        let url = Url::parse(request.url()).ok().filter(Url::has_host);
        let url = url.or_else(|| Url::parse(&format!("https://{}", request.url())).ok());
        let url = url.ok_or_else(|| unsupported("a page of the site"))?;
        self.admitted(&url)?;
        let mut seen = HashSet::from([url.clone()]);
        let mut first = self.read(url, Document::found).await?;
        let is_complete = self.follow(&mut first, &mut seen).await;
        let mut known = HashSet::new();
        first.sources.retain(|source| known.insert(source.url.clone()));
        let is_complete = is_complete && !first.is_cut && first.sources.len() <= MAX_LINKS;
        let mut found = limited(first.sources.into_iter().take(MAX_LINKS).map(|source| self.link(source)));
        best_first(&mut found.links);
        let links = Links { links: found.links, extent: found.extent, ..first.about };
        Ok(if is_complete { links } else { links.partial() })
    }

    /// Adds what the pages have that are followed from `first`, level by level; whether that is all.
    async fn follow(&self, first: &mut Found, seen: &mut HashSet<Url>) -> bool {
        let Some(follow) = &self.rules.follow else { return true };
        let (mut left, mut is_complete) = (follow.pages, true);
        let mut level = std::mem::take(&mut first.follow);
        for _ in 0..follow.depth {
            level.retain(|url| self.admitted(url).is_ok() && seen.insert(url.clone()));
            is_complete &= level.len() <= left;
            level.truncate(left);
            left -= level.len();
            let pages = level.drain(..).map(|url| self.read(url, Document::found));
            let pages: Vec<_> = stream::iter(pages).buffered(AT_ONCE).collect().await;
            for page in pages {
                let Ok(page) = page else {
                    is_complete = false;
                    continue;
                };
                is_complete &= !page.is_cut;
                first.sources.extend(page.sources);
                level.extend(page.follow);
            }
        }
        is_complete
    }

    /// What `look` sees on the page `url`.
    async fn read<T: Send + 'static>(
        &self,
        url: Url,
        look: impl FnOnce(&Document, &Rules) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let rules = self.rules.clone();
        let reply = self.site.fetch.fetch(&Ask::get(url).expect(Expected::Html)).await?;
        // However short a page is, it may be written to take long. What nobody waits for any more ends by itself.
        let waiting = Arc::new(());
        let limit = Limit::new(READING, &waiting);
        let read = spawn_blocking(move || look(&Document::of(&reply, &rules, limit)?, &rules)).await;
        drop(waiting);
        read.unwrap_or_else(|_| Err(Failure::new(Reason::Unavailable, "a page could not be read")))
    }

    fn link(&self, source: document::Source) -> Link {
        let kind = self.rules.kind.unwrap_or_else(|| kind_of(source.content_type.as_deref(), &source.url));
        let mut link = self.site.link(source.url, kind, None);
        link.quality.height = source.resolution.as_deref().and_then(text::height);
        link.quality.label = source.resolution.unwrap_or_default();
        link.content_type = source.content_type;
        link
    }

    fn admitted(&self, url: &Url) -> Result<(), Failure> {
        if self.rules.is_own(url) {
            Ok(())
        } else {
            Err(unsupported("a page of a host that the site is described with"))
        }
    }
}

#[async_trait]
impl Provider for HtmlSite {
    fn name(&self) -> &str {
        &self.site.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        self.find(query).await.map(checked_page).map_err(|failure| failure.into_error(self.name(), "search"))
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        self.resolve(request).await.map(checked).map_err(|failure| failure.into_error(self.name(), "links"))
    }
}
