//! What is there of a video and what is not, why, and whether it is right; and that it is to go.

use std::fmt::Write as _;
use std::path::Path;

use cache_core::Result;
use pipeline::{ArtifactCache, Explanation, Missing, Source, Span, Verdict, Verified};
use serde_json::{Value, json};

use super::outcome::Survey;
use crate::exit::Exit;
use crate::kinds::Kinds;
use crate::stages::Stages;
use crate::text::one_line;
use crate::units::ByteCount;

/// What would be computed. Computes nothing.
pub(super) async fn missing(artifacts: &ArtifactCache, stages: &Stages, kinds: &Kinds, video: &Path) -> Result<Survey> {
    let source = Source::from(video);
    let mut missing: Vec<Missing> = Vec::new();
    for plan in stages.plans(kinds)? {
        missing.extend(artifacts.missing(&source, &plan).await?);
    }
    let (name, mut text) = (name_of(video), String::new());
    for lacking in &missing {
        let _ = writeln!(text, "{name}: {} is missing {}", lacking.kind, gaps_told(&lacking.gaps));
    }
    if missing.is_empty() {
        let _ = writeln!(text, "{name}: everything is there");
    }
    let told = missing.iter().map(|lacking| {
        json!({
            "kind": lacking.kind,
            "gaps": lacking.gaps.iter().map(|gap| gap_json(*gap)).collect::<Vec<_>>(),
            "present": lacking.coverage.present.len(),
            "segments": lacking.coverage.segments,
        })
    });
    let details = json!({ "missing": told.collect::<Vec<_>>() });
    let is_complete = missing.is_empty();
    let (state, exit) = if is_complete { ("complete", Exit::Done) } else { ("incomplete", Exit::Absent) };
    Ok(Survey { state, exit, text, details, removed: 0 })
}

/// Under what each artifact is looked for, and why it is or is not found. Computes nothing.
pub(super) async fn explain(artifacts: &ArtifactCache, stages: &Stages, kinds: &Kinds, video: &Path) -> Result<Survey> {
    let (source, mut text, mut told, mut are_hits) = (Source::from(video), String::new(), Vec::new(), true);
    for kind in kinds.iter() {
        let why = artifacts.explain(&source, stages.stage(kind)?, &stages.selection(kind)).await?;
        are_hits &= matches!(why.verdict, Verdict::Hit);
        for line in why.to_string().lines() {
            let _ = writeln!(text, "{}", one_line(line));
        }
        text.push('\n');
        told.push(explained(kind.name(), &why));
    }
    let (state, exit) = if are_hits { ("hit", Exit::Done) } else { ("miss", Exit::Absent) };
    Ok(Survey { state, exit, text, details: json!({ "artifacts": told }), removed: 0 })
}

fn explained(kind: &str, why: &Explanation) -> Value {
    let (verdict, differences) = match &why.verdict {
        Verdict::Hit => ("hit", Vec::new()),
        Verdict::Partial => ("partial", Vec::new()),
        Verdict::Gone => ("gone", Vec::new()),
        Verdict::Differs(differences) => ("differs", differences.iter().map(ToString::to_string).collect()),
        Verdict::NeverStored => ("never stored", Vec::new()),
        _ => ("other", Vec::new()),
    };
    json!({
        "kind": kind,
        "fingerprint": why.fingerprint.to_string(),
        "identity": why.identity.to_string(),
        "key": why.key,
        "verdict": verdict,
        "differences": differences,
        "present": why.coverage.present.len(),
        "segments": why.coverage.segments,
    })
}

/// Reads all that is there and drops what is damaged.
pub(super) async fn verify(artifacts: &ArtifactCache, stages: &Stages, kinds: &Kinds, video: &Path) -> Result<Survey> {
    let (source, name) = (Source::from(video), name_of(video));
    let (mut text, mut told, mut damaged) = (String::new(), Vec::new(), 0);
    for kind in kinds.iter() {
        let found = artifacts.verify(&source, stages.stage(kind)?).await?;
        let Verified { parts, bodies, bytes, gone, damaged: wrong, .. } = found;
        damaged += wrong;
        let _ = writeln!(
            text,
            "{name}: {kind}: {parts} parts and {bodies} bodies of {} are right, {gone} bundles are gone, {wrong} were damaged",
            ByteCount(bytes)
        );
        told.push(json!({
            "kind": kind.name(), "parts": parts, "bodies": bodies, "bytes": bytes, "gone": gone, "damaged": wrong,
        }));
    }
    let (state, exit) = if damaged == 0 { ("right", Exit::Done) } else { ("damaged", Exit::Failed) };
    Ok(Survey { state, exit, text, details: json!({ "verified": told }), removed: 0 })
}

/// Removes everything that was made of the video, whatever it was made with.
pub(super) async fn invalidate(artifacts: &ArtifactCache, video: &Path) -> Result<Survey> {
    let removed = artifacts.invalidate(&Source::from(video)).await?;
    let (name, total) = (name_of(video), removed.total());
    let kinds: Vec<String> = removed.entries.iter().map(|(kind, entries)| format!("{kind}: {entries}")).collect();
    let text = format!("{name}: {total} entries removed ({})\n", kinds.join(", "));
    let state = if total == 0 { "unknown" } else { "removed" };
    let details = json!({ "removed": total, "entries": removed.entries });
    Ok(Survey { state, exit: Exit::Done, text, details, removed: total })
}

fn name_of(video: &Path) -> String {
    one_line(&video.to_string_lossy())
}

/// Stretches of time, for people.
fn gaps_told(gaps: &[Span]) -> String {
    let told = gaps.iter().map(|gap| {
        if *gap == Span::ALL {
            "as a whole".to_owned()
        } else {
            format!("from {:.1} s to {:.1} s", gap.start_us as f64 / 1e6, gap.end_us as f64 / 1e6)
        }
    });
    if gaps.is_empty() { "in parts".to_owned() } else { told.collect::<Vec<_>>().join(", ") }
}

/// Start and end in seconds; nothing for what has none.
fn gap_json(gap: Span) -> Value {
    let seconds = |us: i64| (us != Span::ALL.start_us && us != Span::ALL.end_us).then_some(us as f64 / 1e6);
    json!([seconds(gap.start_us), seconds(gap.end_us)])
}
