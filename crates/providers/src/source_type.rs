//! `SourceType`: where media comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where media comes from, as far as its address tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SourceType {
    /// `YouTube`, by any of its names.
    YouTube,
    /// `SoundCloud`.
    SoundCloud,
    /// `Spotify`.
    Spotify,
    /// Vimeo.
    Vimeo,
    /// The Internet Archive.
    Archive,
    /// An instance of `PeerTube`, told by the shape of its paths.
    PeerTube,
    /// Wikimedia Commons.
    Commons,
    /// A magnet link.
    Magnet,
    /// A media file or playlist, told by its extension.
    Direct,
    /// None of these.
    #[default]
    Unknown,
}

impl SourceType {
    /// The source of what `url` names; [`Unknown`](Self::Unknown) as well for what is no address.
    pub fn of(url: &str) -> Self {
        crate::Canonical::of(url).map_or(Self::Unknown, |canonical| canonical.source_type())
    }

    /// The name in lower case, as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::YouTube => "youtube",
            Self::SoundCloud => "soundcloud",
            Self::Spotify => "spotify",
            Self::Vimeo => "vimeo",
            Self::Archive => "archive",
            Self::PeerTube => "peertube",
            Self::Commons => "commons",
            Self::Magnet => "magnet",
            Self::Direct => "direct",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
