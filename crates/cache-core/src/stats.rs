//! Figures that backends and tiers report.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What a backend holds now, and what became of what it held, since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Entries held, those included that expired and were not swept yet.
    pub entries: u64,
    /// Weight of the entries, in bytes of the medium.
    pub bytes: u64,
    /// Whether `entries` and `bytes` are counted, not estimated.
    pub exact: bool,
    /// Budget for `bytes`; `None` when the backend has no bound of its own.
    pub capacity: Option<u64>,
    /// Budget for `entries`.
    pub max_entries: Option<u64>,
    /// Entries that the policy chose to drop.
    pub evicted: u64,
    /// Entries dropped because their time had come.
    pub expired: u64,
    /// Entries dropped because their bytes did not verify.
    pub corrupt: u64,
}

/// What one [`sweep`](crate::Backend::sweep) did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Swept {
    /// Expired entries that were dropped.
    pub expired: u64,
    /// Bytes of the medium that became free.
    pub bytes: u64,
    /// Whether expired entries remain because the limit was reached.
    pub more: bool,
}

impl Swept {
    /// What a sweep that dropped `expired` entries did.
    pub const fn new(expired: u64, bytes: u64, more: bool) -> Self {
        Self { expired, bytes, more }
    }
}

impl AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.expired += other.expired;
        self.bytes += other.bytes;
        self.more |= other.more;
    }
}

/// Why an entry left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Cause {
    /// The policy chose it as a victim.
    Capacity,
    /// The policy refused it admission, or it is heavier than the whole capacity.
    Refused,
    /// Its time had come.
    Expired,
    /// A newer value took its place.
    Replaced,
    /// The caller removed it.
    Removed,
    /// The caller cleared everything.
    Cleared,
    /// Its bytes did not verify.
    Corrupt,
}

/// How one tier answered one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// A fresh entry.
    Hit,
    /// A stale entry.
    Stale,
    /// Nothing to serve.
    Miss,
    /// Bytes that did not verify: a miss to the caller.
    Corrupt,
    /// The tier could not be reached or refused to work.
    Unavailable,
    /// The tier did not answer within its patience.
    Timeout,
    /// The body exceeds what the tier holds.
    TooLarge,
    /// The tier was not asked: its breaker is open.
    BreakerOpen,
    /// The tier was not asked: policy.
    Skipped,
}

impl Outcome {
    /// Every outcome, in the order of [`index`](Self::index).
    pub const ALL: [Self; 9] = [
        Self::Hit,
        Self::Stale,
        Self::Miss,
        Self::Corrupt,
        Self::Unavailable,
        Self::Timeout,
        Self::TooLarge,
        Self::BreakerOpen,
        Self::Skipped,
    ];

    /// The position in [`Outcome::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name used in statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::BreakerOpen => "breaker_open",
            Self::Skipped => "skipped",
        }
    }
}

/// Counts of outcomes; counting is one relaxed atomic addition.
#[derive(Debug, Default)]
pub struct Outcomes([AtomicU64; Outcome::ALL.len()]);

impl Outcomes {
    /// Counts one.
    pub fn count(&self, outcome: Outcome) {
        self.0[outcome.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// How often `outcome` was counted.
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome.index()].load(Ordering::Relaxed)
    }

    /// Name and count of every outcome.
    pub fn snapshot(&self) -> [(&'static str, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| (outcome.name(), self.get(outcome)))
    }
}
