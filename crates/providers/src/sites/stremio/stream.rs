//! What an add-on of Stremio says about a stream.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::super::media::kind_of;
use super::super::site::{MAX_LINKS, encoded, fetchable};
use super::super::{Site, lenient};
use crate::http::is_sendable;
use crate::{Link, LinkKind};

/// The most trackers that a magnet link is given.
const MAX_TRACKERS: usize = 32;

/// One of `url`, `ytId`, `infoHash` and `externalUrl` says where it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stream {
    name: Option<String>,
    description: Option<String>,
    /// The older name of the description.
    title: Option<String>,
    url: Option<String>,
    yt_id: Option<String>,
    info_hash: Option<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    file_idx: Option<u32>,
    #[serde(default, deserialize_with = "lenient::list")]
    sources: Vec<String>,
    external_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    subtitles: Vec<Subtitle>,
    #[serde(default, deserialize_with = "lenient::maybe")]
    behavior_hints: Option<Hints>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hints {
    #[serde(default, deserialize_with = "lenient::maybe")]
    proxy_headers: Option<ProxyHeaders>,
    #[serde(default, deserialize_with = "lenient::number")]
    video_size: Option<u64>,
    filename: Option<String>,
}

#[derive(Deserialize)]
struct ProxyHeaders {
    #[serde(default)]
    request: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Subtitle {
    url: String,
    lang: Option<String>,
}

impl Stream {
    /// Where it is, and its subtitles.
    pub(super) fn links(self, site: &Site) -> Vec<Link> {
        let hints = self.behavior_hints.as_ref();
        let name = hints.and_then(|hints| hints.filename.as_deref());
        let place = if let Some(url) = &self.url {
            let kind = match kind_of(None, url) {
                LinkKind::Other => name.map_or(LinkKind::Other, |name| kind_of(None, name)),
                kind => kind,
            };
            // A stream is something to watch, whatever it is called.
            Some((url.clone(), if kind == LinkKind::Other { LinkKind::Video } else { kind }))
        } else if let Some(hash) = &self.info_hash {
            self.magnet(hash, name).map(|magnet| (magnet, LinkKind::Torrent))
        } else if let Some(id) = &self.yt_id {
            Some((format!("https://www.youtube.com/watch?v={}", encoded(id)), LinkKind::Page))
        } else {
            self.external_url.clone().map(|url| (url, LinkKind::Page))
        };
        let place = place.and_then(|(url, kind)| Some((fetchable(&url)?, kind)));
        let Some((url, kind)) = place else { return Vec::new() };
        let mut link = site.link(url, kind, None);
        let label = [&self.name, &self.description, &self.title].into_iter().flatten().next();
        link.quality.label = label.map(|label| label.lines().next().unwrap_or_default().to_owned()).unwrap_or_default();
        if let Some(hints) = hints {
            link.bytes = hints.video_size;
            let headers = hints.proxy_headers.iter().flat_map(|headers| &headers.request);
            let sent = headers.filter(|(name, value)| is_sendable(name, value));
            link.headers = sent.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        }
        let subtitles = self.subtitles.into_iter().take(MAX_LINKS).filter_map(|subtitle| {
            let mut link = site.link(fetchable(&subtitle.url)?, LinkKind::Subtitles, None);
            link.language = subtitle.lang;
            Some(link)
        });
        std::iter::once(link).chain(subtitles).collect()
    }

    /// The magnet link that selects its file; all files, where none is named.
    fn magnet(&self, hash: &str, name: Option<&str>) -> Option<String> {
        let is_hash = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut magnet = is_hash.then(|| format!("magnet:?xt=urn:btih:{}", hash.to_ascii_lowercase()))?;
        // Writing to a string does not fail.
        if let Some(name) = name {
            _ = write!(magnet, "&dn={}", encoded(name));
        }
        for tracker in self.sources.iter().filter_map(|source| source.strip_prefix("tracker:")).take(MAX_TRACKERS) {
            _ = write!(magnet, "&tr={}", encoded(tracker));
        }
        if let Some(index) = self.file_idx {
            _ = write!(magnet, "&so={index}");
        }
        Some(magnet)
    }
}
