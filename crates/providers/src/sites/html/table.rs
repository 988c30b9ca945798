//! `HtmlTable`: a site as configuration describes it.

use std::error::Error as StdError;
use std::fmt;

use cache_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::LinkKind;

/// A site as configuration describes it, in any format that serde reads.
///
/// What is found is said by *rows* and *fields*. A row is a CSS selector: each element that matches is one. A field is
/// `SELECTOR@ATTRIBUTE` or `SELECTOR` for its text: the first element that matches inside the row; without a selector,
/// as in `@href`, the row itself. Fields of a page are looked for in all of it. Addresses may be relative.
///
/// Pages may be written to take long, so a selector has 1000 bytes at most, and of what looks at many elements for each one
/// it has a single kind: `~`, once; or `:has()`; or `:nth-child()` and its like. Parentheses inside others, as in
/// `:not(:has(a))`, have no white space.
///
/// ```
/// # use providers::HtmlTable;
/// let table: HtmlTable = serde_json::from_str(r##"{
///     "search": {
///         "url": "https://films.example/search?q={query}&page={page}",
///         "row": "article", "title": "h2", "link": "h2 a@href", "image": "img@src"
///     },
///     "page": {"row": "video source", "link": "@src", "resolution": "@label", "title": "h1"},
///     "follow": {"link": "a.mirror@href", "pages": 3}
/// }"##).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HtmlTable {
    /// How it is searched, if it is.
    #[serde(default)]
    pub search: Option<HtmlSearch>,
    /// What is on a page.
    pub page: HtmlPage,
    /// Which further pages belong to a page.
    #[serde(default)]
    pub follow: Option<HtmlFollow>,
    /// The hosts whose pages are asked for, besides that of the search: `films.example` for the ports of HTTP, or
    /// `films.example:8080` for that one.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// A selector of what every page of the site has. A page without it is an error: a login, for instance.
    #[serde(default)]
    pub landmark: Option<String>,
}

/// How a site is searched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HtmlSearch {
    /// The address, with `{query}` and perhaps `{page}` in its path or query, which are percent-encoded.
    pub url: String,
    /// The number of the first page, one unless set.
    #[serde(default = "one")]
    pub first_page: u32,
    /// The rows: one for each result.
    pub row: String,
    /// Field of the title.
    pub title: String,
    /// Field of the address of the result's page.
    pub link: String,
    /// Field of the address of a picture.
    #[serde(default)]
    pub image: Option<String>,
    /// Field of how long it plays: seconds, `m:s` or `h:m:s`.
    #[serde(default)]
    pub duration: Option<String>,
    /// Field of who made it.
    #[serde(default)]
    pub creator: Option<String>,
    /// Field of the address of the next page, anywhere on the page. Without it pages are counted, if the address has a
    /// number.
    #[serde(default)]
    pub next: Option<String>,
}

/// What is on a page of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HtmlPage {
    /// The rows: one for each link. Their attribute `type` says what is behind it.
    pub row: String,
    /// Field of the address.
    pub link: String,
    /// Field of the resolution: `1080p`, `1920x1080`, or words.
    #[serde(default)]
    pub resolution: Option<String>,
    /// What all links lead to, where their types and names do not tell.
    #[serde(default)]
    pub kind: Option<LinkKind>,
    /// Field of the title, anywhere on the page.
    #[serde(default)]
    pub title: Option<String>,
    /// Field of the address of a picture, anywhere on the page.
    #[serde(default)]
    pub image: Option<String>,
    /// Field of how long it plays, anywhere on the page.
    #[serde(default)]
    pub duration: Option<String>,
    /// Field of who made it, anywhere on the page.
    #[serde(default)]
    pub creator: Option<String>,
}

/// Which further pages belong to a page of a site: their links are its links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HtmlFollow {
    /// Field of their addresses, anywhere on the page: each element that matches is one.
    pub link: String,
    /// The most pages in all, five unless set; 50 at most.
    #[serde(default = "five")]
    pub pages: u32,
    /// How far from the page they are, one unless set; 5 at most.
    #[serde(default = "one")]
    pub depth: u32,
}

/// What is wrong with an [`HtmlTable`]: the source of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HtmlError {
    /// The field, e.g. `search.title`.
    pub field: &'static str,
    /// What it has to be.
    pub expected: &'static str,
}

impl HtmlTable {
    /// A hash of all that it says.
    pub(super) fn version(&self) -> String {
        // Texts and numbers only: there is nothing that JSON cannot say.
        let text = serde_json::to_vec(self).unwrap_or_default();
        format!("{:.16}", blake3::hash(&text).to_hex())
    }
}

impl HtmlError {
    /// What is behind `error`, if it is that.
    pub fn of(error: &Error) -> Option<&Self> {
        crate::failure::behind(error).find_map(|cause| cause.downcast_ref())
    }
}

impl fmt::Display for HtmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the field {} of the site has to be {}", self.field, self.expected)
    }
}

impl StdError for HtmlError {}

impl From<HtmlError> for Error {
    fn from(error: HtmlError) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string()).with_source(error)
    }
}

fn one() -> u32 {
    1
}

fn five() -> u32 {
    5
}
