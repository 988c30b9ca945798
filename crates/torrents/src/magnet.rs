//! `Magnet`: what a magnet link says.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use librqbit::dht::Id20;
use url::Url;

use crate::error::{Result, TorrentError, Why};
use crate::options::Limits;

/// The longest link, in bytes.
const MAX_LINK: usize = 16 << 10;

/// What a torrent is known by: SHA-1 of its description.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub(crate) [u8; 20]);

/// What a magnet link says. Its `Debug` and its errors show neither names nor trackers: some of these hold passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Magnet {
    pub(crate) hash: InfoHash,
    pub(crate) trackers: Vec<Url>,
    /// Peers that the link names (`x.pe`), by literal addresses.
    pub(crate) peers: Vec<SocketAddr>,
    /// The file that it selects (`so`).
    pub(crate) index: Option<usize>,
}

impl Magnet {
    /// Reads `link`: its info hash, in hexadecimal digits or base 32, the first 20 trackers, the first 32 peers and the number
    /// of the one file that it selects. Everything else in it is left alone, sources on the web among it.
    ///
    /// # Errors
    /// [`Why::Unsupported`] for what is no magnet link with an info hash of version 1; [`Why::NotFound`] for `so` that is
    /// not one number.
    pub fn parse(link: &str) -> Result<Self> {
        let unsupported = |message: &'static str| TorrentError::new(Why::Unsupported, message);
        if link.len() > MAX_LINK {
            return Err(unsupported("the magnet link is longer than 16 KiB"));
        }
        // The parser would leave line breaks and tabs out, and read another link than others do.
        if link.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(unsupported("the magnet link has a line break or another control character in it"));
        }
        let url = Url::parse(link).ok().filter(|url| url.scheme() == "magnet");
        let url = url.ok_or_else(|| unsupported("it is no magnet link: one begins with magnet:?xt=urn:btih:"))?;
        let (mut hash, mut index) = (None, None);
        let (mut trackers, mut peers) = (Vec::new(), Vec::new());
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                // Several topics are numbered: xt.1, xt.2.
                name if name == "xt" || name.starts_with("xt.") => hash = hash.or_else(|| btih(&value)),
                "tr" if trackers.len() < Limits::TRACKERS => trackers.extend(Url::parse(&value)),
                "x.pe" if peers.len() < Limits::NAMED_PEERS => peers.extend(value.parse::<SocketAddr>()),
                "so" => index = Some(number(&value)?),
                _ => {}
            }
        }
        let hash = hash.ok_or_else(|| {
            unsupported("the magnet link has no info hash of version 1 (xt=urn:btih: and 40 digits or 32 letters)")
        })?;
        Ok(Self { hash, trackers, peers, index })
    }

    /// What the torrent is known by.
    pub fn hash(&self) -> InfoHash {
        self.hash
    }

    /// The number of the file that it selects, if it does.
    pub fn index(&self) -> Option<usize> {
        self.index
    }
}

/// The info hash that a topic is.
fn btih(topic: &str) -> Option<InfoHash> {
    const START: &str = "urn:btih:";
    let (start, hash) = topic.split_at_checked(START.len())?;
    hash.parse().ok().filter(|_| start.eq_ignore_ascii_case(START))
}

/// A number in its one form.
fn number(text: &str) -> Result<usize> {
    let is_plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| {
        TorrentError::new(Why::NotFound, "the magnet link selects no single file (so=): give one number")
    })
}

impl FromStr for InfoHash {
    type Err = TorrentError;

