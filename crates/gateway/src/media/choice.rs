//! `Choice`: which stream an address under `/play` means, and how it is played.

use std::borrow::Cow;
use std::collections::HashMap;

use cache_core::{Key, KeyBuilder, Result, Timestamp};
use providers::{Canonical, Failure, Link, LinkKind, LinkRequest, Links, Reason, unsigned_path};
use serde::{Deserialize, Serialize};
use url::Url;

use super::torrents;
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
    /// The stream `link`, one of the `links` of `provider` at `place`; it is called as they are, unless it says it itself.
    pub(crate) fn new(place: &Place, provider: &str, links: &Links, link: &Link, way: Way) -> Result<Self> {
        let mut identities = Identities::new(place, provider, way)?;
        let before = links.links.iter().take_while(|other| !std::ptr::eq(*other, link));
        // What is wrong with another is nothing to this one.
        before.for_each(|other| drop(identities.of(other)));
        let identity = identities.of(link)?;
        let named = naming::file_name(&link.url).or_else(|| display_name(&link.url));
        let named = named.filter(|name| naming::has_type(name));
        let title = links.title.as_deref().and_then(naming::clean);
        let name = named.or(title).unwrap_or_else(|| place.title());
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
        let mut identities = Identities::new(place, &self.provider, self.way)?;
        for link in links {
            if identities.of(link).is_ok_and(|it| it == self.identity) {
                return Ok(link);
            }
        }
        Err(gone(&self.provider))
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

/// One text for all links to the same bytes, of the links of one answer in turn.
///
/// Links that end are written anew each time: of them the host, the query and what of the path is signed do not count, and
/// what is known of the file does. Of several that are alike in that, their order tells one from another.
struct Identities<'a> {
    place: &'a Place,
    provider: &'a str,
    way: Way,
    request: LinkRequest,
    page: String,
    /// The addresses of those that are alike, each with its number.
    alike: HashMap<String, HashMap<&'a str, usize>>,
}

impl<'a> Identities<'a> {
    fn new(place: &'a Place, provider: &'a str, way: Way) -> Result<Self> {
        let request = place.request()?;
        let page = request.canonical().to_string();
        Ok(Self { place, provider, way, request, page, alike: HashMap::new() })
    }

    /// That of the next link.
    fn of(&mut self, link: &'a Link) -> Result<String> {
        if self.way == Way::Torrent {
            return of_torrent(&link.url, self.place.episode());
        }
        let is_lasting = link.is_portable() && link.validity.ends() == Timestamp::NEVER;
        let path = (!is_lasting).then(|| Url::parse(&link.url).ok()).flatten();
        let path = path.map(|url| Cow::Owned(unsigned_path(url.as_str()).to_owned()));
        let address = path.unwrap_or(Cow::Borrowed(&*link.url));
        let about = serde_json::to_string(&(link.kind, &link.quality, link.bytes, &link.language, &link.content_type));
        let about = about.unwrap_or_default();
        let identity = digest([self.provider, self.request.account(), &self.page, &*address, &about]);
        if is_lasting {
            return Ok(identity);
        }
        let alike = self.alike.entry(identity.clone()).or_default();
        let next = alike.len();
        let number = *alike.entry(&link.url).or_insert(next);
        Ok(if number == 0 { identity } else { digest([&*identity, &number.to_string()]) })
    }
}

/// The key of the bytes of the torrent behind `url`, the same wherever its link comes from, and what it is called among
/// origins.
pub(super) fn torrent_key(url: &str) -> Result<(Key, String)> {
    let identity = of_torrent(url, None)?;
    Ok((key_of(&identity)?, format!("torrent {identity}")))
}

