//! What runs and how it does, with the fields that the programs of the user's documents read.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use cache_core::{KeyPattern, KeyPrefix};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::ops;
use crate::serve::routes::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acting {
    #[serde(default, rename = "forceCleanup")]
    force_cleanup: bool,
}

/// `GET /api/cache-config`: the figures of the deepest tier of this process and the settings in force, without secrets.
pub(super) async fn show(State(server): State<Server>) -> Answer<Json<Value>> {
    let mut told = summary(&server).await?;
    told["places"] = json!(server.stack.places);
    told["process"] = json!(std::process::id());
    told["config"] = server.effective.json();
    Ok(Json(told))
}

/// `GET /api/cache-stats`: the same figures, and those of each tier.
pub(super) async fn stats(State(server): State<Server>) -> Answer<Json<Value>> {
    Ok(Json(figures(&server).await?))
}

/// The figures that `GET /api/cache-stats` answers with.
pub(super) async fn figures(server: &Server) -> Answer<Value> {
    let mut told = summary(server).await?;
    let snapshot = serde_json::to_value(server.snapshot().await);
    if let (Some(told), Ok(Value::Object(snapshot))) = (told.as_object_mut(), snapshot) {
        told.extend(snapshot);
    }
    Ok(told)
}

/// `POST /api/cache-config {"forceCleanup": true}`: removes everything.
pub(super) async fn act(
    State(server): State<Server>,
    asked: Result<Json<Acting>, JsonRejection>,
) -> Answer<Json<Value>> {
    let Json(Acting { force_cleanup }) = asked?;
    if !force_cleanup {
        return Ok(Json(json!({ "message": "No action specified", "stats": summary(&server).await? })));
    }
    let before = held(&server).await?;
    let cleared = ops::clear(&server.stack, &KeyPattern::parse("*")?, false).await?;
    let after = held(&server).await?;
    // What is in two tiers is one entry, and the mark of the clear, which stays, is none.
    let count = cleared.tiers.iter().map(|tier| tier.entries).max().unwrap_or_default();
    let left = ops::page(&server.stack, &KeyPrefix::all(), None, ops::LARGEST_PAGE).await?.entries.len();
    Ok(Json(json!({
        "message": "Cache cleaned",
        "cleanedCount": count,
        "freedSpaceMB": megabytes(before.bytes.saturating_sub(after.bytes)),
        "finalSize": left,
        "finalDiskUsage": megabytes(after.bytes),
    })))
}

/// What the deepest tier holds: everything that is kept at all.
async fn held(server: &Server) -> Answer<cache_core::Usage> {
    match server.stack.parts.last() {
        Some(deepest) => Ok(deepest.backend.usage().await?),
        None => Ok(cache_core::Usage::default()),
    }
}

async fn summary(server: &Server) -> Answer<Value> {
    let usage = held(server).await?;
    let cache = &server.effective.config.cache;
    let capacity = usage.capacity;
    let percent = capacity.filter(|&most| most > 0).map_or(0.0, |most| usage.bytes as f64 / most as f64 * 100.0);
    let backends: Vec<&str> = server.stack.parts.iter().map(|part| part.kind.name()).collect();
    let info =
        |what: fn(&cache_core::BackendInfo) -> bool| server.stack.parts.iter().any(|part| what(&part.backend.info()));
    let (shared, durable) = (info(|info| info.shared), info(|info| info.durable));
    Ok(json!({
        "backend": backends.join(","),
        "size": usage.entries,
        "maxSize": cache.max_entries.on(),
        "diskUsage": megabytes(usage.bytes),
        "maxDiskUsage": capacity.map(megabytes),
        "diskUsagePercent": format!("{percent:.2}"),
        "cleanupInterval": cache.cleanup_interval.on().map(|interval| interval.as_secs()),
        "scalingInfo": {
            "backend": backends.join(","),
            "isScalable": shared,
            "supportsPersistence": durable,
            "recommendedForProduction": durable,
        },
    }))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
