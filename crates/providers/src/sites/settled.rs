//! What every answer of a site goes through before it is handed out: how long it is, and where its addresses lead.

use std::collections::HashSet;

use super::site::{MAX_LINKS, fetchable};
use crate::{Binding, Link, Links, PlaylistEntry, SearchPage};

/// The most bytes that the texts of an answer have together: one long text may be said of many things.
const MAX_BYTES: usize = 8 << 20;

/// Room for texts.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    is_full: bool,
}

impl Room {
    pub(super) fn of(bytes: usize) -> Self {
        Self { bytes, is_full: false }
    }

    /// Whether there was room for so many bytes, which are taken; when there was none once, there is none for others.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        self.is_full |= bytes > self.bytes;
        self.bytes = self.bytes.saturating_sub(bytes);
        !self.is_full
    }

    /// Whether something found no room.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }
}

/// `links`, each address once; partial, if there are too many or their texts are too long. What comes behind that is not
/// made.
pub(super) fn limited(links: impl IntoIterator<Item = Link>) -> Links {
    let (mut kept, mut seen, mut room) = (Links::default(), HashSet::new(), Room::of(MAX_BYTES));
    for (at, link) in links.into_iter().enumerate() {
        if seen.contains(&link.url) {
            continue;
        }
        if at >= MAX_LINKS || !room.take(bytes_of(&link)) {
            return kept.partial();
        }
        seen.insert(link.url.clone());
        kept.links.push(link);
    }
    kept
}

/// A list of `entries`, within the same limits.
pub(super) fn listed(entries: impl IntoIterator<Item = PlaylistEntry>) -> Links {
    let (mut kept, mut room) = (Links::default(), Room::of(MAX_BYTES));
    for entry in entries {
        let bytes = entry.url.len() + entry.title.as_ref().map_or(0, String::len);
        if kept.entries.len() >= MAX_LINKS || !room.take(bytes) {
            return kept.partial();
        }
        kept.entries.push(entry);
    }
    kept
}

/// `found` without addresses of pages and pictures that nobody may be sent to, such as scripts. Links that are such are
/// left out where answers are kept, which says so.
pub(crate) fn checked(mut found: Links) -> Links {
    found.image_url = found.image_url.as_deref().and_then(web);
    found.page_url = found.page_url.as_deref().and_then(web);
    found.entries.retain_mut(|entry| is_web(&mut entry.url));
    found
}

/// The same of a search; it ends where its texts are too long.
pub(super) fn checked_page(mut page: SearchPage) -> SearchPage {
    let mut room = Room::of(MAX_BYTES);
    page.results.retain_mut(|result| {
        result.image_url = result.image_url.as_deref().and_then(web);
        let texts = [&result.image_url, &result.creator].into_iter().flatten().chain([&result.title, &result.url]);
        let bytes = texts.map(String::len).sum();
        is_web(&mut result.url) && room.take(bytes)
    });
    page
}

/// Whether `url` is an address of HTTP, once it is written as it is fetched.
fn is_web(url: &mut String) -> bool {
    let written = web(url);
    let is_web = written.is_some();
    *url = written.unwrap_or_default();
    is_web
}

fn web(url: &str) -> Option<String> {
    let is_http = |url: &String| url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
    fetchable(url).filter(is_http)
}

fn bytes_of(link: &Link) -> usize {
    let quality = &link.quality;
    let optional = [&quality.video_codec, &quality.audio_codec, &link.language, &link.content_type];
    let bound = if let Binding::Address(address) = &link.bound_to { address.len() } else { 0 };
    let headers: usize = link.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let texts: usize = optional.into_iter().flatten().map(String::len).sum();
    link.url.len() + quality.label.len() + bound + headers + texts
}
