//! Pages of a site that selectors describe: what is handed out are addresses that may be fetched.

use std::sync::LazyLock;

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

struct Kit {
    site: Site,
    provider: HtmlSite,
}

pub(super) fn body(input: &[u8]) -> Verdict {
    static KIT: LazyLock<Kit> = LazyLock::new(|| {
        let site = Site::new(("", b""));
        let table: HtmlTable = serde_json::from_str(&TABLE.replace("BASE", &site.url)).expect("a table");
        Kit { provider: HtmlSite::new(&fetch(), &table).expect("a site"), site }
    });
    KIT.site.show(input);
    runtime::shared(try_out(&KIT.provider, &format!("{}/film", KIT.site.url))).into()
}
