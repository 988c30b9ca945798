//! `Link`: one address that media can be fetched from.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cache_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Validity;

/// One address that media can be fetched from, and until when. Its `Debug` shows neither the query, where signatures
/// are, nor the values of headers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// The address, exactly as it is to be fetched.
    pub url: String,
    /// What is there.
    pub kind: LinkKind,
    /// How good it is.
    #[serde(default)]
    pub quality: Quality,
    /// How many bytes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Headers that have to be sent with each request, by their names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whom it works for.
    #[serde(default)]
    pub bound_to: Binding,
    /// Until when it works.
    #[serde(default)]
    pub validity: Validity,
    /// Language of its sound or text, as a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkKind {
    /// Pictures with their sound, if they have one.
    Video,
    /// Pictures whose sound is elsewhere.
    VideoOnly,
    /// Sound.
    Audio,
    /// A playlist of HLS.
    Hls,
    /// A manifest of DASH.
    Dash,
    /// Subtitles.
    Subtitles,
    /// A picture.
    Image,
    /// A torrent file or a magnet link.
    Torrent,
    /// A page for a browser.
    Page,
    /// Something else.
    Other,
}

/// How good a link is, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quality {
    /// In the provider's words, e.g. `"720p"`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Width of the picture in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height of the picture in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Bits per second of all that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<u64>,
    /// Codec of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// Codec of the sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
}

/// Whom a link works for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Binding {
    /// Everybody.
    #[default]
    Anyone,
    /// Requests from one network address, the one that asked for the link.
    Address(String),
    /// Requests of one account or session.
    Account,
}

impl Link {
    /// A link of which nothing more is known; it is said to be good for ever.
    pub fn new(url: impl Into<String>, kind: LinkKind) -> Self {
        Self {
            url: url.into(),
            kind,
            quality: Quality::default(),
            bytes: None,
            headers: BTreeMap::new(),
            bound_to: Binding::Anyone,
            validity: Validity::FOREVER,
            language: None,
            content_type: None,
        }
    }

    /// Sets until when it works.
    #[must_use]
    pub fn with_validity(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }

    /// Whether any client may be sent there: it is bound to nobody and needs no headers.
    pub fn is_portable(&self) -> bool {
        self.bound_to == Binding::Anyone && self.headers.is_empty()
    }

    /// Whether its address is one that may be handed out: of HTTP or a magnet link, without spaces and control characters.
    pub fn is_fetchable(&self) -> bool {
        let is = |scheme: &str| self.url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        let is_clean = !self.url.contains(|c: char| c.is_control() || c.is_whitespace());
        is_clean && ["https://", "http://", "magnet:?"].into_iter().any(is)
    }

    /// Whether a player that begins at `now` can play `duration` of it, with the margin to spare.
    pub fn outlasts(&self, now: Timestamp, duration: Duration) -> bool {
        now < self.validity.until() && now.after(duration) < self.validity.ends()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("url", &crate::canonical::shown(&self.url))
            .field("kind", &self.kind)
            .field("quality", &self.quality)
            .field("bytes", &self.bytes)
            .field("headers", &self.headers.keys())
            .field("bound_to", &self.bound_to)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}
