//! `Playlist`: songs that belong together, before they are resolved.

use serde::{Deserialize, Serialize};

use crate::{Extent, PlaylistEntry};

/// Songs that belong together, before they are resolved: it holds no links that end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Playlist {
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is in it, in its order.
    pub entries: Vec<PlaylistEntry>,
    /// Whether that is all.
    #[serde(default)]
    pub extent: Extent,
}

impl Playlist {
    /// A playlist of `entries`.
    pub fn of(entries: impl IntoIterator<Item = PlaylistEntry>) -> Self {
        Self { entries: entries.into_iter().collect(), ..Self::default() }
    }
}
