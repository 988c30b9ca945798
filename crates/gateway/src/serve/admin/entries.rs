//! Entries: listed, read, explained and cleared.

#![expect(unused_qualifications, reason = "utoipa writes parameters out in full")]

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use cache_core::{Key, KeyPattern};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use crate::ops::{self, Cleared, Explained, META_HEADER, Page};
use crate::serve::problem::Problem;
use crate::serve::routes::Server;

/// Entries of a page where nothing is said.
const PAGE: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Listing {
    /// A key or its first parts, such as `video:`; everything unless it is given.
    #[serde(default)]
    prefix: String,
    /// The key after which the page begins.
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Named {
    key: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Clearing {
    pattern: String,
    #[serde(default)]
    dry_run: bool,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

/// `GET /api/entries?prefix=&after=&limit=`.
#[utoipa::path(
    get,
    path = "/api/entries",
    tag = "cache",
    params(Listing),
    responses((status = 200, description = "A page of entries in the order of their keys", body = Page), Problem)
)]
pub(in crate::serve) async fn list(State(server): State<Server>, asked: Asked<Listing>) -> Answer<Json<Page>> {
    let Listing { prefix, after, limit } = asked_for(asked)?;
    let prefix = ops::below(&prefix)?;
    let after = if after.is_empty() { None } else { Some(Key::parse(&after)?) };
    Ok(Json(ops::page(&server.stack, &prefix, after.as_ref(), limit.unwrap_or(PAGE)).await?))
}

/// `GET /api/entry?key=`: the body, and what is known of it in a header.
#[utoipa::path(
    get,
    path = "/api/entry",
    tag = "cache",
    params(Named),
    responses((status = 200, description = "The body; the header `reelcache-meta` says what is known of it", body = [u8], content_type = "application/octet-stream"), Problem)
)]
pub(in crate::serve) async fn get(State(server): State<Server>, asked: Asked<Named>) -> Answer<Response> {
    let key = Key::parse(&asked_for(asked)?.key)?;
    let Some(entry) = ops::entry(&server.stack, &key).await? else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such entry"));
    };
    let listed = ops::Listed::of(&key, &entry.meta, server.stack.tiers.clock().now());
    let told = serde_json::to_vec(&listed).ok().and_then(|told| HeaderValue::from_bytes(&told).ok());
    // Whatever it is, a browser shows nothing of it.
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (HeaderName::from_static(META_HEADER), told.unwrap_or(HeaderValue::from_static("{}"))),
    ];
    Ok((headers, entry.body).into_response())
}

/// `GET /api/explain?key=`.
#[utoipa::path(
    get,
    path = "/api/explain",
    tag = "cache",
    params(Named),
    responses((status = 200, description = "What each tier has of a key, and what a read would serve", body = Explained), Problem)
)]
pub(in crate::serve) async fn explain(State(server): State<Server>, asked: Asked<Named>) -> Answer<Json<Explained>> {
    let key = Key::parse(&asked_for(asked)?.key)?;
    Ok(Json(ops::explain(&server.stack, &key).await?))
}

/// `DELETE /api/entries?pattern=&dry_run=`.
#[utoipa::path(
    delete,
    path = "/api/entries",
    tag = "cache",
    params(Clearing),
    responses((status = 200, description = "What was removed, or would be", body = Cleared), Problem)
)]
pub(in crate::serve) async fn clear(State(server): State<Server>, asked: Asked<Clearing>) -> Answer<Json<Cleared>> {
    let Clearing { pattern, dry_run } = asked_for(asked)?;
    Ok(Json(ops::clear(&server.stack, &KeyPattern::parse(&pattern)?, dry_run).await?))
}

pub(super) fn asked_for<T>(asked: Asked<T>) -> Answer<T> {
    Ok(asked?.0)
}
