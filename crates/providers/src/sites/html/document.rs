//! `Document`: a page of HTML, and what rules find on it.

use scraper::Selector;
use url::Url;

use super::field::Field;
use super::limit::Limit;
use super::rules::Rules;
use super::text::decoded;
use super::tree::Tree;
use crate::http::Reply;
use crate::sites::media::span;
use crate::sites::settled::Room;
use crate::sites::site::fetchable;
use crate::{Failure, Links, Reason, SearchPage, SearchResult};

/// The most rows that are looked at on a page.
const MAX_ROWS: usize = 1000;
/// The most bytes of texts that are taken from the rows of a page: what it says addresses are relative to is in each.
const MAX_BYTES: usize = 2 << 20;

/// A page of HTML.
#[derive(Debug)]
pub(super) struct Document {
    tree: Tree,
    /// What relative addresses are relative to.
    base: Url,
    host: String,
}

/// What is on a page.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) sources: Vec<Source>,
    /// Pages that belong to it.
    pub(super) follow: Vec<Url>,
    /// Whether there is more on it than is taken.
    pub(super) is_cut: bool,
    /// What the links are links of; it has none itself.
    pub(super) about: Links,
}

/// Where a link leads.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) url: String,
    pub(super) content_type: Option<String>,
    pub(super) resolution: Option<String>,
}

impl Source {
    fn bytes(&self) -> usize {
        let texts = [&self.content_type, &self.resolution].into_iter().flatten();
        self.url.len() + texts.map(String::len).sum::<usize>()
    }
}

impl Document {
    /// # Errors
    /// [`Reason::Malformed`] when it lacks the landmark of `rules`, or cannot be read within limits.
    pub(super) fn of(reply: &Reply, rules: &Rules, limit: Limit) -> Result<Self, Failure> {
        let host = reply.host();
        let base = Url::parse(reply.url()).map_err(|_| Failure::new(Reason::Malformed, "a page has no address"))?;
        let tree = Tree::of(&decoded(reply), limit).map_err(|why| unreadable(&host, why))?;
        let mut document = Self { tree, base, host };
        if rules.landmark.as_ref().is_some_and(|landmark| document.tree.select(None, landmark).next().is_none()) {
            document.checked()?;
            let host = document.host;
            let message = format!("a page of {host} lacks the landmark: is it a login, or has the site changed?");
            return Err(Failure::new(Reason::Malformed, message));
        }
        if let Some(told) = document.told_base() {
            document.base = told;
        }
        Ok(document)
    }

    /// What a search has found.
    ///
    /// # Errors
    /// [`Reason::Malformed`] when there are results and none has an address, or when they cannot be read within limits.
    pub(super) fn results(&self, rules: &Rules) -> Result<SearchPage, Failure> {
        let Some(search) = &rules.search else { return Ok(SearchPage::default()) };
        let (mut has_rows, mut room) = (false, Room::of(MAX_BYTES));
        let rows = self.tree.select(None, &search.row).take(MAX_ROWS).inspect(|_| has_rows = true);
        let results: Vec<SearchResult> = rows
            .filter_map(|row| {
                let url = self.address(&search.link.in_row(&self.tree, row)?)?;
                let mut result = SearchResult::new(search.title.in_row(&self.tree, row)?, url);
                let field = |field: &Option<Field>| field.as_ref()?.in_row(&self.tree, row);
                result.image_url = field(&search.image).and_then(|image| self.address(&image));
                result.duration = field(&search.duration).and_then(|text| span(&text));
                result.creator = field(&search.creator);
                Some(result)
            })
            .take_while(|result| room.take(result.url.len() + result.image_url.as_ref().map_or(0, String::len)))
            .collect();
        self.checked()?;
        if has_rows && results.is_empty() {
            let message = format!("no result of {} has a title and an address: has the site changed?", self.host);
            return Err(Failure::new(Reason::Malformed, message));
        }
        let mut page = SearchPage::of(results);
        page.next = search.next.as_ref().and_then(|next| self.address(&next.in_page(&self.tree)?));
        self.checked()?;
        Ok(page)
    }

    /// What is on a page.
    ///
    /// # Errors
    /// [`Reason::Malformed`] when there are rows and none has an address, or when they cannot be read within limits.
    pub(super) fn found(&self, rules: &Rules) -> Result<Found, Failure> {
        let (mut has_rows, mut room) = (false, Room::of(MAX_BYTES));
        let rows = self.tree.select(None, &rules.row).take(MAX_ROWS).inspect(|_| has_rows = true);
        let sources: Vec<Source> = rows
            .filter_map(|row| {
                let url = self.address(&rules.link.in_row(&self.tree, row)?)?;
                let resolution = rules.resolution.as_ref().and_then(|field| field.in_row(&self.tree, row));
                Some(Source { url, content_type: row.attr("type").map(str::to_owned), resolution })
            })
            .take_while(|source| room.take(source.bytes()))
            .collect();
        self.checked()?;
        if has_rows && sources.is_empty() {
            let message = format!("no link of {} has an address: has the site changed?", self.host);
            return Err(Failure::new(Reason::Malformed, message));
        }
        let follow = rules.follow.iter().flat_map(|follow| follow.link.all_in_page(&self.tree));
        let follow = follow
            .take(MAX_ROWS)
            .filter_map(|reference| self.base.join(&reference).ok())
            .map(without_fragment)
            .take_while(|url| room.take(url.as_str().len()))
            .collect();
        let field = |field: &Option<Field>| field.as_ref()?.in_page(&self.tree);
        let about = Links {
            title: field(&rules.title),
            image_url: field(&rules.image).and_then(|image| self.address(&image)),
            duration: field(&rules.duration).and_then(|text| span(&text)),
            creator: field(&rules.creator),
            ..Links::default()
        };
        self.checked()?;
        Ok(Found { sources, follow, is_cut: room.is_full(), about })
    }

    /// What the page itself says that relative addresses are relative to.
    fn told_base(&self) -> Option<Url> {
        let selector = Selector::parse("base[href]").ok()?;
        let base = self.tree.select(None, &selector).next()?;
        self.base.join(base.attr("href")?).ok()
    }

    /// # Errors
    /// When something has been left out because it took too long.
    fn checked(&self) -> Result<(), Failure> {
        self.tree.checked().map_err(|why| unreadable(&self.host, why))
    }

    /// `reference` as an address that may be handed out.
    fn address(&self, reference: &str) -> Option<String> {
        fetchable(self.base.join(reference).ok()?.as_str())
    }
}

fn unreadable(host: &str, why: &str) -> Failure {
    Failure::new(Reason::Malformed, format!("a page of {host} {why}"))
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}
