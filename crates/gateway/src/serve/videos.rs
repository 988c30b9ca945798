//! `/providers`, `/get-videos` and `/api/links/report`: the links of a page, cached.

#![expect(unused_qualifications, reason = "utoipa writes parameters out in full")]

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cache_core::Timestamp;
use providers::{Binding, Extent, Link, LinkKind, LinkRequest, Links, PlaylistEntry, Quality};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::answers;
use super::problem::Problem;
use super::routes::Server;
use crate::media::{CacheStatus, Found, is_stream};

/// What RFC 9211 calls it.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Room for the headers of an answer, those of all answers among them.
const HEADERS: usize = 12;
/// Bytes that an answer mostly has, besides those for each link,
const USUAL_HEAD: usize = 512;
/// for each of its links,
const USUAL_LINK: usize = 768;
/// and how many links there is room for at first.
const MOST_USUAL: usize = 64;
/// What the answer would have taken longer.
const SECONDS_SAVED: HeaderName = HeaderName::from_static("reelcache-seconds-saved");

/// What `/get-videos` is asked.
#[derive(Debug, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The page.
    #[serde(alias = "url")]
    media_url: String,
    /// The default one unless it is named.
    #[serde(alias = "provider")]
    provider_name: Option<String>,
    /// For which account of the provider.
    account: Option<String>,
}

/// What is reported about a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// The page.
    #[serde(alias = "media_url")]
    url: String,
    #[serde(alias = "provider_name")]
    provider: Option<String>,
    account: Option<String>,
    /// The link that does not work; the first one unless it is named.
    bad_url: Option<String>,
    /// With which status of HTTP it was answered; it counts as bad without one.
    status: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Videos<'a> {
    provider: &'a str,
    results: Vec<Video<'a>>,
    /// What is in a playlist: pages, whose links are asked for one by one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    entries: &'a [PlaylistEntry],
    /// Whether some of it could not be had.
    partial: bool,
    cache: Cached<'a>,
}

/// One link, by the names of the interface that the first users have.
#[derive(Debug, Serialize)]
struct Video<'a> {
    title: Option<&'a str>,
    url: &'a str,
    html_url: Option<&'a str>,
    image_url: Option<&'a str>,
    /// Seconds.
    duration: Option<f64>,
    resolution: Option<String>,
    size_in_bytes: Option<u64>,
    #[serde(rename = "type")]
    kind: LinkKind,
    content_type: Option<&'a str>,
    language: Option<&'a str>,
    quality: &'a Quality,
    /// When it ends, in milliseconds since 1970.
    expires_at: Option<u64>,
    bound_to: &'a Binding,
    /// The names of the headers that have to be sent along.
    needs_headers: Vec<&'a str>,
    /// Where this server plays it.
    play_url: Option<String>,
}

#[derive(Debug, Serialize)]
struct Cached<'a> {
    hit: bool,
    origin: &'a str,
    age_seconds: f64,
    ttl_seconds: i64,
    seconds_saved: f64,
}

/// `GET /providers`.
#[utoipa::path(
    get,
    path = "/providers",
    tag = "links",
    responses((status = 200, description = "The names of the providers, the default first", body = answers::Names), Problem)
)]
pub(super) async fn providers(State(server): State<Server>) -> Json<serde_json::Value> {
    let names: Vec<&str> = server.media.names().collect();
    Json(serde_json::json!({ "providers": names, "default": names.first() }))
}

/// `GET /get-videos?url=&provider=`.
#[utoipa::path(
    get,
    path = "/get-videos",
    tag = "links",
    params(Asked),
    responses((status = 200, description = "The links of the page", body = answers::PageLinks), Problem)
)]
pub(super) async fn get_videos(
    State(server): State<Server>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    answer(&server, &asked?.0).await
}

/// `POST /get-videos`.
#[utoipa::path(
    post,
    path = "/get-videos",
    tag = "links",
    request_body(content = Asked),
    responses((status = 200, description = "The links of the page", body = answers::PageLinks), Problem)
)]
pub(super) async fn post_videos(
    State(server): State<Server>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, Problem> {
    answer(&server, &asked?.0).await
}

/// `POST /api/links/report`: the links that are to be used instead.
#[utoipa::path(
    post,
    path = "/api/links/report",
    tag = "links",
    request_body(content = Report),
    responses((status = 200, description = "The links that are to be used instead", body = answers::PageLinks), Problem)
)]
pub(super) async fn report(
    State(server): State<Server>,
    report: Result<Json<Report>, JsonRejection>,
) -> Result<Response, Problem> {
    let (media, Report { url, provider, account, bad_url, status }) = (&server.media, report?.0);
    let request = request(&url, account.as_deref())?;
    let found = media.videos(provider.as_deref(), &request).await?;
    let first = found.answer.value.links.first();
    let Some(bad) = bad_url.as_deref().or(first.map(|link| link.url.as_str())) else {
        return Ok(render(&request, &found));
    };
    let provider = media.provider(&found.provider)?;
    let answer = match status {
        None => Some(provider.report_bad(&request, bad).await?),
        Some(status) => provider.report_status(&request, bad, status).await?,
    };
    let found = answer.map_or(found.clone(), |answer| media.found(provider, answer));
    Ok(render(&request, &found))
}

