//! A report as JSON for scripts.

use serde_json::{Value, json};

use super::report::{Report, Row};

/// One line's worth.
pub(super) fn line(report: &Report) -> Value {
    let keyframes = report.stages.iter().find(|row| row.stage == "keyframes");
    json!({
        "source": report.source.to_string_lossy(),
        "state": report.state.name(),
        "fingerprint": report.fingerprint.to_string(),
        "bytes": report.len,
        "probe": &*report.probe,
        "keyframes": keyframes.map(|row| row.count),
        "not_kept": report.not_kept,
        "saved_seconds": report.saved().as_secs_f64(),
        "stages": report.stages.iter().map(stage).collect::<Vec<_>>(),
    })
}

fn stage(row: &Row) -> Value {
    json!({
        "stage": row.stage,
        "origin": row.origin(),
        "origins": row.origins,
        "count": row.count,
        "bytes": row.bytes,
        "computed": row.computed,
        "identity": row.identity,
        "took_seconds": row.took.as_secs_f64(),
        "saved_seconds": row.saved.as_secs_f64(),
        "error": row.error.as_ref().map(crate::told),
    })
}
