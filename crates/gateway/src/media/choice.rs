//! `Choice`: which stream an address under `/play` means, and how it is played.

use cache_core::{Key, KeyBuilder, Result};
use providers::{Canonical, Failure, Link, LinkKind, LinkRequest, Reason};
use serde::{Deserialize, Serialize};
use url::Url;

use super::wanted::{Episode, Title};
use super::way::Way;
use crate::naming;

/// Where streams are looked for.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In all add-ons.
    Title(Title),
    /// On a page of one provider.
    Page { provider: String, request: LinkRequest },
}

/// Which stream an address means, and how it is played: the same for as long as it is kept, whatever links it has by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) provider: String,
    /// What finds it again among links that were loaded anew.
    pub(crate) identity: String,
    pub(crate) way: Way,
    /// What its file is called.
    pub(crate) name: String,
    /// Where its bytes come from.
    pub(crate) origin: String,
}

impl Place {
    pub(crate) fn request(&self) -> Result<LinkRequest> {
        match self {
            Self::Title(title) => title.request(),
            Self::Page { request, .. } => Ok(request.clone()),
        }
    }

    /// The key of the choice of the stream `index`, where `addons` are asked.
    pub(crate) fn key(&self, addons: &[String], index: usize) -> Result<Key> {
        let builder = match self {
            Self::Title(title) => {
                let builder =
                    Key::of(title.kind()).part(&title.id).param("of", digest(addons.iter().map(String::as_str)));
                with_episode(builder, title.episode)
            }
            Self::Page { provider, request } => {
                let page = request.canonical().to_string();
                Key::of("page").part(digest([provider, request.account(), &page]))
            }
        };
        builder.part(index).build()
    }

    /// The episode that is meant.
    pub(super) fn episode(&self) -> Option<Episode> {
        match self {
            Self::Title(title) => title.episode,
            Self::Page { .. } => None,
        }
    }

    /// What a stream is called whose link does not say it.
    fn title(&self) -> String {
        match self {
            Self::Title(title) => title.to_string(),
            Self::Page { .. } => "stream".to_owned(),
        }
    }
}

impl Choice {
    /// The stream `link` of `provider` at `place`, called `title` unless its link says it.
    pub(crate) fn new(place: &Place, provider: &str, link: &Link, way: Way, title: Option<&str>) -> Result<Self> {
        let identity = identity(place, provider, link, way)?;
        let named = naming::file_name(&link.url).or_else(|| display_name(&link.url));
        let named = named.filter(|name| naming::has_type(name));
        let name = named.or_else(|| title.and_then(naming::clean)).unwrap_or_else(|| place.title());
        let url = Url::parse(&link.url).ok();
        let host = url.as_ref().and_then(Url::host_str);
        let origin = host.map_or_else(|| format!("torrent {identity}"), str::to_owned);
        Ok(Self { provider: provider.to_owned(), identity, way, name, origin })
    }

    /// The key of its bytes.
    pub(crate) fn key(&self) -> Result<Key> {
        key_of(&self.identity)
    }

    /// The link that it has among `links`.
    ///
    /// # Errors
    /// When it has none any more.
    pub(crate) fn among<'a>(&self, place: &Place, links: &'a [Link]) -> Result<&'a Link> {
        let is_it = |link: &&Link| identity(place, &self.provider, link, self.way).is_ok_and(|it| it == self.identity);
        links.iter().find(is_it).ok_or_else(|| gone(&self.provider))
    }
}

/// Whether `link` counts where streams are numbered.
pub(crate) fn is_stream(link: &Link) -> bool {
    !matches!(link.kind, LinkKind::Subtitles | LinkKind::Image)
}

/// The error that a stream is not among those of its provider.
pub(crate) fn gone(provider: &str) -> cache_core::Error {
    Failure::new(Reason::NotFound, "there is no such stream").into_error(provider, "streams")
}

/// One text for all links to the same bytes. Links that end are written anew each time: of them the host and the query do
/// not count, where signatures are, and what is known of the file does.
fn identity(place: &Place, provider: &str, link: &Link, way: Way) -> Result<String> {
    if way == Way::Torrent {
        return of_torrent(&link.url, place.episode());
    }
    let request = place.request()?;
    let is_lasting = link.is_portable() && link.validity.ends() == cache_core::Timestamp::NEVER;
    let path = (!is_lasting).then(|| Url::parse(&link.url).ok()).flatten().map(|url| url.path().to_owned());
    let about = serde_json::to_string(&(link.kind, &link.quality, link.bytes, &link.language, &link.content_type));
    let page = request.canonical().to_string();
    let address = path.as_deref().unwrap_or(&link.url);
    Ok(digest([provider, request.account(), &page, address, &about.unwrap_or_default()]))
}

