//! `Canonical`: one text for all addresses of the same media.

mod address;
mod magnet;
pub(crate) mod percent;
mod query;
mod sites;

use std::borrow::Cow;
use std::fmt::{self, Write};

use cache_core::{Error, ErrorKind, Result};

use crate::{SourceType, validity};
use address::Address;

/// The longest identity that is kept as text: with a provider's name, an account and parameters it has to fit into a
/// key, where some characters take three bytes.
const MAX_TEXT: usize = 200;
/// The longest address, in bytes.
pub(crate) const MAX_URL: usize = 16 << 10;
/// The longest name of a host, with its port.
const MAX_HOST: usize = 260;
/// Extensions of media files and playlists.
const MEDIA: &[&str] = &[
    "aac", "avi", "flac", "flv", "m3u8", "m4a", "m4v", "mka", "mkv", "mov", "mp3", "mp4", "mpd", "mpeg", "mpg", "oga",
    "ogg", "ogv", "opus", "ts", "wav", "webm", "wmv",
];
/// What identities begin with that are hashes, and no others.
const HASH: &str = "blake3-";

/// What media is filed under: the same for all addresses that are known to name the same media, and different for all
/// others. It is for keys only, never to be fetched.
///
/// * Sites that are known are reduced to their identifiers: `youtu.be/X`, `youtube.com/watch?v=X`, `…/shorts/X`,
///   `…/embed/X`, `music.youtube.com` and `youtube-nocookie.com` are one. What of them is not understood in full is like
///   other addresses: one thing under two names costs a second load, two under one name would be mixed up.
/// * Of others, the case of scheme and host, default ports, dot segments, percent-encoding and tracking parameters make
///   no difference, nor does the order of parameters that are name and value, nor a fragment that says when to begin.
///   Other fragments may name a thing of their own, or be a key to it: an address with one is filed under its hash, but
///   for the routes of applications, `#/` and `#!`, which are kept.
/// * A signed address keeps every byte. As a secret, it is filed under its hash; so is one with a password, and one too
///   long for a key, and one with a token, a key to an API or a session in its query or path.
/// * A magnet link is its info hash and the files that it selects.
///
/// ```
/// # use providers::{Canonical, SourceType};
/// let video = Canonical::of("https://youtu.be/dQw4w9WgXcQ?si=abc")?;
/// assert_eq!(video, Canonical::of("HTTPS://m.YouTube.com:443/watch?utm_source=x&v=dQw4w9WgXcQ#t=9")?);
/// assert_eq!((video.source_type(), video.id()), (SourceType::YouTube, "dQw4w9WgXcQ"));
///
/// let page = Canonical::of("http://Example.org:80/a/../%7Eb?y=2&x=1&fbclid=z#t=9")?;
/// assert_eq!(page.id(), "http://example.org/~b?x=1&y=2");
/// # Ok::<(), cache_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canonical {
    source_type: SourceType,
    id: Box<str>,
}

impl Canonical {
    /// The canonical form of `url`, an address of HTTP, with or without its scheme, a magnet link, or a `spotify:` name.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for anything else.
    pub fn of(url: &str) -> Result<Self> {
        let url = url.trim();
        if url.len() > MAX_URL {
            return Err(invalid(format!("an address of {} bytes exceeds the {MAX_URL} allowed", url.len())));
        }
        if let Some(query) = strip_scheme(url, "magnet:") {
            let id =
                magnet::identity(query).ok_or_else(|| invalid("the magnet link has no info hash (xt=urn:btih:…)"))?;
            return Ok(Self { source_type: SourceType::Magnet, id: id.into() });
        }
        if let Some(id) = strip_scheme(url, "spotify:").and_then(sites::spotify_name) {
            return Ok(Self { source_type: SourceType::Spotify, id: id.into() });
        }
        match Address::plain(url) {
            Some(address) => Ok(Self::of_address(&address)),
            None => address::parsed(url).map(|url| Self::of_address(&Address::of(&url))),
        }
    }

    fn of_address(address: &Address<'_>) -> Self {
        let by_extension = || by_extension(&address.path);
        if address.has_password || is_secret(address) {
            let part = fragment(address).map(|fragment| format!("{}#{fragment}", address.whole));
            let source_type = sites::by_host(address).unwrap_or_else(by_extension);
            return Self { source_type, id: hashed(part.as_deref().unwrap_or(address.whole)) };
        }
        // A route is a page of its own.
        if let Some((source_type, id)) = sites::identity(address).filter(|_| route(address.fragment).is_none()) {
            let id = if sites::is_secret(source_type, &id) { hashed(&id) } else { short(id) };
            return Self { source_type, id };
        }
        let source_type = sites::by_host(address).unwrap_or_else(by_extension);
        let is_shown = fragment(address).is_none() || route(address.fragment).is_some();
        let id = generic(address);
        Self { source_type, id: if is_shown { short(id) } else { hashed(&id) } }
    }

