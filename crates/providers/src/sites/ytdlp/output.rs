//! What yt-dlp says of a page, and the links in it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use cache_core::Timestamp;
use serde::Deserialize;

use super::{ENTRIES, ROUTE, cookies};
use crate::http::is_sendable;
use crate::sites::lenient;
use crate::sites::media::{best_first, kind_of, span_of};
use crate::sites::settled::listed;
use crate::sites::site::fetchable;
use crate::{
    Binding, Failure, Link, LinkKind, Links, PlaylistEntry, Quality, Reason, SearchPage, SearchResult, Validity,
    bound_address, link_validity,
};

/// The most languages of subtitles.
const SUBTITLES: usize = 100;
/// The formats of subtitles that are preferred, the best first.
const TEXTS: [&str; 2] = ["vtt", "srt"];

/// What it says of a page: a video or a playlist.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    #[serde(rename = "_type", deserialize_with = "lenient::maybe")]
    shape: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    title: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    webpage_url: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    uploader: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    channel: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    duration: Option<f64>,
    #[serde(deserialize_with = "lenient::maybe")]
    thumbnail: Option<String>,
    #[serde(deserialize_with = "lenient::list")]
    thumbnails: Vec<Thumbnail>,
    #[serde(deserialize_with = "lenient::list")]
    formats: Vec<Format>,
    #[serde(deserialize_with = "lenient::maybe")]
    subtitles: Option<BTreeMap<String, Vec<Subtitle>>>,
    #[serde(deserialize_with = "lenient::some_list")]
    entries: Option<Vec<Told>>,
    #[serde(deserialize_with = "lenient::number")]
    playlist_index: Option<u32>,
    #[serde(deserialize_with = "lenient::number")]
    playlist_count: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Thumbnail {
    url: String,
}

#[derive(Debug, Deserialize)]
struct Subtitle {
    url: String,
    #[serde(default)]
    ext: String,
}

/// One without an address is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    #[serde(deserialize_with = "lenient::maybe")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    manifest_url: Option<String>,
    #[serde(rename = "format_id", deserialize_with = "lenient::maybe")]
    id: Option<String>,
    #[serde(rename = "format_note", deserialize_with = "lenient::maybe")]
    note: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    ext: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    protocol: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    vcodec: Option<String>,
    #[serde(deserialize_with = "lenient::maybe")]
    acodec: Option<String>,
    #[serde(deserialize_with = "lenient::number")]
    width: Option<u32>,
    #[serde(deserialize_with = "lenient::number")]
    height: Option<u32>,
    #[serde(deserialize_with = "lenient::maybe")]
    tbr: Option<f64>,
    #[serde(deserialize_with = "lenient::number")]
    filesize: Option<u64>,
    #[serde(deserialize_with = "lenient::maybe")]
    language: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    has_drm: bool,
    #[serde(deserialize_with = "lenient::maybe")]
    http_headers: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "lenient::maybe")]
    cookies: Option<String>,
}

impl Told {
    /// # Errors
    /// [`Reason::Malformed`] when `json` is something else.
    pub(super) fn read(json: &[u8]) -> Result<Self, Failure> {
        let other = |error: serde_json::Error| {
            // Its own text may quote what was said.
            let place = format!("line {}, column {}", error.line(), error.column());
            Failure::new(Reason::Malformed, format!("yt-dlp has said something else than what it should ({place})"))
        };
        let told: Self = serde_json::from_slice(json).map_err(other)?;
        if told.shape.is_none() && told.formats.is_empty() && told.entries.is_none() {
            return Err(Failure::new(Reason::Malformed, "yt-dlp has said nothing of a page: is it yt-dlp?"));
        }
        Ok(told)
    }

    /// The only entry that was asked for.
    ///
    /// # Errors
    /// [`Reason::NotFound`] when it is not there any more.
    pub(super) fn only(self) -> Result<Self, Failure> {
        let gone = || Failure::new(Reason::NotFound, "the page has no such video any more");
        match self.entries {
            // Where one video is left, the page is that video.
            None => Ok(self),
            Some(entries) => entries.into_iter().next().ok_or_else(gone),
        }
    }

    /// What is known of `page` at `now`.
    pub(super) fn links(self, page: &str, now: Timestamp) -> Links {
        let image_url = self.image();
        let mut links: Vec<Link> = self.formats.iter().rev().filter_map(|format| format.link(now)).collect();
        let mut seen = HashSet::new();
        // Many formats of one manifest are one link.
        links.retain(|link| seen.insert(link.url.clone()));
        best_first(&mut links);
        links.extend(self.subtitles.into_iter().flatten().take(SUBTITLES).filter_map(|text| subtitles(text, now)));
        let entries = self.entries.unwrap_or_default();
        let is_cut = entries.len() >= ENTRIES && self.playlist_count.is_none_or(|count| count > entries.len());
        let entries = entries.into_iter().zip(1..).filter_map(|(entry, position)| entry.identity(page, position));
        let listed = listed(entries);
        let links = Links {
            links,
            title: self.title,
            creator: self.channel.or(self.uploader),
            duration: self.duration.and_then(span_of),
            image_url,
            page_url: self.webpage_url.and_then(|url| fetchable(&url)),
            ..listed
        };
        if is_cut { links.partial() } else { links }
    }

