//! Entries: listed, read, explained and cleared.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use cache_core::{Key, KeyPattern, KeyPrefix};
use serde::Deserialize;

use super::Answer;
use crate::ops::{self, Cleared, Explained, META_HEADER, Page};
use crate::serve::problem::Problem;
use crate::serve::routes::Server;

/// Entries of a page where nothing is said.
const PAGE: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clearing {
    pattern: String,
    #[serde(default)]
    dry_run: bool,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

/// `GET /api/entries?prefix=&after=&limit=`.
pub(super) async fn list(State(server): State<Server>, asked: Asked<Listing>) -> Answer<Json<Page>> {
    let Listing { prefix, after, limit } = asked_for(asked)?;
    let prefix = if prefix.is_empty() { KeyPrefix::all() } else { KeyPrefix::below(&Key::parse(&prefix)?) };
    let after = if after.is_empty() { None } else { Some(Key::parse(&after)?) };
    Ok(Json(ops::page(&server.stack, &prefix, after.as_ref(), limit.unwrap_or(PAGE)).await?))
}

/// `GET /api/entry?key=`: the body, and what is known of it in a header.
pub(super) async fn get(State(server): State<Server>, asked: Asked<Named>) -> Answer<Response> {
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
pub(super) async fn explain(State(server): State<Server>, asked: Asked<Named>) -> Answer<Json<Explained>> {
    let key = Key::parse(&asked_for(asked)?.key)?;
    Ok(Json(ops::explain(&server.stack, &key).await?))
}

/// `DELETE /api/entries?pattern=&dry_run=`.
pub(super) async fn clear(State(server): State<Server>, asked: Asked<Clearing>) -> Answer<Json<Cleared>> {
    let Clearing { pattern, dry_run } = asked_for(asked)?;
    Ok(Json(ops::clear(&server.stack, &KeyPattern::parse(&pattern)?, dry_run).await?))
}

pub(super) fn asked_for<T>(asked: Asked<T>) -> Answer<T> {
    Ok(asked?.0)
}