    /// Of something that has no address: an identifier in the provider's own terms, kept as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is empty or longer than 16 KiB.
    pub fn of_id(id: &str) -> Result<Self> {
        if id.is_empty() || id.len() > MAX_URL {
            return Err(invalid(format!("an identifier has 1 to {MAX_URL} bytes, this one {}", id.len())));
        }
        Ok(Self { source_type: SourceType::Unknown, id: short(format!("id/{id}")) })
    }

    /// Where the media comes from.
    pub fn source_type(&self) -> SourceType {
        self.source_type
    }

    /// Its identity among those of one source: an identifier, an address, or a hash of either. Free of secrets.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the identity is a hash: of an address that has something secret in it, or is too long. Such addresses are not
    /// to be written down.
    pub fn is_hash(&self) -> bool {
        self.id.starts_with(HASH)
    }
}

/// The source, a colon, and the identity.
impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source_type, self.id)
    }
}

/// An address as it may be shown: without what may be secret in it.
///
/// ```
/// # use providers::shown;
/// assert_eq!(shown("https://me:hush@films.example/sig/s3cret/a.mp4?token=s3cret"), "https://films.example/sig/…/a.mp4?…");
/// ```
pub fn shown(url: &str) -> String {
    if let Some((start, _)) = url.split_once(['?', '#']) {
        return format!("{}?…", shown(start));
    }
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host: String = authority.rsplit('@').next().unwrap_or_default().chars().take(MAX_HOST).collect();
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    // Some sign in the path: a segment that long names nothing that people read.
    let is_secret = |before: &str, part: &str| {
        let is_named = sites::is_token(&name, part) || sites::is_vimeo_hash(&name, before, part);
        part.len() > 64 || is_named || validity::is_secret_segment(before, part)
    };
    let mut before = "";
    let part = |part| if is_secret(std::mem::replace(&mut before, part), part) { "…" } else { part };
    let path: Vec<&str> = path.split('/').map(part).collect();
    format!("{scheme}{host}{}", path.join("/"))
}

/// The canonical address of a page of a site that is not known.
fn generic(address: &Address<'_>) -> String {
    let mut text = String::with_capacity(address.whole.len() + 16);
    text.push_str(address.scheme);
    text.push_str("://");
    text.push_str(address.host);
    if let Some(port) = address.port {
        // Writing to a string does not fail.
        _ = write!(text, ":{port}");
    }
    text.push_str(&address.path);
    query::push_canonical(&mut text, &address.query);
    if let Some(fragment) = fragment(address) {
        text.push('#');
        text.push_str(&fragment);
    }
    text
}

/// Whether a part of `address` that its identity has is secret.
fn is_secret(address: &Address<'_>) -> bool {
    let is = |path: &str, query: &str| validity::is_signed(query) || validity::is_signed_path(path);
    let (path, query) = route(address.fragment).map_or(("", ""), |route| route.split_once('?').unwrap_or((route, "")));
    let has_token = address.path.split('/').any(|segment| sites::is_token(address.host, segment));
    has_token || is(&address.path, &address.query) || is(path, query)
}

/// What applications that run in a page understand of its fragment.
fn route(fragment: &str) -> Option<&str> {
    fragment.starts_with(['!', '/']).then_some(fragment)
}

/// The fragment of `address`, in normal form, where it may name something else than the address does without it.
fn fragment<'a>(address: &Address<'a>) -> Option<Cow<'a, str>> {
    let fragment = address.fragment;
    (!fragment.is_empty() && !is_instant(fragment)).then(|| percent::normal(fragment))
}

/// Whether `fragment` says when to begin, as media fragments do: `t=90`, `t=1m30s`, `t=npt:10,20`.
fn is_instant(fragment: &str) -> bool {
    let time = fragment.strip_prefix("t=").map(|time| time.strip_prefix("npt:").unwrap_or(time));
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b',' | b'h' | b'm' | b's');
    time.is_some_and(|time| time.bytes().any(|byte| byte.is_ascii_digit()) && time.bytes().all(is_part))
}

fn by_extension(path: &str) -> SourceType {
    let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    let is_media = |extension: &str| MEDIA.iter().any(|media| extension.eq_ignore_ascii_case(media));
    if extension.is_some_and(is_media) { SourceType::Direct } else { SourceType::Unknown }
}

fn short(id: String) -> Box<str> {
    // What only looks like a hash has another one.
    if id.len() <= MAX_TEXT && !id.starts_with(HASH) { id.into() } else { hashed(&id) }
}

/// What stands for a text that is too long or secret: nobody finds two with the same, and who sees it cannot write an
/// address that has it.
fn hashed(text: &str) -> Box<str> {
    format!("{HASH}{}", blake3::hash(text.as_bytes()).to_hex()).into()
}

fn strip_scheme<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = url.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tests;
