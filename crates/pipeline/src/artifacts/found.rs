//! `Artifacts`: what was found of several stages, by kind.

use std::fmt;
use std::sync::Arc;

use cache_core::Result;

use super::ArtifactCache;
use crate::compute::{Snapshot, look};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::video::Video;
use crate::{Artifact, Kind, Plan, Selection, Source};

/// What was found of several stages, by kind.
#[derive(Clone)]
pub struct Artifacts {
    shared: Arc<Shared>,
    selection: Selection,
    found: Vec<(Arc<Resolved>, Arc<Snapshot>)>,
}

impl Artifacts {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        selection: Selection,
        found: Vec<(Arc<Resolved>, Arc<Snapshot>)>,
    ) -> Self {
        Self { shared, selection, found }
    }

    /// The artifact of kind `K`, that of the plan's first stage of the kind; `None` when nothing of it is there. See
    /// [`Artifact::coverage`] for whether it is everything. Costs decoding it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](cache_core::ErrorKind::Corrupt) when what is stored is of another type.
    pub fn get<K: Kind>(&self) -> Result<Option<Artifact<K>>> {
        let of_kind = |found: &&(Arc<Resolved>, Arc<Snapshot>)| found.0.kind.name == K::NAME;
        let Some((resolved, snapshot)) = self.found.iter().find(of_kind) else { return Ok(None) };
        if snapshot.coverage(&self.selection).is_nothing() {
            return Ok(None);
        }
        Artifact::assemble(self.shared.clone(), resolved.clone(), snapshot, &self.selection).map(Some)
    }

    /// Whether all of every stage is there.
    pub fn is_complete(&self) -> bool {
        self.found.iter().all(|(_, snapshot)| snapshot.lacking(&self.selection).is_empty())
    }
}

impl ArtifactCache {
    /// Everything that is cached of what `plan` names. Computes nothing, and reads no bodies.
    ///
    /// # Errors
    /// Those of fingerprinting; `Invalid` for a recipe without an identity.
    pub async fn artifacts(&self, source: &Source, plan: &Plan) -> Result<Artifacts> {
        let video = Video::look(&self.0, source).await?;
        let mut found = Vec::with_capacity(plan.stages.len());
        for stage in &plan.stages {
            let resolved = Resolved::resolve(&self.0, &video, stage.clone()).await?;
            let snapshot = match &video.probe {
                Some(_) => look(&self.0, &resolved, &plan.selection).await?,
                None => Snapshot::nothing(),
            };
            found.push((resolved, Arc::new(snapshot)));
        }
        Ok(Artifacts::new(self.0.clone(), plan.selection, found))
    }
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.found.iter().map(|(resolved, _)| resolved.kind.name)).finish()
    }
}
