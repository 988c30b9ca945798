//! A report as one line of JSON for scripts.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::report::Report;

/// Writes one line.
pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &line(report))?;
    writeln!(out)
}

fn line(report: &Report) -> Value {
    let stages = report.stages.iter().map(|row| {
        json!({
            "stage": row.stage,
            "origin": row.origin(),
            "origins": row.origins,
            "entries": row.entries,
            "bytes": row.bytes,
            "took_seconds": row.took.as_secs_f64(),
            "saved_seconds": row.saved.as_secs_f64(),
        })
    });
    json!({
        "source": report.source.to_string_lossy(),
        "fingerprint": report.fingerprint.to_string(),
        "bytes": report.len,
        "probe": &*report.probe,
        "keyframes": report.keyframes.frames.len(),
        "not_kept": report.not_kept,
        "stages": stages.collect::<Vec<_>>(),
    })
}
