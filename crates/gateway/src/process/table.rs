//! A report as a table for people.

use std::io::{self, Write};

use super::report::Report;
use crate::text::one_line;
use crate::units::{ByteCount, Span};

/// Writes the video's line and one row for each stage.
pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    write!(out, "{}", one_line(&report.source.to_string_lossy()))?;
    if let Some(video) = &report.probe.video {
        write!(out, "  {}x{} {}", video.width, video.height, video.codec)?;
    }
    if let Some(duration) = report.probe.duration {
        write!(out, ", {:.1} s", duration.as_secs_f64())?;
    }
    for row in report.stages.iter().filter(|row| row.identity.is_some() && row.error.is_none()) {
        write!(out, ", {}: {}", row.stage, row.count)?;
    }
    writeln!(out, "  {}", report.state.name())?;
    writeln!(out, "{:12} {:12} {:>8} {:>11} {:>9} {:>9}", "stage", "origin", "count", "bytes", "took", "saved")?;
    for row in &report.stages {
        let bytes = if row.bytes == 0 { "-".to_owned() } else { ByteCount(row.bytes).to_string() };
        let saved = if row.saved.is_zero() { "-".to_owned() } else { Span(row.saved).to_string() };
        let (stage, origin, count, took) = (row.stage, row.origin(), row.count, Span(row.took));
        writeln!(out, "{stage:12} {origin:12} {count:>8} {bytes:>11} {took:>9} {saved:>9}")?;
    }
    writeln!(out)
}
