//! `RunReport`: what became of each stage of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Error;

use crate::compute::Snapshot;
use crate::origin::{LOADED, name_of};
use crate::resolved::Resolved;
use crate::video::Video;
use crate::{Artifacts, Coverage, Fingerprint, Identity, Probe, Selection, Source};

/// What became of each stage of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunReport {
    /// The source.
    pub source: Source,
    /// Its length in bytes.
    pub len: u64,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// How the fingerprint was found.
    pub fingerprinted: Found,
    /// What the source is.
    pub probe: Arc<Probe>,
    /// How that was found.
    pub probed: Found,
    /// One for each stage of the plan, in its order.
    pub stages: Vec<StageReport>,
    /// What is there afterwards.
    pub artifacts: Artifacts,
    /// Wall time of it all.
    pub took: Duration,
}

/// Where one value came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// The tier that had it, or `"loaded"`.
    pub origin: Arc<str>,
    /// Wall time.
    pub took: Duration,
    /// Wall time that the cache has saved.
    pub saved: Duration,
}

/// What became of one stage.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StageReport {
    /// Name of the kind.
    pub kind: &'static str,
    /// What the artifact is.
    pub identity: Identity,
    /// What of it is there afterwards.
    pub coverage: Coverage,
    /// How many segments each tier gave, or `"loaded"` those that were computed.
    pub origins: BTreeMap<Arc<str>, u64>,
    /// Segments computed in this run.
    pub computed: u64,
    /// Things, of which the kind says what they are, in all segments.
    pub things: u64,
    /// Bodies of all segments, and their bytes.
    pub bodies: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Wall time of the stage.
    pub took: Duration,
    /// Wall time that it took once to compute what was found.
    pub saved: Duration,
    /// Segments that were computed and that no tier keeps, or none that is durable where one is to: the next run computes
    /// them again.
    pub not_kept: u64,
    /// Why, where a tier said so.
    pub refusal: Option<String>,
    /// Why it failed, if it did. What was finished before is kept.
    pub error: Option<Error>,
}

impl RunReport {
    pub(super) fn new(video: &Video, artifacts: Artifacts, stages: Vec<StageReport>, took: Duration) -> Self {
        let (print, probe) = (&video.print, video.probe.as_ref());
        let fingerprinted = Found { origin: print.origin.clone(), took: print.took, saved: print.saved };
        let probed = Found {
            origin: probe.map_or_else(|| LOADED.into(), |hit| name_of(&hit.origin)),
            took: video.probe_took,
            saved: probe.map(|hit| hit.saved).unwrap_or_default(),
        };
        Self {
            source: video.source.clone(),
            len: print.len,
            fingerprint: print.fingerprint,
            fingerprinted,
            probe: probe.map(|hit| hit.value.clone()).unwrap_or_default(),
            probed,
            stages,
            artifacts,
            took,
        }
    }

    /// The first failure.
    pub fn error(&self) -> Option<&Error> {
        self.stages.iter().find_map(|stage| stage.error.as_ref())
    }
}

impl StageReport {
    pub(super) fn new(
        resolved: &Resolved,
        outcome: Result<&Snapshot, &Error>,
        took: Duration,
        selection: &Selection,
    ) -> Self {
        let mut report = Self {
            kind: resolved.kind.name,
            identity: resolved.identity.clone(),
            coverage: Coverage::default(),
            origins: BTreeMap::new(),
            computed: 0,
            things: 0,
            bodies: 0,
            bytes: 0,
            took,
            saved: Duration::ZERO,
            not_kept: 0,
            refusal: None,
            error: outcome.err().cloned(),
        };
        if let Ok(snapshot) = outcome {
            report.count(snapshot, selection);
        }
        report
    }

    fn count(&mut self, snapshot: &Snapshot, selection: &Selection) {
        self.coverage = snapshot.coverage(selection);
        self.refusal.clone_from(&snapshot.tally.refusal);
        let spilled = snapshot.spill.as_ref().map_or(0, |spill| spill.parts().len() as u64);
        self.not_kept = spilled.max(snapshot.tally.refused);
        self.things = snapshot.things();
        for held in snapshot.held.iter().flatten() {
            let computed = snapshot.computed.contains(&held.segment.index);
            let origin = if computed { LOADED.into() } else { held.origin.clone() };
            *self.origins.entry(origin).or_default() += 1;
            self.bodies += held.table.bodies();
            self.bytes += held.table.bytes();
            if computed {
                self.computed += 1;
            } else {
                self.saved += held.cost();
            }
        }
    }

    /// Where it came from, in one word: several origins are joined by `+`.
    pub fn origin(&self) -> String {
        self.origins.keys().map(|name| &**name).collect::<Vec<_>>().join("+")
    }
}
