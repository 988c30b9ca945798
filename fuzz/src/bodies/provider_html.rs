//! Pages of a site that selectors describe: what is handed out are addresses that may be fetched, and nobody but the site is asked.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use providers::{HtmlSite, HtmlTable};

use super::provider_json::{fetch, try_out};
use crate::server::Site;
use crate::{Verdict, runtime};

/// A table with a field of every sort.
const TABLE: &str = r#"{
    "search": {"url": "BASE/search?q={query}", "row": "article", "title": "h2", "link": "a.more@href", "image": "img@src",
        "duration": "i", "creator": "em", "next": "a[rel=next]@href"},
    "page": {"row": "video source, video[src]", "link": "@src", "resolution": "@title", "title": "h1", "duration": "time",
        "image": "meta[property='og:image']@content", "creator": "article:has(em) em"},
    "follow": {"link": "a.mirror@href", "pages": 1}
}"#;

/// Whether somebody else was to be asked.
static LEFT: AtomicBool = AtomicBool::new(false);

struct Kit {
    site: Site,
    provider: HtmlSite,
}

pub(super) fn body(input: &[u8]) -> Verdict {
    static KIT: LazyLock<Kit> = LazyLock::new(|| {
        let site = Site::new(("", b""));
        let table: HtmlTable = serde_json::from_str(&TABLE.replace("BASE", &site.url)).expect("a table");
        Kit { provider: HtmlSite::new(&fetch(noted), &table).expect("a site"), site }
    });
    KIT.site.show(input);
    let has_found = runtime::shared(try_out(&KIT.provider, &format!("{}/film", KIT.site.url)));
    assert!(!LEFT.swap(false, Ordering::SeqCst), "a page leads to another site");
    has_found.into()
}

fn noted(address: IpAddr) -> bool {
    LEFT.fetch_or(!address.is_loopback(), Ordering::SeqCst);
    address.is_loopback()
}
