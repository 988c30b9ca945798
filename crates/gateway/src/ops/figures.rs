//! The figures of the cache, with the fields that the programs of the user's documents read.

use std::time::Duration;

use cache_core::{BackendInfo, Usage};
use serde_json::{Value, json};

use crate::config::Cache;
use crate::serve::Snapshot;
use crate::stack::Stack;

/// What the deepest tier holds: everything that is kept at all. `None` while it does not say, which is no reason for the
/// others not to be told of.
pub(crate) async fn held(stack: &Stack) -> Option<Usage> {
    match stack.parts.last() {
        Some(deepest) => deepest.backend.usage().await.ok(),
        None => Some(Usage::default()),
    }
}

/// The figures of the deepest tier, null while it does not answer, and what runs.
pub(crate) async fn summary(stack: &Stack, cache: &Cache) -> Value {
    let usage = held(stack).await;
    let capacity = usage.as_ref().and_then(|usage| usage.capacity);
    let percent = |usage: &Usage| match capacity {
        Some(most) if most > 0 => usage.bytes as f64 / most as f64 * 100.0,
        _ => 0.0,
    };
    let backends: Vec<&str> = stack.parts.iter().map(|part| part.kind.name()).collect();
    let info = |what: fn(&BackendInfo) -> bool| stack.parts.iter().any(|part| what(&part.backend.info()));
    let (shared, durable) = (info(|info| info.shared), info(|info| info.durable));
    json!({
        "backend": backends.join(","),
        "size": usage.as_ref().map(|usage| usage.entries),
        "maxSize": cache.max_entries.on(),
        "diskUsage": usage.as_ref().map(|usage| megabytes(usage.bytes)),
        "maxDiskUsage": capacity.map(megabytes),
        "diskUsagePercent": usage.as_ref().map(|usage| format!("{:.2}", percent(usage))),
        "cleanupInterval": cache.cleanup_interval.on().map(|interval| interval.as_secs()),
        "scalingInfo": {
            "backend": backends.join(","),
            "isScalable": shared,
            "supportsPersistence": durable,
            "recommendedForProduction": durable,
        },
    })
}

/// The same, and the figures of each tier, of a process that has run for `uptime`.
pub(crate) async fn figures(stack: &Stack, cache: &Cache, uptime: Duration) -> Value {
    let mut told = summary(stack, cache).await;
    let snapshot = serde_json::to_value(Snapshot::take(stack, uptime).await);
    if let (Some(told), Ok(Value::Object(snapshot))) = (told.as_object_mut(), snapshot) {
        told.extend(snapshot);
    }
    told
}

/// Bytes in millions.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
