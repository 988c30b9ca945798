//! What an instance of `PeerTube` says about a video.

use cache_core::Timestamp;
use serde::Deserialize;

use super::super::{Base, lenient};
use crate::{Link, LinkKind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Video {
    pub(super) name: String,
    pub(super) uuid: Option<String>,
    #[serde(rename = "shortUUID")]
    pub(super) short_uuid: Option<String>,
    pub(super) url: Option<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    pub(super) duration: Option<f64>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(super) is_live: bool,
    #[serde(default, deserialize_with = "lenient::maybe")]
    privacy: Option<Label>,
    #[serde(default, deserialize_with = "lenient::maybe")]
    pub(super) account: Option<Account>,
    preview_url: Option<String>,
    thumbnail_url: Option<String>,
    preview_path: Option<String>,
    thumbnail_path: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub(super) files: Vec<File>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub(super) streaming_playlists: Vec<Streaming>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    name: Option<String>,
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Streaming {
    pub(super) playlist_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub(super) files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    #[serde(rename = "fileUrl")]
    pub(super) url: Option<String>,
    pub(super) magnet_uri: Option<String>,
    #[serde(default, deserialize_with = "lenient::maybe")]
    resolution: Option<Label>,
    #[serde(default, deserialize_with = "lenient::number")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "lenient::number")]
    width: Option<u32>,
    #[serde(default, deserialize_with = "lenient::number")]
    height: Option<u32>,
    has_audio: Option<bool>,
    has_video: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Captions {
    #[serde(deserialize_with = "lenient::list")]
    data: Vec<Caption>,
}

/// The right to fetch files that are not for everybody.
pub(super) struct Pass {
    pub(super) token: String,
    pub(super) ends: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Label {
    #[serde(default, deserialize_with = "lenient::number")]
    id: Option<u32>,
    label: Option<String>,
}

#[derive(Deserialize)]
struct Caption {
    #[serde(default, deserialize_with = "lenient::maybe")]
    language: Option<Language>,
    #[serde(rename = "fileUrl")]
    url: Option<String>,
    #[serde(rename = "captionPath")]
    path: Option<String>,
}

#[derive(Deserialize)]
struct Language {
    id: Option<String>,
}

impl Video {
    /// Whether its files are for everybody: it is public, or unlisted.
    pub(super) fn is_open(&self) -> bool {
        self.privacy.as_ref().and_then(|privacy| privacy.id).is_none_or(|privacy| privacy <= 2)
    }

    pub(super) fn image(&self, base: &Base) -> Option<String> {
        let whole = self.preview_url.clone().or_else(|| self.thumbnail_url.clone());
        whole.or_else(|| base.resolve(self.preview_path.as_deref().or(self.thumbnail_path.as_deref())?))
    }
}

impl Account {
    pub(super) fn shown(self) -> Option<String> {
        self.display_name.or(self.name)
    }
}

impl File {
    pub(super) fn kind(&self) -> LinkKind {
        let is_sound = self.resolution.as_ref().and_then(|resolution| resolution.id) == Some(0);
        match (self.has_video, self.has_audio) {
            (Some(false), _) => LinkKind::Audio,
            _ if is_sound => LinkKind::Audio,
            (_, Some(false)) => LinkKind::VideoOnly,
            _ => LinkKind::Video,
        }
    }

    pub(super) fn describe(&self, link: &mut Link) {
        link.bytes = self.size;
        let Some(resolution) = &self.resolution else { return };
        link.quality.label = resolution.label.clone().unwrap_or_default();
        if self.kind() != LinkKind::Audio {
            link.quality.width = self.width.filter(|width| *width > 0);
            link.quality.height = self.height.or(resolution.id).filter(|height| *height > 0);
        }
    }
}

impl Captions {
    /// Addresses and languages.
    pub(super) fn links<'a>(&'a self, base: &'a Base) -> impl Iterator<Item = (String, Option<String>)> + 'a {
        self.data.iter().filter_map(|caption| {
            let own = || base.resolve(caption.path.as_deref()?);
            let url = caption.url.clone().or_else(own)?;
            Some((url, caption.language.as_ref().and_then(|language| language.id.clone())))
        })
    }
}
