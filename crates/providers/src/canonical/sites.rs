//! Sites whose addresses are known: which identifier they name.

use super::address::Address;
use super::percent::exactly_decoded;
use super::query::{has_only, value, values};
use crate::SourceType;

type Identity = Option<(SourceType, String)>;

/// The source and identifier of an address, if its site and form are known. What may be anything else is none.
pub(super) fn identity(address: &Address<'_>) -> Identity {
    if address.port.is_some() {
        return None;
    }
    let path = address.path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.split('/').any(str::is_empty) {
        return None;
    }
    let query = &*address.query;
    let of = |source: SourceType, id: Option<String>| id.map(|id| (source, id));
    match address.host.strip_prefix("www.").unwrap_or(address.host) {
        "youtube.com" | "m.youtube.com" | "music.youtube.com" | "gaming.youtube.com" | "youtube-nocookie.com" => {
            of(SourceType::YouTube, youtube(path, query))
        }
        "youtu.be" => of(SourceType::YouTube, youtube_id(path).map(str::to_owned)),
        "open.spotify.com" | "play.spotify.com" => of(SourceType::Spotify, spotify(path)),
        "soundcloud.com" | "m.soundcloud.com" => of(SourceType::SoundCloud, soundcloud(path, query)),
        "vimeo.com" => of(SourceType::Vimeo, vimeo(path, query)),
        "player.vimeo.com" => of(SourceType::Vimeo, path.strip_prefix("video/").and_then(|path| vimeo(path, query))),
        "archive.org" => of(SourceType::Archive, archive(path, query)),
        "commons.wikimedia.org" | "commons.m.wikimedia.org" => of(SourceType::Commons, commons(path, query)),
        _ => None,
    }
}

/// The source of an address whose site is known, although its form is not.
pub(super) fn by_host(address: &Address<'_>) -> Option<SourceType> {
    let is = |domain: &str| {
        let rest = address.host.strip_suffix(domain).filter(|_| address.port.is_none());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
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
    let site = sites.into_iter().find(|(domain, _)| is(domain)).map(|(_, source)| source);
    // Anybody may run an instance, so its paths tell, and they tell no more than this.
    site.or_else(|| is_peertube(&address.path).then_some(SourceType::PeerTube))
}

/// Whether `segment` of a path on `host` opens what its owner keeps private.
pub(super) fn is_token(host: &str, segment: &str) -> bool {
    let is_soundcloud = host.strip_suffix("soundcloud.com").is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    is_soundcloud && segment.len() > 2 && segment.starts_with("s-")
}

/// Whether `hash`, which follows `before` in a path on `host`, opens a film of Vimeo that is not listed.
pub(super) fn is_vimeo_hash(host: &str, before: &str, hash: &str) -> bool {
    let is_vimeo = host.strip_suffix("vimeo.com").is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let is_film = !before.is_empty() && before.bytes().all(|byte| byte.is_ascii_digit());
    is_vimeo && is_film && is_hash(hash)
}

/// Whether an identifier that [`identity`] has found shows what its owner keeps private.
pub(super) fn is_secret(source: SourceType, id: &str) -> bool {
    source == SourceType::Vimeo && id.contains('/')
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
        // What is named twice may be either.
        _ if values(query, "v").next().is_some() => None,
        None if path == "playlist" => list(),
        Some(("embed", "videoseries")) => list(),
        Some(("watch" | "embed" | "shorts" | "live" | "v" | "e", id)) => youtube_id(id).map(str::to_owned),
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
    let mut segments = path.split('/').peekable();
    segments.next_if(|segment| segment.starts_with("intl-"));
    segments.next_if(|segment| *segment == "embed");
    let (kind, id) = (segments.next()?, segments.next()?);
    if segments.next().is_some() { None } else { spotify_id(kind, id) }
}

fn spotify_id(kind: &str, id: &str) -> Option<String> {
    let is_kind = matches!(kind, "track" | "album" | "playlist" | "artist" | "episode" | "show");
    (is_kind && id.len() == 22 && is_word(id)).then(|| format!("{kind}/{id}"))
}

/// `artist/track` and `artist/sets/name`. Searches and charts look the same and are known by their parameters.
fn soundcloud(path: &str, query: &str) -> Option<String> {
    let is_form = matches!(path.split('/').collect::<Vec<_>>()[..], [_, _] | [_, "sets", _]);
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'));
    (is_form && is_plain && has_only(query, &["in", "si"])).then(|| path.to_owned())
}

/// `ID`, `ID/HASH` of those that are not listed, and `channels/NAME/ID`.
fn vimeo(path: &str, query: &str) -> Option<String> {
    let (id, hash) = match path.split('/').collect::<Vec<_>>()[..] {
        [id] | ["channels", _, id] => (id, None),
        [id, hash] => (id, Some(hash)),
        _ => return None,
    };
    let mut hashes = hash.into_iter().chain(values(query, "h"));
    let hash = hashes.next();
    let is_one = hashes.all(|other| Some(other) == hash);
    let is_known = id.bytes().all(|byte| byte.is_ascii_digit()) && is_one && hash.is_none_or(is_hash);
    is_known.then(|| hash.map_or_else(|| id.to_owned(), |hash| format!("{id}/{hash}")))
}

fn is_hash(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Of collections, parameters say what of them is shown.
fn archive(path: &str, query: &str) -> Option<String> {
    let (kind, rest) = path.split_once('/')?;
    let known: &[&str] = if kind == "download" { &[] } else { &["autoplay", "start"] };
    (matches!(kind, "details" | "embed" | "download") && has_only(query, known)).then(|| rest.to_owned())
}

/// Titles are written with spaces or underscores, and with a capital or not.
fn commons(path: &str, query: &str) -> Option<String> {
    let title = exactly_decoded(path.strip_prefix("wiki/")?)?.replace(' ', "_");
    let (namespace, name) = title.split_once(':')?;
    let mut rest = name.chars();
    let first = rest.next()?.to_ascii_uppercase();
    let is_file = namespace.eq_ignore_ascii_case("file") && has_only(query, &["uselang"]);
    is_file.then(|| format!("File:{first}{}", rest.as_str()))
}

fn is_peertube(path: &str) -> bool {
    let mut ids = ["/w/", "/w/p/", "/videos/watch/", "/videos/watch/playlist/", "/videos/embed/"]
        .into_iter()
        .filter_map(|start| path.strip_prefix(start));
    ids.any(|id| match id.len() {
        36 => id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        }),
        // The same in 58 digits.
        22 => id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        _ => false,
    })
}
