//! `Plan` and its run: several stages for one source, each after those that it needs.

mod progress;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cache_core::{Error, Result};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared as SharedFuture, join_all};

pub(crate) use progress::Meter;
use progress::Teller;
pub use progress::{RunProgress, RunWatch, StageProgress};
pub use report::{Found, RunReport, StageReport};

use crate::blame::unmet;
use crate::compute::{self, Snapshot, look};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::video::Video;
use crate::{AnyStage, Artifacts, Digest, Selection, Source};

/// Which stages are wanted, and what of their artifacts.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Plan {
    pub(crate) stages: Vec<Arc<dyn AnyStage>>,
    pub(crate) selection: Selection,
    teller: Teller,
}

/// What became of a stage.
type Outcome = std::result::Result<Arc<Snapshot>, Error>;
type Running<'a> = SharedFuture<BoxFuture<'a, (Outcome, std::time::Duration)>>;

impl Plan {
    /// No stages.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `stage`; its inputs are computed too where they are needed, in whatever order stages are added.
    pub fn stage(mut self, stage: Arc<dyn AnyStage>) -> Self {
        self.stages.push(stage);
        self
    }

    /// What of the artifacts is wanted; all of it unless set.
    pub const fn select(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Follows the runs of this plan.
    pub fn watch(&self) -> RunWatch {
        self.teller.watch()
    }
}

pub(crate) async fn run(shared: &Arc<Shared>, source: &Source, plan: &Plan) -> Result<RunReport> {
    let began = Instant::now();
    let video = Video::open(shared, source).await?;
    let mut wanted: Vec<Arc<Resolved>> = Vec::with_capacity(plan.stages.len());
    for stage in &plan.stages {
        let resolved = Resolved::resolve(shared, &video, stage.clone()).await?;
        if wanted.iter().all(|other| other.identity != resolved.identity) {
            wanted.push(resolved);
        }
    }
    let running = start(shared, &video, &wanted, &plan.selection);
    let all = join_all(wanted.iter().map(|resolved| running[&resolved.identity.digest()].clone()));
    let outcomes = plan.teller.tell_until(all, &wanted).await;
    let (mut stages, mut found) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (resolved, (outcome, took)) in wanted.iter().zip(outcomes) {
        let mut report = StageReport::new(resolved, outcome.as_deref(), took, &plan.selection);
        // What was finished before a failure is kept.
        if outcome.is_err()
            && let Ok(kept) = look(shared, resolved, &plan.selection).await
        {
            report.coverage = kept.coverage(&plan.selection);
        }
        stages.push(report);
        found.extend(outcome.ok().map(|snapshot| (resolved.clone(), snapshot)));
    }
    let artifacts = Artifacts::new(shared.clone(), plan.selection, found);
    Ok(RunReport::new(&video, artifacts, stages, began.elapsed()))
}

/// A future for each of `wanted`, none of which has begun.
fn start<'a>(
    shared: &'a Arc<Shared>,
    video: &'a Arc<Video>,
    wanted: &'a [Arc<Resolved>],
    selection: &'a Selection,
) -> HashMap<Digest, Running<'a>> {
    let mut running: HashMap<Digest, Running<'a>> = HashMap::new();
    // Inputs of an input are wanted before it: as many rounds as recipes are deep.
    while running.len() < wanted.len() {
        for resolved in wanted {
            let digest = resolved.identity.digest();
            let needs = wanted.iter().filter(|other| other.identity != resolved.identity && resolved.needs(other));
            let needs: Option<Vec<_>> = needs.map(|input| running.get(&input.identity.digest()).cloned()).collect();
            if let (Some(needs), false) = (needs, running.contains_key(&digest)) {
                running.insert(digest, one(shared, video, resolved, selection, needs).boxed().shared());
            }
        }
    }
    running
}

/// One stage, once what it needs of the plan has ended.
async fn one(
    shared: &Arc<Shared>,
    video: &Arc<Video>,
    resolved: &Arc<Resolved>,
    selection: &Selection,
    needs: Vec<Running<'_>>,
) -> (Outcome, std::time::Duration) {
    let began = Instant::now();
    match look(shared, resolved, selection).await {
        Ok(found) if found.lacking(selection).is_empty() => return (Ok(Arc::new(found)), began.elapsed()),
        Err(error) => return (Err(error), began.elapsed()),
        Ok(_) => {}
    }
    for need in needs {
        if let (Err(error), _) = need.await {
            let failed = unmet(&video.source, resolved.kind.name, &error);
            return (Err(failed), std::time::Duration::ZERO);
        }
    }
    let began = Instant::now();
    let outcome = compute::ensure(shared, video, resolved, selection).await;
    (outcome.map(Arc::new), began.elapsed())
}
