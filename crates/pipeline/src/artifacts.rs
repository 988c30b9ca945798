//! `ArtifactCache`: artifacts of videos, computed once and found again by what they are.

mod change;
mod explain;
mod found;
mod options;
mod survey;

use std::sync::Arc;

use cache_core::{ErrorKind, Result};
use cache_tiered::{Progress, Tiered};

pub use change::Invalidated;
pub use explain::{Explanation, Verdict};
pub use found::Artifacts;
pub use options::{ArtifactOptions, Limits, is_bulk};
pub use survey::{Missing, Verified};

use crate::compute::{self, Snapshot, look};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::video::Video;
use crate::{Artifact, Coverage, Fingerprinter, Kind, Plan, RunReport, Selection, Source, Stage, run};

/// Artifacts of videos: computed once, found again by what they are. Cloning shares everything.
///
/// What an artifact is follows from the fingerprint of its source and the [`Recipe`](crate::Recipe) of its stage, with
/// those of its inputs. It is kept in parts, one for each segment of the source's time axis: what is there is never
/// computed again, what a killed process has finished is there, and what was evicted is computed again alone.
#[derive(Debug, Clone)]
pub struct ArtifactCache(pub(crate) Arc<Shared>);

impl ArtifactCache {
    /// A cache of artifacts in `tiers`.
    ///
    /// # Errors
    /// `Invalid` when a limit is 0.
    pub fn new(tiers: Tiered, options: ArtifactOptions) -> Result<Self> {
        Shared::new(tiers, options).map(|shared| Self(Arc::new(shared)))
    }

    /// The fingerprints of sources.
    pub fn fingerprints(&self) -> &Fingerprinter {
        &self.0.fingerprints
    }

    /// What is cached of `selection`: computes nothing, and runs no program that a stage would. `None` when nothing is
    /// there; see [`Artifact::coverage`] for whether it is everything.
    ///
    /// # Errors
    /// Those of fingerprinting; `Invalid` for a recipe without an identity.
    pub async fn get<S: Stage>(
        &self,
        source: &Source,
        stage: &Arc<S>,
        selection: &Selection,
    ) -> Result<Option<Artifact<S::Kind>>> {
        let Some((resolved, snapshot)) = self.look(source, stage, selection).await? else { return Ok(None) };
        if snapshot.coverage(selection).is_nothing() {
            return Ok(None);
        }
        match Artifact::assemble(self.0.clone(), resolved.clone(), &snapshot, selection) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.drop_unreadable::<S::Kind>(&resolved, &snapshot).await?;
                Ok(None)
            }
            found => found.map(Some),
        }
    }

    /// Which segments of `selection` are cached, and which are missing.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn coverage<S: Stage>(&self, source: &Source, stage: &Arc<S>, selection: &Selection) -> Result<Coverage> {
        let found = self.look(source, stage, selection).await?;
        Ok(found.map(|(_, snapshot)| snapshot.coverage(selection)).unwrap_or_default())
    }

    /// All of `selection`: what is missing is computed, with what it needs.
    ///
    /// Callers that want the same share one computation, in all processes that share a tier with leases. Dropping this
    /// future ends the computation at once unless others wait for it. What was finished before is kept in any case.
    ///
    /// # Errors
    /// Those of the source and of stages; an error is never cached.
    pub async fn compute<S: Stage>(
        &self,
        source: &Source,
        stage: &Arc<S>,
        selection: &Selection,
    ) -> Result<Artifact<S::Kind>> {
        let video = Video::open(&self.0, source).await?;
        let resolved = Resolved::resolve(&self.0, &video, stage.clone()).await?;
        let snapshot = compute::ensure(&self.0, &video, &resolved, selection).await?;
        match Artifact::assemble(self.0.clone(), resolved.clone(), &snapshot, selection) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.drop_unreadable::<S::Kind>(&resolved, &snapshot).await?;
                let snapshot = compute::ensure(&self.0, &video, &resolved, selection).await?;
                Artifact::assemble(self.0.clone(), resolved, &snapshot, selection)
            }
            made => made,
        }
    }

    /// Has everything that `plan` names computed as far as it is missing: independent stages at the same time, within
    /// the [limits](ArtifactOptions::limits).
    ///
    /// A stage that fails keeps only those from being computed that need it. Dropping the future ends everything at
    /// once; what was finished is kept.
    ///
    /// # Errors
    /// Those of the source; those of stages are in the report.
    pub async fn run(&self, source: &Source, plan: &Plan) -> Result<RunReport> {
        run::run(&self.0, source, plan).await
    }

    /// What is being computed, in no promised order.
    pub fn jobs(&self) -> Vec<Progress> {
        self.0.jobs.loads()
    }

    /// Stops what runs and waits until what was computed is stored; then every call fails. The tiers stay open.
    ///
    /// # Errors
    /// When the stores take longer than half a minute.
    pub async fn close(&self) -> Result<()> {
        self.0.close().await
    }

    async fn look<S: Stage>(
        &self,
        source: &Source,
        stage: &Arc<S>,
        selection: &Selection,
    ) -> Result<Option<(Arc<Resolved>, Snapshot)>> {
        let video = Video::look(&self.0, source).await?;
        if video.probe.is_none() {
            return Ok(None);
        }
        let resolved = Resolved::resolve(&self.0, &video, stage.clone()).await?;
        let snapshot = look(&self.0, &resolved, selection).await?;
        Ok(Some((resolved, snapshot)))
    }

    /// Removes the parts that are no `K`.
    async fn drop_unreadable<K: Kind>(&self, resolved: &Resolved, snapshot: &Snapshot) -> Result<()> {
        use cache_core::Backend as _;
        for held in snapshot.held.iter().flatten() {
            if crate::part::value::<K>(&held.bytes).is_none() {
                tracing::warn!(kind = K::NAME, segment = held.segment.index, "dropping a part of another type");
                self.0.tiers.remove(&resolved.part_key(held.segment.index)?).await?;
            }
        }
        Ok(())
    }
}
