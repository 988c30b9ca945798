//! Answers of sites with an API, JSON or XML: what is handed out are addresses that may be fetched.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use cache_core::{ManualClock, Timestamp};
use providers::http::{Fetch, FetchOptions};
use providers::{Commons, InternetArchive, LinkRequest, PeerTube, Podcast, Provider, SearchQuery, Stremio};

use crate::server::Site;
use crate::{Verdict, runtime};

/// What an add-on says about itself that offers everything.
const MANIFEST: &[u8] = br#"{"id": "a", "version": "1.0.0", "name": "a", "resources": ["catalog", "meta", "stream"],
    "types": ["movie", "series"], "catalogs": [{"type": "movie", "id": "a", "extra": [{"name": "search"}]}]}"#;

struct Kit {
    site: Site,
    fetch: Fetch,
    archive: InternetArchive,
    commons: Commons,
    peertube: PeerTube,
    podcast: Podcast,
    stremio: Stremio,
}

impl Kit {
    fn new() -> Self {
        let site = Site::new(("/known/manifest.json", MANIFEST));
        let (url, fetch) = (site.url.as_str(), fetch(|address| address.is_loopback()));
        let addon = format!("{url}/known/manifest.json");
        Self {
            archive: InternetArchive::new(&fetch).at(url).expect("an address"),
            commons: Commons::new(&fetch).at(url).expect("an address"),
            peertube: PeerTube::instance(&fetch, url).expect("an address"),
            podcast: Podcast::new(&fetch).at(url).expect("an address"),
            stremio: Stremio::new(&fetch, &addon).expect("an address"),
            fetch,
            site,
        }
    }

    async fn try_out(&self, which: u8) -> bool {
        let url = &self.site.url;
        match which % 7 {
            0 => try_out(&self.archive, "https://archive.org/details/demo-moon-1969").await,
            1 => try_out(&self.commons, "https://commons.wikimedia.org/wiki/File:Moon.webm").await,
            2 => try_out(&self.peertube, &format!("{url}/w/aaaaaaaaaaaaaaaaaaaaaa")).await,
            3 => try_out(&self.podcast, &format!("{url}/rss")).await,
            4 => try_out(&self.stremio, "https://web.stremio.com/#/detail/movie/tt1254207").await,
            5 => try_out(&self.stremio, "https://web.stremio.com/#/detail/series/tt0903747").await,
            _ => {
                let stranger = Stremio::new(&self.fetch, &format!("{url}/manifest.json")).expect("an address");
                try_out(&stranger, "https://web.stremio.com/#/detail/movie/tt1254207").await
            }
        }
    }
}

/// The first byte says which site, the rest is what it answers whatever it is asked.
pub(super) fn body(input: &[u8]) -> Verdict {
    static KIT: LazyLock<Kit> = LazyLock::new(Kit::new);
    let Some((&which, page)) = input.split_first() else { return Verdict::Refused };
    KIT.site.show(page);
    runtime::shared(KIT.try_out(which)).into()
}

/// Limits that nothing here waits for, for requests to the addresses that `admits` lets through.
pub(super) fn fetch(admits: fn(IpAddr) -> bool) -> Fetch {
    let clock = ManualClock::new(Timestamp::from_millis(1_784_000_000_000));
    Fetch::new(FetchOptions::new().gap(Duration::ZERO).at_once(64).clock(clock).admit(admits)).expect("limits")
}

/// Asks for the links of `page`, and searches; whether something was found.
pub(super) async fn try_out(provider: &impl Provider, page: &str) -> bool {
    let request = LinkRequest::new(page).expect("an address");
    let links = provider.links(&request).await.unwrap_or_default();
    for link in &links.links {
        assert!(link.is_fetchable(), "{:?} is handed out", link.url);
    }
    let found = provider.search(&SearchQuery::new("moon")).await.unwrap_or_default();
    let of_links = links.entries.iter().map(|entry| &entry.url).chain(&links.image_url).chain(&links.page_url);
    let of_results = found.results.iter().flat_map(|result| [&result.url].into_iter().chain(&result.image_url));
    for url in of_links.chain(of_results) {
        let is_web = ["http://", "https://"].iter().any(|start| url.to_ascii_lowercase().starts_with(start));
        assert!(is_web && !url.chars().any(|c| c.is_control() || c.is_whitespace()), "somebody is sent to {url:?}");
    }
    !links.is_empty() || !links.entries.is_empty() || !found.results.is_empty()
}
