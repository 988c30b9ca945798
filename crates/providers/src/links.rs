//! `Links`: what a provider knows of one page.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::canonical::shown;
use crate::{Link, Validity};

/// What a provider knows of one page: its links, the best first, and what they are links of.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Without what may be secret in addresses.
impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("links", &self.links)
            .field("extent", &self.extent)
            .field("title", &self.title)
            .field("creator", &self.creator)
            .field("duration", &self.duration)
            .field("image_url", &self.image_url.as_deref().map(shown))
            .field("page_url", &self.page_url.as_deref().map(shown))
            .field("entries", &self.entries)
            .finish()
    }
}

/// Without what may be secret in addresses.
impl fmt::Debug for PlaylistEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaylistEntry")
            .field("url", &shown(&self.url))
            .field("title", &self.title)
            .field("duration", &self.duration)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkKind, SearchResult, Song};

    #[test]
    fn what_is_shown_of_an_answer_has_no_secrets() {
        let url = "https://example.org/a?access_token=SECRET";
        let links = Links { image_url: Some(url.into()), page_url: Some(url.into()), ..Links::default() };
        let mut song = Song::new(url, "a", Link::new(url, LinkKind::Audio));
        song.thumbnail = Some(url.into());
        let result = SearchResult { image_url: Some(url.into()), ..SearchResult::new("a", url) };
        for shown in [format!("{links:?}{song:?}"), format!("{:?}{result:?}", PlaylistEntry::new(url))] {
            assert!(shown.contains("example.org") && !shown.contains("SECRET"), "{shown}");
        }
    }
}