fn of_torrent(url: &str, episode: Option<Episode>) -> Result<String> {
    let address = Canonical::of(url)?;
    let id = if torrents::is_magnet(url) { torrents::identity(url)? } else { address.id().to_owned() };
    let episode = episode.map(|Episode { season, number }| format!("{season}:{number}"));
    Ok(digest(["torrent", &id, &episode.unwrap_or_default()]))
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
    use ::torrents::Magnet;
    use cache_core::{HOUR, Timestamp};
    use proptest::prelude::*;
    use providers::Validity;

    use super::*;

    fn film() -> Place {
        Place::Title(Title { id: "tt0111161".to_owned(), episode: None })
    }

    fn choice(link: &Link, way: Way) -> Choice {
        choice_of(std::slice::from_ref(link), 0, way)
    }

    fn choice_of(links: &[Link], index: usize, way: Way) -> Choice {
        let mut links = Links::of(links.iter().cloned());
        links.title = Some("A film".to_owned());
        Choice::new(&film(), "addon", &links, &links.links[index], way).unwrap()
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
    fn streams_that_only_their_queries_tell_apart_are_streams_of_their_own() {
        let mut bound = Link::new("https://a.example/stream?id=3", LinkKind::Video);
        bound.headers.insert("referer".to_owned(), "https://a.example/".to_owned());
        let links = |sig: u32| {
            let url = |id: u32| format!("https://a.example/stream?id={id}&sig={sig}");
            [signed(&url(1)), signed(&url(2)), signed(&url(1)), bound.clone()]
        };
        let [first, second, again, third] = [0, 1, 2, 3].map(|index| choice_of(&links(1), index, Way::Proxy));
        assert_eq!(first.key().unwrap(), again.key().unwrap(), "one address is one stream");
        assert_ne!(first.key().unwrap(), second.key().unwrap());
        assert_ne!(second.key().unwrap(), third.key().unwrap());
        assert_ne!(first.key().unwrap(), third.key().unwrap());
        for (choice, index) in [(first, 0), (second, 1), (third, 3)] {
            assert_eq!(choice.among(&film(), &links(2)).unwrap().url, links(2)[index].url);
        }
    }

    #[test]
    fn a_stream_is_found_again_behind_a_path_that_is_signed_anew() {
        let link = |sig: &str| signed(&format!("https://a.example/expire/1784021600/sig/{sig}/film.mp4"));
        let of = choice(&link("s3cret"), Way::Proxy);
        assert!(of.among(&film(), &[link("other-s3cret")]).is_ok());
        assert!(of.among(&film(), &[signed("https://a.example/expire/1784021600/sig/s3cret/b.mp4")]).is_err());
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

    const OWN: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    const OTHER: &str = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";

    /// What is fetched for `link` is filed under what is fetched.
    fn files_what_it_fetches(link: &str) {
        let (Ok(fetched), Ok((key, _))) = (Magnet::parse(link), torrent_key(link)) else { return };
        let file = fetched.index().map(|index| format!("&so={index}")).unwrap_or_default();
        let plain = torrent_key(&format!("magnet:?xt=urn:btih:{}{file}", fetched.hash())).unwrap().0;
        assert_eq!(key, plain, "{link:?}");
    }

    #[test]
    fn trust_16_a_link_that_reads_as_two_torrents_is_filed_under_the_one_that_is_fetched() {
        for link in [
            format!("magnet:a?xt=urn:btih:{OTHER}&xt=urn:btih:{OWN}"),
            format!("magnet://a/?xt=urn:btih:{OTHER}&xt=urn:btih:{OWN}"),
            format!("magnet:?x\tt=urn:btih:{OTHER}&xt=urn:btih:{OWN}"),
            format!("magnet:?xt=urn:btih:{OTHER}\n&xt=urn:btih:{OWN}"),
            format!("magnet:?xt=URN:BTIH:{OWN}&xt=urn:btih:{OTHER}"),
            format!("magnet:?xt.1=urn:btih:{OWN}&xt=urn:btih:{OTHER}"),
            format!("magnet:a?so=1&xt=urn:btih:{OWN}"),
            format!("magnet:?s\no=1&xt=urn:btih:{OWN}"),
            format!("magnet:?so=2&xt=urn:btih:{OWN}&so=1"),
            format!("magnet:?xt=urn:btih:{OWN}#&so=1"),
        ] {
            files_what_it_fetches(&link);
        }
    }

    proptest! {
        #[test]
        fn whatever_a_link_says_it_is_filed_under_what_is_fetched(
            start in prop::sample::select(vec!["?", "", "a?", "//a/?", "??", "?a=b?", "#?"]),
            pairs in prop::collection::vec(
                (
                    prop::sample::select(vec!["xt", "XT", "x\tt", "%78t", "xt.1", "xt%00", "so", "s\no", "so.1", "dn", "#xt"]),
                    prop::sample::select(vec!["urn:btih:", "URN:BTIH:", "urn%3Abtih%3A", "urn:btih:\t", ""]),
                    prop::sample::select(vec![OWN, OTHER, "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK", "1", "2", "01", "#", "+"]),
                ),
                1..5,
            ),
            ends in prop::sample::select(vec!["", "\r", " ", "&", "#", "%00"]),
        ) {
            let pairs = pairs.iter().map(|(name, before, value)| format!("{name}={before}{value}"));
            files_what_it_fetches(&format!("magnet:{start}{}{ends}", pairs.collect::<Vec<_>>().join("&")));
        }
    }
}
