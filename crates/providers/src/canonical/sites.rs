//! Sites whose addresses are known: which identifier they name.

use super::address::Address;
use super::percent::decoded;
use super::query::value;
use crate::SourceType;

type Identity = Option<(SourceType, String)>;

/// The source and identifier of an address, if its site and form are known.
pub(super) fn identity(address: &Address<'_>) -> Identity {
    let host = address.host.strip_prefix("www.").unwrap_or(address.host);
    let (path, query) = (address.path.trim_matches('/'), &*address.query);
    let of = |source: SourceType, id: Option<String>| id.map(|id| (source, id));
    match host {
        "youtube.com" | "m.youtube.com" | "music.youtube.com" | "youtube-nocookie.com" => {
            of(SourceType::YouTube, youtube(path, query))
        }
        "youtu.be" => of(SourceType::YouTube, youtube_id(path).map(str::to_owned)),
        "open.spotify.com" | "play.spotify.com" => of(SourceType::Spotify, spotify(path)),
        "soundcloud.com" | "m.soundcloud.com" => of(SourceType::SoundCloud, soundcloud(path, query)),
        "vimeo.com" | "player.vimeo.com" => of(SourceType::Vimeo, vimeo(path, query)),
        "archive.org" => of(SourceType::Archive, archive(path)),
        "commons.wikimedia.org" | "commons.m.wikimedia.org" => of(SourceType::Commons, commons(path)),
        _ => of(SourceType::PeerTube, peertube(address, path)),
    }
}

/// The source of an address whose site is known, although its form is not.
pub(super) fn by_host(address: &Address<'_>) -> Option<SourceType> {
    let is =
        |domain: &str| address.host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let sites = [
        ("youtube.com", SourceType::YouTube),
        ("youtu.be", SourceType::YouTube),
        ("youtube-nocookie.com", SourceType::YouTube),
        ("soundcloud.com", SourceType::SoundCloud),
        ("spotify.com", SourceType::Spotify),
        ("vimeo.com", SourceType::Vimeo),
        ("archive.org", SourceType::Archive),
        ("commons.wikimedia.org", SourceType::Commons),
    ];
    sites.into_iter().find(|(domain, _)| is(domain)).map(|(_, source)| source)
}

/// The identifier in `spotify:track:X`, whose part behind the scheme is `name`.
pub(super) fn spotify_name(name: &str) -> Option<String> {
    let (kind, id) = name.split_once(':')?;
    spotify_id(kind, id)
}

fn youtube(path: &str, query: &str) -> Option<String> {
    let list = || value(query, "list").filter(|list| is_word(list)).map(|list| format!("list={list}"));
    match path.split_once('/') {
        None if path == "watch" => value(query, "v").and_then(youtube_id).map(str::to_owned),
        None if path == "playlist" => list(),
        Some(("embed", "videoseries")) => list(),
        Some(("embed" | "shorts" | "live" | "v" | "e", id)) => youtube_id(id).map(str::to_owned),
        _ => None,
    }
}

fn youtube_id(id: &str) -> Option<&str> {
    // Words as long as an identifier, which stand for what the parameters name.
    let is_other = matches!(id, "live_stream" | "videoseries");
    (id.len() == 11 && is_word(id) && !is_other).then_some(id)
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn spotify(path: &str) -> Option<String> {
    let mut segments = path.split('/').skip_while(|segment| segment.starts_with("intl-") || *segment == "embed");
    let (kind, id) = (segments.next()?, segments.next()?);
    if segments.next().is_some() { None } else { spotify_id(kind, id) }
}

fn spotify_id(kind: &str, id: &str) -> Option<String> {
    let is_kind = matches!(kind, "track" | "album" | "playlist" | "artist" | "episode" | "show");
    (is_kind && id.len() == 22 && is_word(id)).then(|| format!("{kind}/{id}"))
}

/// `artist/track`, `artist/sets/name`, and either with the secret of a private one behind it, which is part of the path.
fn soundcloud(path: &str, query: &str) -> Option<String> {
    let segments = path.split('/').count();
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'));
    let has_token = value(query, "secret_token").is_some();
    ((2..=3).contains(&segments) && is_plain && !has_token).then(|| path.to_owned())
}

fn vimeo(path: &str, query: &str) -> Option<String> {
    let path = path.strip_prefix("video/").unwrap_or(path);
    let (id, hash) = path.split_once('/').unwrap_or((path, ""));
    let hash = if hash.is_empty() { value(query, "h").unwrap_or_default() } else { hash };
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_id && is_hash).then(|| if hash.is_empty() { id.to_owned() } else { format!("{id}/{hash}") })
}

fn archive(path: &str) -> Option<String> {
    let (kind, rest) = path.split_once('/')?;
    if rest.is_empty() || !matches!(kind, "details" | "embed" | "download" | "metadata") {
        return None;
    }
    Some(rest.to_owned())
}

fn commons(path: &str) -> Option<String> {
    let title = path.strip_prefix("wiki/")?;
    let name = decoded(title).replace(' ', "_");
    name.starts_with("File:").then_some(name)
}

/// The instance and the identifier, which may be written in two ways.
fn peertube(address: &Address<'_>, path: &str) -> Option<String> {
    let rest = ["w/", "videos/watch/", "videos/embed/"].iter().find_map(|start| path.strip_prefix(start))?;
    let list = rest.strip_prefix("p/").or_else(|| rest.strip_prefix("playlist/"));
    let (kind, id) = list.map_or(("", rest), |id| ("list=", id));
    let id = uuid(id)?;
    let port = address.port.map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{}{port}/{kind}{id:032x}", address.host))
}

/// The number that a UUID is, written with dashes or in the 58 digits of `short-uuid`.
fn uuid(text: &str) -> Option<u128> {
    const DIGITS: &[u8; 58] = b"123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
    match text.len() {
        36 => {
            let dashes = [8, 13, 18, 23];
            let is_dashed = text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if dashes.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() });
            is_dashed.then(|| u128::from_str_radix(&text.replace('-', ""), 16).ok()).flatten()
        }
        22 => text.bytes().try_fold(0_u128, |number, byte| {
            let digit = DIGITS.iter().position(|digit| *digit == byte)?;
            number.checked_mul(58)?.checked_add(digit as u128)
        }),
        _ => None,
    }
}
