//! `Document`: a page of HTML, and what rules find on it.

use std::time::{Duration, Instant};

use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::TendrilSink;
use scraper::{Html, HtmlTreeSink, Selector};
use url::Url;

use super::field::Field;
use super::rules::Rules;
use super::text::decoded;
use crate::http::Reply;
use crate::sites::media::span;
use crate::sites::site::fetchable;
use crate::{Failure, Links, Reason, SearchPage, SearchResult};

/// The most rows that are looked at on a page.
const MAX_ROWS: usize = 1000;
/// Deeper than any page nests; matching a selector takes longer the deeper an element is.
const MAX_DEPTH: usize = 512;
const TOO_DEEP: &str = "nests deeper than any page does";
/// The longest that a page is read.
const MAX_TIME: Duration = Duration::from_secs(10);
/// So many bytes are read before it is looked how that goes.
const PIECE: usize = 4 << 10;

/// A page of HTML.
#[derive(Debug)]
pub(super) struct Document {
    html: Html,
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

impl Document {
    /// # Errors
    /// [`Reason::Malformed`] when it lacks the landmark of `rules`, or nests too deep.
    pub(super) fn of(reply: &Reply, rules: &Rules) -> Result<Self, Failure> {
        let host = reply.host();
        let html = parsed(&decoded(reply))
            .map_err(|why| Failure::new(Reason::Malformed, format!("a page of {host} {why}")))?;
        if rules.landmark.as_ref().is_some_and(|landmark| html.select(landmark).next().is_none()) {
            let message = format!("a page of {host} lacks the landmark: is it a login, or has the site changed?");
            return Err(Failure::new(Reason::Malformed, message));
        }
        let own = Url::parse(reply.url()).map_err(|_| Failure::new(Reason::Malformed, "a page has no address"))?;
        let told =
            Selector::parse("base[href]").ok().and_then(|base| own.join(html.select(&base).next()?.attr("href")?).ok());
        Ok(Self { html, base: told.unwrap_or(own), host })
    }

    /// What a search has found.
    ///
    /// # Errors
    /// [`Reason::Malformed`] when there are results and none has an address.
    pub(super) fn results(&self, rules: &Rules) -> Result<SearchPage, Failure> {
        let Some(search) = &rules.search else { return Ok(SearchPage::default()) };
        let mut has_rows = false;
        let rows = self.html.select(&search.row).take(MAX_ROWS).inspect(|_| has_rows = true);
        let results: Vec<SearchResult> = rows
            .filter_map(|row| {
                let url = self.address(&search.link.in_row(row)?)?;
                let mut result = SearchResult::new(search.title.in_row(row)?, url);
                let field = |field: &Option<Field>| field.as_ref()?.in_row(row);
                result.image_url = field(&search.image).and_then(|image| self.address(&image));
                result.duration = field(&search.duration).and_then(|text| span(&text));
                result.creator = field(&search.creator);
                Some(result)
            })
            .collect();
        if has_rows && results.is_empty() {
            let message = format!("no result of {} has a title and an address: has the site changed?", self.host);
            return Err(Failure::new(Reason::Malformed, message));
        }
        let mut page = SearchPage::of(results);
        page.next = search.next.as_ref().and_then(|next| self.address(&next.in_page(&self.html)?));
        Ok(page)
    }

    /// What is on a page.
    ///
    /// # Errors
    /// [`Reason::Malformed`] when there are rows and none has an address.
    pub(super) fn found(&self, rules: &Rules) -> Result<Found, Failure> {
        let mut has_rows = false;
        let rows = self.html.select(&rules.row).take(MAX_ROWS).inspect(|_| has_rows = true);
        let sources: Vec<Source> = rows
            .filter_map(|row| {
                let url = self.address(&rules.link.in_row(row)?)?;
                let resolution = rules.resolution.as_ref().and_then(|field| field.in_row(row));
                Some(Source { url, content_type: row.attr("type").map(str::to_owned), resolution })
            })
            .collect();
        if has_rows && sources.is_empty() {
            let message = format!("no link of {} has an address: has the site changed?", self.host);
            return Err(Failure::new(Reason::Malformed, message));
        }
        let follow = rules.follow.iter().flat_map(|follow| follow.link.all_in_page(&self.html));
        let follow =
            follow.take(MAX_ROWS).filter_map(|reference| self.base.join(&reference).ok()).map(without_fragment);
        let field = |field: &Option<Field>| field.as_ref()?.in_page(&self.html);
        let about = Links {
            title: field(&rules.title),
            image_url: field(&rules.image).and_then(|image| self.address(&image)),
            duration: field(&rules.duration).and_then(|text| span(&text)),
            creator: field(&rules.creator),
            ..Links::default()
        };
        Ok(Found { sources, follow: follow.collect(), about })
    }

    /// `reference` as an address that may be handed out.
    fn address(&self, reference: &str) -> Option<String> {
        fetchable(self.base.join(reference).ok()?.as_str())
    }
}

/// The tree of `text`, or what keeps it from being one.
///
/// Parsing takes time that grows with the square of how deep elements nest and of how many attributes one has: what is
/// written for that is given up early, which takes looking between pieces.
fn parsed(text: &str) -> Result<Html, &'static str> {
    let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let (begun, mut rest) = (Instant::now(), text);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(piece.into());
        rest = behind;
        let html = parser.tokenizer.sink.sink.0.borrow();
        if html.tree.nodes().next_back().is_some_and(|latest| latest.ancestors().count() > MAX_DEPTH) {
            return Err(TOO_DEEP);
        }
        if begun.elapsed() > MAX_TIME {
            return Err("takes too long to read");
        }
    }
    let html = parser.finish();
    if is_deep(&html) { Err(TOO_DEEP) } else { Ok(html) }
}

fn is_deep(html: &Html) -> bool {
    let (mut at, mut depth) = (html.tree.root(), 0);
    loop {
        if let Some(child) = at.first_child() {
            at = child;
            depth += 1;
            if depth > MAX_DEPTH {
                return true;
            }
            continue;
        }
        // Up to the first that has a sibling.
        at = loop {
            if let Some(sibling) = at.next_sibling() {
                break sibling;
            }
            let Some(parent) = at.parent() else { return false };
            at = parent;
            depth -= 1;
        };
    }
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}