    fn from_str(text: &str) -> Result<Self> {
        let is_one = matches!(text.len(), 32 | 40) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let hash = is_one.then(|| Id20::from_str(text).or_else(|_| Id20::from_str(&text.to_ascii_uppercase())).ok());
        let hash = hash.flatten().ok_or_else(|| TorrentError::new(Why::Unsupported, "this is no info hash"))?;
        Ok(Self(hash.0))
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Magnet")
            .field("hash", &self.hash)
            .field("trackers", &self.trackers.len())
            .field("peers", &self.peers.len())
            .field("index", &self.index)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

    fn why(link: &str) -> Why {
        Magnet::parse(link).unwrap_err().why()
    }

    #[test]
    fn a_link_is_its_hash_trackers_peers_and_the_file_that_it_selects() {
        let link =
            format!("magnet:?dn=a&xt=urn:btih:{HASH}&tr=udp%3A%2F%2Ft.example%3A1&x.pe=192.0.2.1:7&x.pe=host:7&so=3");
        let magnet = Magnet::parse(&link).unwrap();
        assert_eq!((magnet.hash.to_string().as_str(), magnet.index), (HASH, Some(3)));
        assert_eq!((magnet.trackers.len(), magnet.peers.len()), (1, 1));
        assert_eq!(magnet.trackers[0].as_str(), "udp://t.example:1");
    }

    #[test]
    fn base_32_in_either_case_is_the_same_hash() {
        let of = |hash: &str| Magnet::parse(&format!("magnet:?xt=urn:btih:{hash}")).unwrap().hash;
        assert_eq!(of("YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK"), of("yex6dqdlxisuvhoj6um3gnnkpqjwpkek"));
        assert_eq!(of("c12fe1c06bba254a9dc9f519b335aa7c1367a88a"), of("YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK"));
    }

    #[test]
    fn of_several_topics_the_first_counts_however_it_is_written() {
        let other = "a".repeat(40);
        for first in ["xt=URN:BTIH:", "xt.1=urn:btih:", "%78t=urn%3Abtih%3A"] {
            let magnet = Magnet::parse(&format!("magnet:?{first}{HASH}&xt=urn:btih:{other}")).unwrap();
            assert_eq!(magnet.hash.to_string(), HASH, "{first}");
        }
    }

    #[test]
    fn what_is_no_link_of_version_1_is_refused() {
        let v2 = format!("magnet:?xt=urn:btmh:1220{HASH}{}", "0".repeat(24));
        let broken = format!("magnet:?xt=u\nrn:btih:{HASH}");
        for link in [
            broken.as_str(),
            "",
            "http://a.example/",
            "magnet:?dn=a",
            "magnet:?xt=urn:btih:12",
            "magnet:?xt=urn:btih:é",
            &v2,
        ] {
            assert_eq!(why(link), Why::Unsupported, "{link}");
        }
        assert_eq!(why(&format!("magnet:?xt=urn:btih:{HASH}&dn={}", "a".repeat(MAX_LINK))), Why::Unsupported);
    }

    #[test]
    fn trust_19_the_number_of_a_file_has_one_form() {
        for index in ["-1", "18446744073709551616", "0x1", "1e3", "01", "", "1,2", "1-99999999999", "+1", " 1"] {
            assert_eq!(
                why(&format!("magnet:?xt=urn:btih:{HASH}&so={}", index.replace('+', "%2B"))),
                Why::NotFound,
                "{index}"
            );
        }
    }

    #[test]
    fn trust_16_a_link_names_a_bounded_number_of_trackers_and_peers() {
        let many = "&tr=udp://t.example:1&x.pe=192.0.2.1:7".repeat(300);
        let magnet = Magnet::parse(&format!("magnet:?xt=urn:btih:{HASH}{many}")).unwrap();
        assert_eq!((magnet.trackers.len(), magnet.peers.len()), (20, 32));
    }

    #[test]
    fn what_is_shown_of_a_link_holds_no_password() {
        let link = format!("magnet:?xt=urn:btih:{HASH}&dn=secret&tr=http://t.example/secret/announce&x.pe=192.0.2.1:7");
        let shown = format!("{:?}", Magnet::parse(&link).unwrap());
        assert!(shown.contains(HASH) && !shown.contains("secret") && !shown.contains("192"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,300}", rest in "[ -~]{0,200}") {
            _ = Magnet::parse(&text);
            _ = Magnet::parse(&format!("magnet:?xt=urn:btih:{HASH}&{rest}"));
        }
    }
}
