//! `Report`: where each artifact of one video came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cache_core::Error;
use pipeline::{Fingerprint, Found, FramesRead, Probe, RunReport, StageReport};

use crate::text::quoted;

/// Where each artifact of one video came from.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) source: PathBuf,
    /// Its length in bytes.
    pub(super) len: u64,
    pub(super) fingerprint: Fingerprint,
    pub(super) probe: Arc<Probe>,
    /// Fingerprint, probe, then the artifacts in the order of their kinds, and the frames if they were read.
    pub(super) stages: Vec<Row>,
    pub(super) state: State,
    /// Segments that no tier keeps.
    pub(super) not_kept: u64,
    refusal: Option<String>,
}

/// What became of the artifacts of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Something was computed.
    Loaded,
    /// All was there.
    Cached,
    /// Some of them failed, or could not be kept.
    Partial,
    /// All of them failed.
    Failed,
}

/// How one stage was answered.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) stage: &'static str,
    pub(super) took: Duration,
    pub(super) saved: Duration,
    /// Things of which the kind says what they are, as many as were asked for.
    pub(super) count: u64,
    /// Bytes of their values; 0 for stages whose value is a description.
    pub(super) bytes: u64,
    /// How many entries each origin gave.
    pub(super) origins: BTreeMap<Arc<str>, u64>,
    /// Segments computed in this run.
    pub(super) computed: u64,
    /// What the artifact is, for artifacts.
    pub(super) identity: Option<String>,
    pub(super) error: Option<Error>,
}

impl Report {
    /// Of `runs`, at least one, whose stages are of the kinds in the order of `names`; no more than `most` things count.
    pub(super) fn new(source: &Path, runs: &[RunReport], most: impl Fn(&str) -> u64) -> Option<Self> {
        let run = runs.first()?;
        let mut stages = vec![Row::of_one("fingerprint", &run.fingerprinted), Row::of_one("probe", &run.probed)];
        stages[0].bytes = run.len;
        let made: Vec<&StageReport> = runs.iter().flat_map(|run| &run.stages).collect();
        stages.extend(made.iter().map(|stage| Row::of_stage(stage, most(stage.kind))));
        let is_whole = |stage: &&StageReport| stage.error.is_none() && stage.not_kept == 0;
        let state = if made.iter().all(|stage| stage.error.is_some()) {
            State::Failed
        } else if !made.iter().all(is_whole) {
            State::Partial
        } else if made.iter().any(|stage| stage.computed > 0) {
            State::Loaded
        } else {
            State::Cached
        };
        Some(Self {
            source: source.to_owned(),
            len: run.len,
            fingerprint: run.fingerprint,
            probe: run.probe.clone(),
            stages,
            state,
            not_kept: made.iter().map(|stage| stage.not_kept).sum(),
            refusal: made.iter().find_map(|stage| stage.refusal.clone()),
        })
    }

    /// Adds what was read of the frames.
    pub(super) fn add_frames(&mut self, read: &FramesRead) {
        self.stages.push(Row {
            stage: "frames",
            took: read.took,
            count: read.origins.values().sum(),
            bytes: read.bytes,
            origins: read.origins.clone(),
            ..Row::default()
        });
    }

    /// The failures of its stages.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Error> {
        self.stages.iter().filter_map(|row| row.error.as_ref())
    }

    /// Time that the cache has saved, of artifacts alone.
    pub(super) fn saved(&self) -> Duration {
        self.stages.iter().filter(|row| row.identity.is_some()).map(|row| row.saved).sum()
    }

    /// What could not be kept, if anything.
    pub(super) fn not_kept_told(&self) -> Option<String> {
        let why = self.refusal.as_deref().unwrap_or("the budget is too small");
        (self.not_kept > 0).then(|| {
            format!(
                "{}: {} segments could not be kept, and will be made again next time: {why}",
                quoted(&self.source),
                self.not_kept
            )
        })
    }
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Cached => "cached",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

impl Row {
    fn of_one(stage: &'static str, found: &Found) -> Self {
        let origins = BTreeMap::from([(found.origin.clone(), 1)]);
        Self { stage, took: found.took, saved: found.saved, count: 1, origins, ..Self::default() }
    }

    fn of_stage(stage: &StageReport, most: u64) -> Self {
        Self {
            stage: stage.kind,
            took: stage.took,
            saved: stage.saved,
            count: stage.things.min(most),
            bytes: stage.bytes,
            origins: stage.origins.clone(),
            computed: stage.computed,
            identity: Some(stage.identity.to_string()),
            error: stage.error.clone(),
        }
    }

    /// The tier that answered, or `"loaded"`; several are joined by `+`.
    pub(super) fn origin(&self) -> String {
        match &self.error {
            Some(_) => State::Failed.name().to_owned(),
            None => self.origins.keys().map(|name| &**name).collect::<Vec<_>>().join("+"),
        }
    }
}
