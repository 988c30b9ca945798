//! `Tally`: what a job has given.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cache_core::Stamp;
use serde::{Deserialize, Serialize};

use super::{Spill, overlap};
use crate::Segment;

/// What a job has given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) parts: u64,
    pub(crate) things: u64,
    pub(crate) bodies: u64,
    pub(crate) bytes: u64,
    /// Parts of which the tiers that ought to did not keep something.
    pub(crate) refused: u64,
    /// Why, of the last such.
    pub(crate) refusal: Option<String>,
    /// Wall time, in microseconds.
    pub(crate) took_us: u64,
    /// The first and the last segment that it was to be about.
    pub(crate) about: Option<(u32, u32)>,
    /// The segments that were given, in order.
    pub(crate) given: Vec<u32>,
    /// What itself was given, for those of this process who wait for it.
    #[serde(skip)]
    values: Values,
}

/// What was computed, itself: what waits for it gets it, whatever the tiers do with it.
#[derive(Debug, Clone, Default)]
struct Values {
    /// Before anything was computed; `None` when nothing was.
    begun: Option<Stamp>,
    /// Parts, by segment.
    handed: HashMap<u32, Bytes>,
    /// Of all parts.
    bytes: usize,
    spill: Option<Arc<Spill>>,
}

/// The bytes of parts that are held for those who wait. Who misses more of them finds them in the tiers, or has them
/// computed again.
const MOST_BYTES: usize = 16 << 20;

impl Tally {
    /// That of a job that had nothing to compute.
    pub(crate) fn nothing(about: Option<(u32, u32)>) -> Self {
        Self { about, ..Self::default() }
    }

    /// That of a job that has begun at `stamp`.
    pub(super) fn begun(stamp: Stamp, about: Option<(u32, u32)>) -> Self {
        Self { about, values: Values { begun: Some(stamp), ..Values::default() }, ..Self::default() }
    }

    /// With everything in `spill`, begun at `stamp`.
    pub(crate) fn with_spill(self, stamp: Stamp, spill: Spill) -> Self {
        Self { values: Values { begun: Some(stamp), spill: Some(Arc::new(spill)), ..Values::default() }, ..self }
    }

    /// Holds a part for those who wait.
    pub(super) fn hand(&mut self, segment: u32, part: &Bytes) {
        if self.values.bytes + part.len() <= MOST_BYTES {
            self.values.bytes += part.len();
            self.values.handed.insert(segment, part.clone());
        }
    }

    /// The parts, if they were begun after `stamp`.
    pub(crate) fn handed_since(&self, stamp: Stamp) -> Option<&HashMap<u32, Bytes>> {
        self.values.begun.is_some_and(|begun| begun > stamp).then_some(&self.values.handed)
    }

    /// The file with everything, if it was begun after `stamp`.
    pub(crate) fn spill_since(&self, stamp: Stamp) -> Option<&Arc<Spill>> {
        self.values.spill.as_ref().filter(|_| self.values.begun.is_some_and(|begun| begun > stamp))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.parts += other.parts;
        self.things += other.things;
        self.bodies += other.bodies;
        self.bytes += other.bytes;
        self.took_us += other.took_us;
        self.refused += other.refused;
        self.refusal = other.refusal.clone().or(self.refusal.take());
    }

    /// Whether it was to be about one of `segments`, which are in order.
    pub(crate) fn is_about(&self, segments: &[Segment]) -> bool {
        self.about.is_some_and(|about| overlap(about, segments))
    }
}
