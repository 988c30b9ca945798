//! `Report`: where each artifact of one video came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pipeline::{BodyInfo, Fingerprint, Found, Frames, Keyframes, Probe, RunReport};

/// Where each artifact of one video came from.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) source: PathBuf,
    /// Its length in bytes.
    pub(super) len: u64,
    pub(super) fingerprint: Fingerprint,
    pub(super) probe: Arc<Probe>,
    pub(super) keyframes: Arc<Keyframes>,
    /// The picture of each keyframe.
    pub(super) pictures: Vec<BodyInfo>,
    /// Fingerprint, probe, keyframes, frames.
    pub(super) stages: Vec<Row>,
    /// Segments that no tier keeps.
    pub(super) not_kept: u64,
    pub(super) refusal: Option<String>,
}

/// How one stage was answered.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) stage: &'static str,
    pub(super) took: Duration,
    pub(super) saved: Duration,
    /// Entries that the stage consists of.
    pub(super) entries: u64,
    /// Bytes of their values; 0 for stages whose value is a description.
    pub(super) bytes: u64,
    /// How many entries each origin gave.
    pub(super) origins: BTreeMap<Arc<str>, u64>,
}

impl Report {
    pub(super) fn new(source: &Path, run: &RunReport, frames: &Frames) -> Self {
        let keyframes = frames.artifact().value().clone();
        let pictures = keyframes.frames.iter().filter_map(|frame| frames.artifact().info(frame.picture)).collect();
        let (stage, read) = (run.stages.first(), frames.read());
        let mut stages = vec![Row::of_one("fingerprint", &run.fingerprinted), Row::of_one("probe", &run.probed)];
        stages[0].bytes = run.len;
        stages.extend(stage.map(|stage| Row {
            stage: "keyframes",
            took: stage.took,
            saved: stage.saved,
            entries: stage.origins.values().sum(),
            bytes: 0,
            origins: stage.origins.clone(),
        }));
        stages.push(Row {
            stage: "frames",
            took: read.took,
            entries: read.origins.values().sum(),
            bytes: read.bytes,
            origins: read.origins.clone(),
            ..Row::default()
        });
        Self {
            source: source.to_owned(),
            len: run.len,
            fingerprint: run.fingerprint,
            probe: run.probe.clone(),
            keyframes,
            pictures,
            stages,
            not_kept: stage.map_or(0, |stage| stage.not_kept),
            refusal: stage.and_then(|stage| stage.refusal.clone()),
        }
    }
}

impl Row {
    fn of_one(stage: &'static str, found: &Found) -> Self {
        let origins = BTreeMap::from([(found.origin.clone(), 1)]);
        Self { stage, took: found.took, saved: found.saved, entries: 1, bytes: 0, origins }
    }

    /// The tier that answered, or `"loaded"`; several are joined by `+`.
    pub(super) fn origin(&self) -> String {
        self.origins.keys().map(|name| &**name).collect::<Vec<_>>().join("+")
    }
}
