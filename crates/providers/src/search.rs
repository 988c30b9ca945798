//! `SearchPage`: what a search found.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::LinkKind;
use crate::canonical::shown;

/// The most results of one page.
const MAX_RESULTS: usize = 10_000;

/// One page of what a search found, the best first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SearchPage {
    /// What was found.
    pub results: Vec<SearchResult>,
    /// What [`SearchQuery::page`](crate::SearchQuery::page) takes for the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How much there is on all pages, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl SearchPage {
    /// A page of `results`, the last one: of ten thousand at most, because a place that has more on one page means no good.
    pub fn of(results: impl IntoIterator<Item = SearchResult>) -> Self {
        Self { results: results.into_iter().take(MAX_RESULTS).collect(), ..Self::default() }
    }
}

/// One thing that a search found.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SearchResult {
    /// Its title.
    pub title: String,
    /// Its page: what a [`LinkRequest`](crate::LinkRequest) is made from.
    pub url: String,
    /// A picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// What it is, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LinkKind>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
}

impl SearchResult {
    /// A result of which only title and page are known.
    pub fn new(title: impl Into<String>, url: impl Into<String>) -> Self {
        Self { title: title.into(), url: url.into(), ..Self::default() }
    }
}

/// Without what may be secret in addresses.
impl fmt::Debug for SearchResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchResult")
            .field("title", &self.title)
            .field("url", &shown(&self.url))
            .field("image_url", &self.image_url.as_deref().map(shown))
            .field("kind", &self.kind)
            .field("duration", &self.duration)
            .field("creator", &self.creator)
            .finish()
    }
}
