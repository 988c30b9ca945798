//! Providers of particular sites, against what these sites answer.

mod archive;
mod cached;
mod commons;
mod faults;
mod html;
mod peertube;
mod podcast;
mod stremio;
mod ytdlp;

use cache_core::{Error, Result};
use providers::{Failure, LinkKind, LinkRequest, Links, Provider, Reason};

use crate::kit::request;
use crate::upstream::{Canned, Upstream};

/// The links of the page `url`.
async fn links(provider: &impl Provider, url: &str) -> Result<Links> {
    provider.links(&request(url)).await
}

/// The links of an identifier.
async fn links_of(provider: &impl Provider, id: &str) -> Result<Links> {
    provider.links(&LinkRequest::of_id(id).unwrap()).await
}

fn reason(error: &Error) -> Reason {
    Failure::of(error).unwrap().reason()
}

/// The addresses of what is of `kind`.
fn urls(links: &Links, kind: LinkKind) -> Vec<&str> {
    links.links.iter().filter(|link| link.kind == kind).map(|link| link.url.as_str()).collect()
}

/// Nonsense in place of an answer is an error that says so, whatever is asked.
async fn check_nonsense(upstream: &Upstream, provider: &impl Provider, page: &str) {
    for (answer, expected) in [
        (Canned::json("[1, \"a\"]"), Reason::Malformed),
        (
            Canned::json(
                "{\"response\": 5, \"query\": 5, \"data\": 5, \"results\": 5, \"files\": 5, \"metas\": 5, \"streams\": 5, \"resources\": 5}",
            ),
            Reason::Malformed,
        ),
        (Canned::json("{\"response\": {\"docs\": [{"), Reason::Malformed),
        (Canned::bytes("text/html", "<html><body>log in</body></html>"), Reason::Malformed),
        (Canned::status(500), Reason::Unavailable),
        (Canned::status(404), Reason::NotFound),
        (Canned::status(403), Reason::Forbidden),
    ] {
        upstream.answers(move |_| answer.clone());
        let error = provider.links(&LinkRequest::new(page).unwrap()).await.unwrap_err();
        assert_eq!(reason(&error), expected, "links: {error}");
        assert_eq!((error.backend(), error.operation()), (Some(provider.name()), Some("links")));
        let error = provider.search(&providers::SearchQuery::new("a")).await.unwrap_err();
        assert_eq!(reason(&error), expected, "search: {error}");
        assert_eq!((error.backend(), error.operation()), (Some(provider.name()), Some("search")));
    }
}
