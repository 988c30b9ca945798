//! What runs and how it does, with the fields that the programs of the user's documents read.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use cache_core::{KeyPattern, KeyPrefix};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Answer;
use crate::config::OrOff;
use crate::ops;
use crate::serve::openapi::answers;
use crate::serve::problem::Problem;
use crate::serve::routes::Server;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Acting {
    /// Whether everything is to be removed.
    #[serde(default, rename = "forceCleanup")]
    force_cleanup: bool,
    /// The longest that anything is kept from here on, until the server ends: a span such as `6h`, seconds, or `off`.
    #[schema(value_type = Option<String>, example = "6h")]
    ttl: Option<Value>,
}

/// `GET /api/cache-config`: the figures of the deepest tier of this process and the settings in force, without secrets.
#[utoipa::path(
    get,
    path = "/api/cache-config",
    tag = "cache",
    responses((status = 200, description = "What runs, and the settings in force, without secrets", body = answers::Running), Problem)
)]
pub(in crate::serve) async fn show(State(server): State<Server>) -> Answer<Json<Value>> {
    let mut told = summary(&server).await;
    told["places"] = json!(server.stack.places);
    told["process"] = json!(std::process::id());
    told["config"] = server.effective.json();
    told["ttl"] = ttl(&server);
    Ok(Json(told))
}

/// `GET /api/cache-stats`: the same figures, and those of each tier.
#[utoipa::path(
    get,
    path = "/api/cache-stats",
    tag = "cache",
    responses((status = 200, description = "Figures of the cache and of each tier", body = answers::Figures), Problem)
)]
pub(in crate::serve) async fn stats(State(server): State<Server>) -> Answer<Json<Value>> {
    Ok(Json(figures(&server).await))
}

/// The figures that `GET /api/cache-stats` answers with.
pub(in crate::serve) async fn figures(server: &Server) -> Value {
    ops::figures(&server.stack, &server.effective.config.cache, server.uptime()).await
}

async fn summary(server: &Server) -> Value {
    ops::summary(&server.stack, &server.effective.config.cache).await
}

/// `POST /api/cache-config {"ttl": "6h"}` and `{"forceCleanup": true}`: how long is kept what is put from here on, until the
/// server ends; and the removal of everything.
#[utoipa::path(
    post,
    path = "/api/cache-config",
    tag = "cache",
    request_body(content = Acting),
    responses((status = 200, description = "What was done", body = answers::Done), Problem)
)]
pub(in crate::serve) async fn act(
    State(server): State<Server>,
    asked: Result<Json<Acting>, JsonRejection>,
) -> Answer<Json<Value>> {
    let Json(Acting { force_cleanup, ttl: span }) = asked?;
    let span = span.as_ref().map(span_of).transpose()?;
    if let Some(span) = span {
        server.stack.longest.set(span);
        server.media.keep_for(span.unwrap_or(Duration::MAX));
    }
    if force_cleanup {
        return clean_up(&server).await;
    }
    let message = match span {
        Some(_) => "Lifetime changed until the server ends; the configuration is not, and what is kept keeps its own",
        None => "No action specified",
    };
    Ok(Json(json!({ "message": message, "ttl": ttl(&server), "stats": summary(&server).await })))
}

/// What `cache.ttl` would be set to; `None` for no limit.
fn span_of(asked: &Value) -> Answer<Option<Duration>> {
    let text = match asked {
        Value::String(text) => text.clone(),
        Value::Number(seconds) => seconds.to_string(),
        _ => return Err(Problem::bad_request("ttl is a span such as \"6h\", a number of seconds, or \"off\"")),
    };
    let span: Result<OrOff<Duration>, String> = crate::config::Value::of_text(&text);
    span.map(OrOff::on).map_err(|why| Problem::bad_request(format!("ttl: {why}")))
}

/// The longest that anything is kept, and whether that is what the configuration says.
fn ttl(server: &Server) -> Value {
    let (now, configured) = (server.stack.longest.get(), server.effective.config.cache.ttl.on());
    json!({ "seconds": now.map(|span| span.as_secs_f64()), "changed": now != configured })
}

async fn clean_up(server: &Server) -> Answer<Json<Value>> {
    let before = ops::held(&server.stack).await;
    let cleared = ops::clear(&server.stack, &KeyPattern::parse("*")?, false).await?;
    let after = ops::held(&server.stack).await;
    // What is in two tiers is one entry, and the mark of the clear, which stays, is none.
    let count = cleared.tiers.iter().map(|tier| tier.entries).max().unwrap_or_default();
    // What a tier that is away does not say is null: all else was removed.
    let left = ops::page(&server.stack, &KeyPrefix::all(), None, ops::LARGEST_PAGE).await.ok();
    let freed = before.zip(after.as_ref()).map(|(before, after)| before.bytes.saturating_sub(after.bytes));
    Ok(Json(json!({
        "message": "Cache cleaned",
        "cleanedCount": count,
        "freedSpaceMB": freed.map(ops::megabytes),
        "finalSize": left.map(|page| page.entries.len()),
        "finalDiskUsage": after.map(|after| ops::megabytes(after.bytes)),
    })))
}