    /// What a search has found.
    pub(super) fn page(self) -> SearchPage {
        let entries = self.entries.unwrap_or_default().into_iter();
        SearchPage::of(entries.filter_map(|entry| {
            let mut result = SearchResult::new("", entry.own_page()?);
            result.image_url = entry.image();
            result.duration = entry.span();
            result.title = entry.title.unwrap_or_default();
            result.creator = entry.channel.or(entry.uploader);
            Some(result)
        }))
    }

    /// What it is called as an entry at `position` of `page`.
    fn identity(self, page: &str, position: u32) -> Option<PlaylistEntry> {
        let number = self.playlist_index.unwrap_or(position);
        let on_page = || (!self.formats.is_empty()).then(|| format!("{page}#{ROUTE}{number}"));
        let own = self.own_page().filter(|own| own != page);
        let mut entry = PlaylistEntry::new(own.or_else(on_page)?);
        entry.duration = self.span();
        entry.title = self.title;
        Some(entry)
    }

    /// Its own page. The `url` of what is resolved already is a stream, which ends.
    fn own_page(&self) -> Option<String> {
        let url = if self.formats.is_empty() { self.url.as_deref() } else { None };
        let is_page = |url: &String| !url.starts_with("magnet:");
        [url, self.webpage_url.as_deref()].into_iter().flatten().find_map(fetchable).filter(is_page)
    }

    fn image(&self) -> Option<String> {
        let best = || self.thumbnails.last().map(|thumbnail| thumbnail.url.as_str());
        self.thumbnail.as_deref().or_else(best).and_then(fetchable)
    }

    fn span(&self) -> Option<Duration> {
        self.duration.and_then(span_of)
    }
}

impl Format {
    fn link(&self, now: Timestamp) -> Option<Link> {
        if self.has_drm {
            return None;
        }
        let (kind, url) = match self.protocol.as_deref().unwrap_or("https") {
            "m3u8" | "m3u8_native" => (LinkKind::Hls, self.url.as_deref()),
            "http_dash_segments" => (LinkKind::Dash, self.manifest_url.as_deref()),
            "http" | "https" => (self.kind()?, self.url.as_deref()),
            _ => return None,
        };
        let mut link = link(&fetchable(url?)?, kind, now);
        link.bytes = self.filesize;
        link.language.clone_from(&self.language);
        link.headers = self.headers();
        link.quality = self.quality();
        if let Some(told) = self.cookies.as_deref().filter(|told| !told.is_empty()) {
            let (header, ends) = cookies::header(told, &link.url);
            link.headers
                .extend(header.filter(|text| is_sendable("cookie", text)).map(|text| ("cookie".to_owned(), text)));
            link.validity = link.validity.and(ends.map_or(Validity::FOREVER, |ends| Validity::ending(ends, now)));
            link.bound_to = Binding::Account;
        }
        Some(link)
    }

    /// What is there; none for what is neither seen nor heard, such as a sheet of small pictures.
    fn kind(&self) -> Option<LinkKind> {
        let is = |codec: &Option<String>| codec.as_deref().map(|codec| codec != "none");
        match (is(&self.vcodec), is(&self.acodec)) {
            (Some(false), Some(false)) => None,
            (Some(true), Some(false)) => Some(LinkKind::VideoOnly),
            (Some(false), _) => Some(LinkKind::Audio),
            (Some(true), _) => Some(LinkKind::Video),
            (None, _) => {
                let by_name = kind_of(None, &format!(".{}", self.ext.as_deref().unwrap_or_default()));
                Some(if by_name == LinkKind::Other { LinkKind::Video } else { by_name })
            }
        }
    }

    fn headers(&self) -> BTreeMap<String, String> {
        let headers = self.http_headers.iter().flatten().filter(|(name, value)| is_sendable(name, value));
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
    }

    fn quality(&self) -> Quality {
        let codec = |codec: &Option<String>| codec.clone().filter(|codec| codec != "none");
        let label = self.note.clone().or_else(|| self.height.map(|height| format!("{height}p")));
        Quality {
            label: label.or_else(|| self.id.clone()).unwrap_or_default(),
            width: self.width,
            height: self.height,
            bit_rate: self.tbr.filter(|rate| *rate > 0.0 && *rate < 1e9).map(bits),
            video_codec: codec(&self.vcodec),
            audio_codec: codec(&self.acodec),
        }
    }
}

fn link(url: &str, kind: LinkKind, now: Timestamp) -> Link {
    let mut link = Link::new(url, kind).with_validity(link_validity(url, &[], None, now));
    if let Some(address) = bound_address(url) {
        link.bound_to = Binding::Address(address);
    }
    link
}

fn subtitles((language, texts): (String, Vec<Subtitle>), now: Timestamp) -> Option<Link> {
    let rank = |text: &&Subtitle| TEXTS.iter().position(|known| *known == text.ext).unwrap_or(TEXTS.len());
    let best = texts.iter().min_by_key(rank)?;
    let mut link = link(&fetchable(&best.url)?, LinkKind::Subtitles, now);
    link.language = Some(language);
    Some(link)
}

/// Bits per second of `rate` thousands of them.
#[expect(clippy::cast_sign_loss, reason = "the callers know that it is a positive number")]
fn bits(rate: f64) -> u64 {
    (rate * 1000.0) as u64
}