/// The key of the bytes of the torrent behind `url`, the same wherever its link comes from, and what it is called among
/// origins.
pub(super) fn torrent_key(url: &str) -> Result<(Key, String)> {
    let identity = of_torrent(url, None)?;
    Ok((key_of(&identity)?, format!("torrent {identity}")))
}

fn of_torrent(url: &str, episode: Option<Episode>) -> Result<String> {
    let hash = Canonical::of(url)?;
    let episode = episode.map(|Episode { season, number }| format!("{season}:{number}"));
    Ok(digest(["torrent", hash.id(), &episode.unwrap_or_default()]))
}

fn key_of(identity: &str) -> Result<Key> {
    Key::of("streams").part(identity).build()
}

/// The name that a magnet link gives.
pub(crate) fn display_name(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "magnet")?;
    let (_, name) = url.query_pairs().find(|(name, _)| name == "dn")?;
    naming::clean(&name)
}

fn with_episode(builder: KeyBuilder, episode: Option<Episode>) -> KeyBuilder {
    match episode {
        Some(Episode { season, number }) => builder.part(season).part(number),
        None => builder,
    }
}

/// A hash of texts, each for itself.
fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use cache_core::{HOUR, Timestamp};
    use providers::Validity;

    use super::*;

    fn film() -> Place {
        Place::Title(Title { id: "tt0111161".to_owned(), episode: None })
    }

    fn choice(link: &Link, way: Way) -> Choice {
        Choice::new(&film(), "addon", link, way, Some("A film")).unwrap()
    }

    fn signed(url: &str) -> Link {
        let now = Timestamp::from_millis(1_784_000_000_000);
        Link::new(url, LinkKind::Video).with_validity(Validity::ending(now.after(HOUR), now))
    }

    #[test]
    fn a_stream_is_found_again_behind_another_signature() {
        let of = choice(&signed("https://a.example/film.mp4?sig=1"), Way::Proxy);
        let links = [signed("https://a.example/other.mp4?sig=2"), signed("https://b.example/film.mp4?sig=2")];
        assert_eq!(of.among(&film(), &links).unwrap().url, links[1].url);
        assert!(of.among(&film(), &links[..1]).is_err());
        // An address that lasts is all that tells it from another.
        let of = choice(&Link::new("https://a.example/film?id=1", LinkKind::Video), Way::Redirect);
        assert!(of.among(&film(), &[Link::new("https://a.example/film?id=2", LinkKind::Video)]).is_err());
    }

    #[test]
    fn names_come_from_links_that_say_them_and_else_from_titles() {
        let name = |url: &str, way| choice(&Link::new(url, LinkKind::Video), way).name;
        assert_eq!(name("https://a.example/A%20film.mkv?x=1", Way::Proxy), "A film.mkv");
        assert_eq!(name("https://a.example/videoplayback?x=1", Way::Proxy), "A film");
        let magnet = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&dn=..%2Ffilm%0d%0a.mp4";
        assert_eq!(name(magnet, Way::Torrent), "film.mp4");
    }

    #[test]
    fn a_torrent_is_known_by_its_hash_and_the_file_in_it() {
        let magnet = |rest: &str| {
            let url = format!("magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c{rest}");
            choice(&Link::new(url, LinkKind::Torrent), Way::Torrent).key().unwrap()
        };
        assert_eq!(magnet("&tr=udp%3A%2F%2Fa.example"), magnet("&dn=film"));
        assert_ne!(magnet("&so=1"), magnet("&so=2"));
    }

    #[test]
    fn addresses_of_other_streams_have_other_keys() {
        let page = |provider: &str, url: &str| {
            let request = LinkRequest::new(url).unwrap();
            Place::Page { provider: provider.to_owned(), request }.key(&[], 0).unwrap()
        };
        let episode = |season, number| {
            let episode = Some(Episode { season, number });
            Place::Title(Title { id: "tt0903747".to_owned(), episode }).key(&[], 0).unwrap()
        };
        assert_ne!(page("a", "https://a.example/1"), page("b", "https://a.example/1"));
        assert_ne!(page("a", "https://a.example/1"), page("a", "https://a.example/2"));
        assert_ne!(episode(1, 11), episode(11, 1));
        assert_ne!(film().key(&["a".to_owned()], 0).unwrap(), film().key(&["b".to_owned()], 0).unwrap());
        assert_ne!(film().key(&[], 0).unwrap(), film().key(&[], 1).unwrap());
    }
}
