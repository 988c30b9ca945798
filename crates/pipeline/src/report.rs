//! `Report`: where each artifact of one video came from, how long it took and what was saved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Error;

use crate::{Fingerprint, Keyframes, Probe};

/// Where each artifact of one video came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The video.
    pub source: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// What it is.
    pub probe: Arc<Probe>,
    /// Its keyframes.
    pub keyframes: Arc<Keyframes>,
    /// One row for each stage: fingerprint, probe, keyframes, frames.
    pub stages: Vec<StageReport>,
    /// Frames computed in this run that the tiers have not kept: the next run computes them again. Where some tier is
    /// durable, at least so many frames are in none that is.
    pub not_kept: u64,
    /// Why, where a tier refused them; otherwise they were evicted for want of room.
    pub refusal: Option<Error>,
}

/// How one stage was answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StageReport {
    /// `"fingerprint"`, `"probe"`, `"keyframes"` or `"frames"`.
    pub stage: &'static str,
    /// The tier that answered, `"loaded"` when it was computed; several are joined by `+`.
    pub origin: Arc<str>,
    /// Wall time of the stage.
    pub took: Duration,
    /// Wall time that the cache saved. That of the extraction counts once, as the keyframes' own; frames have none.
    pub saved: Duration,
    /// Entries that the stage consists of.
    pub entries: u64,
    /// Bytes of their values; 0 for stages whose value is a description.
    pub bytes: u64,
    /// How many entries each origin gave.
    pub origins: BTreeMap<Arc<str>, u64>,
}

impl StageReport {
    /// A stage that consists of one entry.
    pub(crate) fn of_one(stage: &'static str, origin: Arc<str>, took: Duration, saved: Duration) -> Self {
        Self { stage, origins: BTreeMap::from([(origin.clone(), 1)]), origin, took, saved, entries: 1, bytes: 0 }
    }

    /// A stage of many entries, none of which was read yet.
    pub(crate) fn of_many(stage: &'static str) -> Self {
        Self {
            origins: BTreeMap::new(),
            entries: 0,
            ..Self::of_one(stage, Arc::default(), Duration::ZERO, Duration::ZERO)
        }
    }

    /// Counts one entry of `bytes` from `origin`.
    pub(crate) fn count(&mut self, origin: &Arc<str>, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
        *self.origins.entry(origin.clone()).or_default() += 1;
        if self.origins.len() == 1 {
            self.origin = origin.clone();
        } else {
            self.origin = self.origins.keys().map(|name| &**name).collect::<Vec<_>>().join("+").into();
        }
    }
}
