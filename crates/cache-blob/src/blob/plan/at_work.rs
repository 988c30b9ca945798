//! `AtWork`: what readers and fetches of a plan do at one moment.

use std::ops::Range;

use super::Plan;
use crate::activity::MOST;

/// What readers and fetches do, in segments.
#[derive(Debug)]
pub(crate) struct AtWork {
    pub(crate) kept: Vec<Range<u64>>,
    pub(crate) kept_segments: u64,
    pub(crate) filling: Vec<u64>,
    pub(crate) readers: Vec<u64>,
}

impl Plan {
    /// What readers and fetches do, [`MOST`] runs and readers at most.
    pub(crate) fn at_work(&self) -> AtWork {
        let mut filling: Vec<u64> = self.fetches.values().copied().flatten().collect();
        filling.sort_unstable();
        AtWork {
            kept: self.kept.iter().take(MOST).collect(),
            kept_segments: self.kept.len(),
            filling,
            readers: self.cursors.values().map(|cursor| cursor.at).take(MOST).collect(),
        }
    }
}