/// What `page` and `account` ask a provider.
pub(super) fn request(page: &str, account: Option<&str>) -> Result<LinkRequest, Problem> {
    let request = LinkRequest::new(page).map_err(|error| Problem::bad_request(error.to_string()))?;
    let Some(account) = account else { return Ok(request) };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if matches!(account.len(), 1..=64) && account.bytes().all(is_name) {
        Ok(request.scope(account))
    } else {
        Err(Problem::bad_request("the name of an account has 1 to 64 letters, digits, dots, dashes and underscores"))
    }
}

/// `Cache-Status`, `Age` and what was saved.
pub(super) fn cache_headers(found: &Found) -> HeaderMap {
    let answer = &found.answer;
    let mut headers = HeaderMap::with_capacity(HEADERS);
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    put(CACHE_STATUS, status(found).to_string());
    if answer.was_cached() {
        put(header::AGE, answer.age.as_secs().to_string());
    }
    put(SECONDS_SAVED, format!("{:.3}", answer.saved.as_secs_f64()));
    headers
}

async fn answer(server: &Server, asked: &Asked) -> Result<Response, Problem> {
    let request = request(&asked.media_url, asked.account.as_deref())?;
    let found = server.media.videos(asked.provider_name.as_deref(), &request).await?;
    server.recent.asked_for_links(&found.provider, &shown(&request));
    // What is looked up ahead of time is looked up for nobody in particular, and its address is stored and shown.
    if request.account().is_empty() && !request.canonical().is_hash() {
        server.popular.asked_for(&found.provider, request.url());
    }
    Ok(render(&request, &found))
}

/// The page of `request` as whoever reads figures may see it, filed as its links are.
fn shown(request: &LinkRequest) -> String {
    let page = request.canonical();
    format!("{}/{}", page.source_type(), page.id())
}

fn render(request: &LinkRequest, found: &Found) -> Response {
    let links: &Arc<Links> = &found.answer.value;
    let (mut streams, play_url) = (0.., play_url(request, &found.provider));
    let results = links.links.iter().map(|link| {
        let index = is_stream(link).then(|| streams.next()).flatten();
        let play = play_url.as_ref().zip(index).map(|(url, index)| format!("{url}&index={index}"));
        Video::of(link, links, play)
    });
    let videos = Videos {
        provider: &found.provider,
        results: results.collect(),
        entries: &links.entries,
        partial: links.extent == Extent::Partial,
        cache: Cached {
            hit: found.answer.was_cached(),
            origin: found.answer.origin.name(),
            age_seconds: found.answer.age.as_secs_f64(),
            ttl_seconds: found.ttl,
            seconds_saved: found.answer.saved.as_secs_f64(),
        },
    };
    // Most answers fit, and do not have to be moved as they grow.
    let mut body = Vec::with_capacity(USUAL_HEAD + USUAL_LINK * links.links.len().min(MOST_USUAL));
    if let Err(error) = serde_json::to_writer(&mut body, &videos) {
        let told = format!("the links of {} cannot be written: {error}", request.url());
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, told).into_response();
    }
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    *headers = cache_headers(found);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn status(found: &Found) -> CacheStatus<'_> {
    let Found { answer, ttl, is_stored, .. } = found;
    CacheStatus { origin: &answer.origin, freshness: answer.freshness, ttl: *ttl, is_stored: *is_stored }
}

/// Where streams of the page are played, up to their number; those of an account are played for nobody else.
fn play_url(request: &LinkRequest, provider: &str) -> Option<String> {
    const START: &str = "/play?";
    let query = || {
        let mut query = url::form_urlencoded::Serializer::for_suffix(START.to_owned(), START.len());
        query.append_pair("provider", provider).append_pair("page", request.url()).finish()
    };
    request.account().is_empty().then(query)
}

impl<'a> Video<'a> {
    fn of(link: &'a Link, links: &'a Links, play_url: Option<String>) -> Self {
        let Quality { label, width, height, .. } = &link.quality;
        let sides = width.zip(*height).map(|(width, height)| format!("{width}x{height}"));
        let ends = link.validity.ends();
        Self {
            title: links.title.as_deref(),
            url: &link.url,
            html_url: links.page_url.as_deref(),
            image_url: links.image_url.as_deref(),
            duration: links.duration.map(|span| span.as_secs_f64()),
            resolution: sides.or_else(|| Some(label.clone()).filter(|label| !label.is_empty())),
            size_in_bytes: link.bytes,
            kind: link.kind,
            content_type: link.content_type.as_deref(),
            language: link.language.as_deref(),
            quality: &link.quality,
            expires_at: (ends != Timestamp::NEVER).then(|| ends.as_millis()),
            bound_to: &link.bound_to,
            needs_headers: link.headers.keys().map(String::as_str).collect(),
            play_url,
        }
    }
}
