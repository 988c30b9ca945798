//! `Song`: something to listen to, ready to be played.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::canonical::shown;
use crate::{Extent, Link, SourceType, Validity};

/// Something to listen to, ready to be played.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Song {
    /// Its page.
    pub url: String,
    /// What is played, with all that a player needs to know.
    pub stream: Link,
    /// Its title.
    pub title: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// A picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    /// Where it comes from.
    #[serde(default)]
    pub source_type: SourceType,
    /// Whether the answer that it was made of was all that there is: of one that was not, a better stream may be had
    /// later.
    #[serde(default)]
    pub extent: Extent,
}

impl Song {
    /// The song of the page `url` that `stream` plays.
    pub fn new(url: impl Into<String>, title: impl Into<String>, stream: Link) -> Self {
        let url = url.into();
        Self {
            source_type: SourceType::of(&url),
            url,
            stream,
            title: title.into(),
            creator: None,
            duration: None,
            thumbnail: None,
            extent: Extent::Complete,
        }
    }

    /// The address that is played.
    pub fn stream_url(&self) -> &str {
        &self.stream.url
    }

    /// Until when it may be begun, so that it can be played to its end.
    pub fn playable(&self) -> Validity {
        self.stream.validity.with_margin(self.duration.unwrap_or_default())
    }
}

/// Without what may be secret in addresses.
impl fmt::Debug for Song {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Song")
            .field("url", &shown(&self.url))
            .field("stream", &self.stream)
            .field("title", &self.title)
            .field("creator", &self.creator)
            .field("duration", &self.duration)
            .field("thumbnail", &self.thumbnail.as_deref().map(shown))
            .field("source_type", &self.source_type)
            .field("extent", &self.extent)
            .finish()
    }
}
