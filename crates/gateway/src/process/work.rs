//! `Work`: what is done with each video.

use std::collections::HashMap;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Result};
use futures_util::future::join_all;
use parking_lot::Mutex;
use pipeline::{
    Artifact, ArtifactCache, Descriptions, Embeddings, Fingerprint, Plan, RunReport, Source, Stage, Transcript,
};
use tokio::sync::OnceCell;

use super::bars::Bar;
use super::export::{Exports, Origin};
use super::inputs::Input;
use super::outcome::{Answer, Outcome};
use super::report::Report;
use super::survey;
use crate::kinds::{ArtifactKind, Kinds};
use crate::stages::{Embeds, Stages};

/// What is done with each video.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) artifacts: ArtifactCache,
    pub(super) stages: Stages,
    pub(super) kinds: Kinds,
    pub(super) task: Task,
    pub(super) exports: Option<Exports>,
    /// What was removed to be made anew: a copy, or a video that is named again, finds what was made of the first.
    removed: Mutex<HashMap<Fingerprint, Arc<OnceCell<()>>>>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Artifacts: what is missing is computed.
    Make,
    /// The same, computed anew whatever is there.
    MakeAnew,
    Missing,
    Explain,
    Verify,
    Invalidate,
}

impl Work {
    pub(super) fn new(
        artifacts: ArtifactCache,
        stages: Stages,
        kinds: Kinds,
        task: Task,
        exports: Option<Exports>,
    ) -> Self {
        Self { artifacts, stages, kinds, task, exports, removed: Mutex::default() }
    }

    /// Does it with `input`; `bar` shows how far it is. Dropping it ends every program at once; what was finished is kept.
    pub(super) async fn on(&self, input: &Input, bar: &Bar) -> Outcome {
        let (artifacts, stages, kinds, video) = (&self.artifacts, &self.stages, &self.kinds, &*input.path);
        let answer = match self.task {
            Task::Make | Task::MakeAnew => self.make(input, bar).await.map(|report| Answer::Report(Box::new(report))),
            Task::Missing => survey::missing(artifacts, stages, kinds, video).await.map(Answer::Survey),
            Task::Explain => survey::explain(artifacts, stages, kinds, video).await.map(Answer::Survey),
            Task::Verify => survey::verify(artifacts, stages, kinds, video).await.map(Answer::Survey),
            Task::Invalidate => survey::invalidate(artifacts, video).await.map(Answer::Survey),
        };
        Outcome { video: video.to_owned(), answer }
    }

    async fn make(&self, input: &Input, bar: &Bar) -> Result<Report> {
        let source = Source::from(&input.path);
        if self.task == Task::MakeAnew {
            self.remove(&source).await?;
        }
        let plans = self.stages.plans(&self.kinds)?;
        let watches = plans.iter().map(Plan::watch).collect();
        let runs = join_all(plans.iter().map(|plan| self.artifacts.run(&source, plan)));
        let runs: Vec<RunReport> = bar.follow(watches, runs).await.into_iter().collect::<Result<_>>()?;
        let most = |kind: &str| kind.parse().map_or(u64::MAX, |kind| self.stages.most(kind));
        let unknown = || Error::new(ErrorKind::Internal, "no kind of artifact is asked for");
        let mut report = Report::new(&input.path, &runs, most).ok_or_else(unknown)?;
        if let Some(exports) = &self.exports {
            self.export(exports, input, &source, &runs, &mut report).await?;
        }
        Ok(report)
    }

    /// Removes what is to be made anew of `source`, once for each content.
    async fn remove(&self, source: &Source) -> Result<()> {
        let print = self.artifacts.fingerprints().fingerprint(source).await?;
        let removed = self.removed.lock().entry(print.fingerprint).or_default().clone();
        let removing = async || {
            for kind in self.kinds.iter() {
                self.artifacts.invalidate_stage(source, self.stages.stage(kind)?).await?;
            }
            Ok(())
        };
        removed.get_or_try_init(removing).await.copied()
    }

    async fn export(
        &self,
        exports: &Exports,
        input: &Input,
        source: &Source,
        runs: &[RunReport],
        report: &mut Report,
    ) -> Result<()> {
        // Nothing is left behind of a video of which nothing was made.
        let is_made = |kind: ArtifactKind| {
            self.kinds.has(kind) && report.stages.iter().any(|row| row.stage == kind.name() && row.error.is_none())
        };
        let made: Vec<ArtifactKind> = ArtifactKind::ALL.into_iter().filter(|&kind| is_made(kind)).collect();
        if made.is_empty() {
            return Ok(());
        }
        let export = exports.begin(input).await?;
        let origin = Origin { source: &input.path, fingerprint: report.fingerprint };
        for kind in made {
            match kind {
                ArtifactKind::Keyframes => {
                    let (stage, selection) = (&self.stages.keyframes, self.stages.selection(kind));
                    let artifact = self.found(source, stage, kind, runs).await?;
                    let mut frames = self.artifacts.frames_of(source, stage, &selection, artifact);
                    while let Some(batch) = frames.next().await? {
                        export.frames(batch).await?;
                    }
                    export.keyframes(&origin, frames.artifact()).await?;
                    report.add_frames(frames.read());
                }
                ArtifactKind::Transcript => {
                    let Some(stage) = &self.stages.transcript else { continue };
                    let found: Artifact<Transcript> = self.found(source, stage, kind, runs).await?;
                    export.transcript(&origin, found.value()).await?;
                }
                ArtifactKind::Descriptions => {
                    let Some(stage) = &self.stages.descriptions else { continue };
                    let found: Artifact<Descriptions> = self.found(source, stage, kind, runs).await?;
                    export.descriptions(&origin, found.value()).await?;
                }
                ArtifactKind::Embeddings => {
                    let found: Artifact<Embeddings> = match &self.stages.embeddings {
                        Some(Embeds::Said(stage)) => self.found(source, stage, kind, runs).await?,
                        Some(Embeds::Seen(stage)) => self.found(source, stage, kind, runs).await?,
                        None => continue,
                    };
                    export.embeddings(&origin, &found).await?;
                }
            }
        }
        Ok(())
    }

    /// The artifact of the run, or what is computed again because it has gone since.
    async fn found<S: Stage>(
        &self,
        source: &Source,
        stage: &Arc<S>,
        kind: ArtifactKind,
        runs: &[RunReport],
    ) -> Result<Artifact<S::Kind>> {
        for run in runs {
            if let Some(found) = run.artifacts.get::<S::Kind>()? {
                return Ok(found);
            }
        }
        self.artifacts.compute(source, stage, &self.stages.selection(kind)).await
    }
}
