//! What a catalog is offered, and within which limits.

use std::time::Duration;

use crate::Timestamp;

/// How much a catalog may hold. A bound of zero on either holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sum of weights.
    pub weight: u64,
    /// Number of entries.
    pub entries: u64,
}

impl Limits {
    /// A bound on the sum of weights alone.
    pub const fn weight(weight: u64) -> Self {
        Self { weight, entries: u64::MAX }
    }

    /// A bound on the number of entries alone.
    pub const fn entries(entries: u64) -> Self {
        Self { weight: u64::MAX, entries }
    }

    /// The bound on entries replaced.
    #[must_use]
    pub const fn and_entries(self, entries: u64) -> Self {
        Self { entries, ..self }
    }
}

/// Weights from here on bound nothing: a share of a bound that is none is none either.
const UNBOUNDED: u64 = 1 << 56;

impl Limits {
    /// What a policy plans with: the bound on the number of entries where only that is one.
    pub(super) const fn planned(self) -> u64 {
        if self.weighs() { self.weight } else { self.entries }
    }

    /// Whether weights are what is scarce: where only the number of entries is bounded, they are alike.
    pub(super) const fn weighs(self) -> bool {
        self.weight < UNBOUNDED
    }
}

/// An entry offered to a [`Catalog`](super::Catalog).
#[derive(Debug, Clone)]
pub struct Offer<K, T> {
    /// Its key.
    pub key: K,
    /// What to hold for it.
    pub value: T,
    /// Hash of the key, the same for equal keys.
    pub hash: u64,
    /// What it costs of [`Limits::weight`].
    pub weight: u64,
    /// Wall time that making the value again takes.
    pub cost: Duration,
    /// The instant from which on it is absent.
    pub expires: Timestamp,
    /// Whether the policy may not choose it: it leaves for want of room only when nothing else is left to leave.
    pub pinned: bool,
}
