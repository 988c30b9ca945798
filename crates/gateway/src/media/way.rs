//! `Way`: how a player gets the bytes of a stream.

use std::time::Duration;

use cache_core::{MINUTE, Timestamp};
use providers::{Link, LinkKind};
use serde::{Deserialize, Serialize};

use super::torrents::is_magnet;

/// How long a stream plays of which nobody says it.
const UNKNOWN_DURATION: Duration = Duration::from_hours(4);
/// What has to be left at the end: clocks differ, and instants are told in whole seconds.
const SPARE: Duration = MINUTE;

/// How a player gets the bytes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// It is sent to the link.
    Redirect,
    /// From a blob, filled from the link.
    Proxy,
    /// From a blob, filled from a torrent.
    Torrent,
}

impl Way {
    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Proxy => "proxy",
            Self::Torrent => "torrent",
        }
    }
}

/// What is known of a link besides itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// When it was asked for.
    pub(crate) loaded: Timestamp,
    /// How long from then on it is handed out at most.
    pub(crate) kept: Duration,
    /// How long it plays.
    pub(crate) duration: Option<Duration>,
}

/// How `link` is played; or why it cannot be.
///
/// Every request for a stream has to go the same way, as long as the link is handed out: a browser that has read from one
/// origin does not follow a redirect to another. So what counts is not what is left of the link when somebody asks, but what
/// is left for the last one who may be given it.
pub(crate) fn way(link: &Link, terms: Terms) -> Result<Way, &'static str> {
    match link.kind {
        _ if is_magnet(&link.url) || link.kind == LinkKind::Torrent => Ok(Way::Torrent),
        LinkKind::Page => Err("the stream is a page for a browser: open it there, or ask a provider for its links"),
        // The parts that they name are asked for by the player itself.
        LinkKind::Hls | LinkKind::Dash if link.is_portable() => Ok(Way::Redirect),
        LinkKind::Hls | LinkKind::Dash => Err("the stream is a playlist whose parts only this server may fetch"),
        _ if link.is_portable() && outlives(link, terms) => Ok(Way::Redirect),
        _ => Ok(Way::Proxy),
    }
}

fn outlives(link: &Link, Terms { loaded, kept, duration }: Terms) -> bool {
    let ends = link.validity.ends();
    let last = loaded.after(kept).min(link.validity.until());
    ends == Timestamp::NEVER || last.after(duration.unwrap_or(UNKNOWN_DURATION)).after(SPARE) < ends
}

#[cfg(test)]
mod tests {
    use cache_core::HOUR;
    use providers::{Binding, Validity};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);
    const FILM: Terms = Terms { loaded: NOW, kept: HOUR, duration: Some(Duration::from_hours(2)) };

    fn link(kind: LinkKind) -> Link {
        Link::new("https://a.example/film.mp4", kind)
    }

    fn ending(after: Duration) -> Link {
        link(LinkKind::Video).with_validity(Validity::ending(NOW.after(after), NOW))
    }

    #[test]
    fn a_link_that_anybody_may_use_as_long_as_it_plays_is_handed_on() {
        assert_eq!(way(&link(LinkKind::Video), FILM), Ok(Way::Redirect));
        assert_eq!(way(&ending(4 * HOUR), FILM), Ok(Way::Redirect));
    }

    #[test]
    fn a_link_that_needs_headers_or_is_bound_or_ends_too_soon_is_fetched_here() {
        let mut needs = link(LinkKind::Video);
        needs.headers.insert("referer".to_owned(), "https://a.example/".to_owned());
        let mut bound = link(LinkKind::Video);
        bound.bound_to = Binding::Address("192.0.2.1".to_owned());
        for link in [needs, bound, ending(2 * HOUR), ending(3 * HOUR), ending(10 * MINUTE)] {
            assert_eq!(way(&link, FILM), Ok(Way::Proxy));
        }
        // Four hours may be left for the last one who is given it, and nobody knows how long it plays.
        assert_eq!(way(&ending(5 * HOUR), Terms { duration: None, ..FILM }), Ok(Way::Proxy));
        assert_eq!(way(&ending(6 * HOUR), Terms { duration: None, ..FILM }), Ok(Way::Redirect));
    }

    #[test]
    fn playlists_of_segments_are_never_fetched_here() {
        assert_eq!(way(&link(LinkKind::Hls), FILM), Ok(Way::Redirect));
        let mut bound = link(LinkKind::Dash);
        bound.bound_to = Binding::Account;
        assert!(way(&bound, FILM).is_err());
    }

    #[test]
    fn magnet_links_and_torrent_files_are_torrents_and_pages_are_not_played() {
        let magnet = Link::new("magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c", LinkKind::Torrent);
        assert_eq!(way(&magnet, FILM), Ok(Way::Torrent));
        assert_eq!(way(&link(LinkKind::Torrent), FILM), Ok(Way::Torrent));
        assert!(way(&link(LinkKind::Page), FILM).is_err());
    }
}
