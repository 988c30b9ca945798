//! `Links`: what a provider knows of one page.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Link, Validity};

/// What a provider knows of one page: its links, the best first, and what they are links of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Links {
    /// The links, the best first.
    pub links: Vec<Link>,
    /// Whether that is all.
    #[serde(default)]
    pub extent: Extent,
    /// Title of the media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// A picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The page that a person would look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
    /// What is in it, if it is a playlist: identities, whose links are asked for one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<PlaylistEntry>,
}

/// Whether an answer is all that there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Extent {
    /// All of it.
    #[default]
    Complete,
    /// A part that may be had later is missing: a source did not answer, or its answer was cut.
    Partial,
}

/// What is known of an entry of a playlist before it is resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlaylistEntry {
    /// Its page.
    pub url: String,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
}

impl Links {
    /// All links that there are.
    pub fn of(links: impl IntoIterator<Item = Link>) -> Self {
        Self { links: links.into_iter().collect(), ..Self::default() }
    }

    /// Says that a part is missing.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.extent = Extent::Partial;
        self
    }

    /// Whether nothing was found: neither links nor entries.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.entries.is_empty()
    }

    /// Until when all links of it work.
    pub fn validity(&self) -> Validity {
        self.links.iter().fold(Validity::FOREVER, |all, link| all.and(link.validity))
    }

    /// Whether it has a link to exactly this address.
    pub fn contains(&self, url: &str) -> bool {
        self.links.iter().any(|link| link.url == url)
    }
}

impl PlaylistEntry {
    /// An entry of which only the page is known.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}
