//! `/search`: what providers find, asked anew each time.

#![expect(unused_qualifications, reason = "utoipa writes parameters out in full")]

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use cache_core::{Error, ErrorKind};
use futures_util::future::join_all;
use providers::{AnyProvider, LinkKind, Provider, SearchPage, SearchQuery, SearchResult};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::answers;
use super::problem::Problem;
use super::routes::Server;
use crate::media::Media;

/// How long one provider is waited for.
const LIMIT: Duration = Duration::from_secs(20);
/// The most results of one provider.
const MAX_RESULTS: u32 = 50;
/// The longest text that is searched for, in bytes.
const MAX_TEXT: usize = 500;

/// What is searched for, and where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    query: String,
    /// Names with commas between them; all providers unless some are named.
    #[serde(alias = "provider_name")]
    provider: Option<String>,
    /// The most results of each.
    limit: Option<u32>,
    /// What one provider named as the next page.
    page: Option<String>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
struct Found {
    results: Vec<Hit>,
    /// What became of each provider.
    providers: Vec<Outcome>,
    /// Whether a provider has not answered.
    partial: bool,
}

/// One result.
#[derive(Debug, Serialize, ToSchema)]
struct Hit {
    title: String,
    url: String,
    image_url: Option<String>,
    provider: String,
    #[serde(rename = "type")]
    #[schema(value_type = Option<answers::Kind>)]
    kind: Option<LinkKind>,
    /// Seconds.
    duration: Option<f64>,
    creator: Option<String>,
}

/// What became of one provider.
#[derive(Debug, Serialize, ToSchema)]
struct Outcome {
    provider: String,
    results: usize,
    /// How much there is on all pages.
    total: Option<u64>,
    /// What `page` takes for the next page.
    next: Option<String>,
    error: Option<Problem>,
}

/// `GET /search?query=&provider=`.
#[utoipa::path(
    get,
    path = "/search",
    tag = "links",
    params(Asked),
    responses((status = 200, description = "What the providers found", body = Found), Problem)
)]
pub(super) async fn search(
    State(server): State<Server>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<impl Serialize>, Problem> {
    let asked = asked?.0;
    let text = asked.query.trim();
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(Problem::bad_request(format!("a query has 1 to {MAX_TEXT} bytes")));
    }
    let providers = named(&server.media, asked.provider.as_deref())?;
    let limit = asked.limit.unwrap_or(MAX_RESULTS).clamp(1, MAX_RESULTS);
    let mut query = SearchQuery::new(text).limit(limit);
    if let Some(page) = asked.page {
        if providers.len() != 1 {
            return Err(Problem::bad_request("a further page is one of a single provider: name it"));
        }
        query = query.page(page);
    }
    let pages = join_all(providers.iter().map(|provider| one(provider, &query))).await;
    let found = Found::of(providers.into_iter().zip(pages), limit as usize);
    // When nobody has answered, there is no result that lacks something.
    match found.providers.iter().find_map(|outcome| outcome.error.clone()) {
        Some(problem) if found.providers.iter().all(|outcome| outcome.error.is_some()) => Err(problem),
        _ => Ok(Json(found)),
    }
}

fn named<'a>(media: &'a Media, names: Option<&str>) -> Result<Vec<&'a AnyProvider>, Problem> {
    let Some(names) = names else {
        let all = media.providers();
        // Said as it is said of a name.
        return if all.is_empty() { Ok(vec![media.provider("default")?]) } else { Ok(all.iter().collect()) };
    };
    let mut wanted: Vec<&AnyProvider> = Vec::new();
    for name in names.split(',') {
        let provider = media.provider(name.trim())?;
        if !wanted.iter().any(|other| other.name() == provider.name()) {
            wanted.push(provider);
        }
    }
    Ok(wanted)
}

async fn one(provider: &AnyProvider, query: &SearchQuery) -> Result<SearchPage, Problem> {
    let late = || {
        let message = format!("the provider has not answered within {} s", LIMIT.as_secs());
        Error::new(ErrorKind::Timeout, message).with_backend(provider.name())
    };
    let found = tokio::time::timeout(LIMIT, provider.search(query)).await;
    found.unwrap_or_else(|_| Err(late())).map_err(Problem::from)
}

impl Found {
    fn of<'a>(pages: impl Iterator<Item = (&'a AnyProvider, Result<SearchPage, Problem>)>, limit: usize) -> Self {
        let mut found = Self { results: Vec::new(), providers: Vec::new(), partial: false };
        for (provider, page) in pages {
            let (name, error) = (provider.name(), page.as_ref().err().cloned());
            found.partial |= error.is_some();
            let mut page = page.unwrap_or_default();
            page.results.truncate(limit);
            let (results, total, next) = (page.results.len(), page.total, page.next.take());
            found.results.extend(page.results.into_iter().map(|result| Hit::of(name, result)));
            found.providers.push(Outcome { provider: name.to_owned(), results, total, next, error });
        }
        found
    }
}

impl Hit {
    fn of(provider: &str, result: SearchResult) -> Self {
        let SearchResult { title, url, image_url, kind, duration, creator, .. } = result;
        let duration = duration.map(|span| span.as_secs_f64());
        Self { title, url, image_url, provider: provider.to_owned(), kind, duration, creator }
    }
}
