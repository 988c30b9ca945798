//! `MemStats`: the figures of a cache.

use std::ops::AddAssign;

use cache_core::Cause;

/// What a [`MemCache`](super::MemCache) holds, and what became of the other values since it was made.
///
/// Every value offered is held or has left: at any moment, `inserted` is `entries` and [`departed`](Self::departed)
/// together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemStats {
    /// Values held, expired ones included until they are swept.
    pub entries: u64,
    /// Sum of their weights.
    pub weight: u64,
    /// Values offered, without those that the caller's condition declined.
    pub inserted: u64,
    /// Values that the policy chose as victims.
    pub evicted: u64,
    /// Values that were not admitted.
    pub refused: u64,
    /// Values that left because their time had come.
    pub expired: u64,
    /// Values that left for a newer one.
    pub replaced: u64,
    /// Values that the caller removed.
    pub removed: u64,
    /// Values that were cleared.
    pub cleared: u64,
}

impl MemStats {
    /// Number of values that left, for whatever cause.
    pub const fn departed(&self) -> u64 {
        self.evicted + self.refused + self.expired + self.replaced + self.removed + self.cleared
    }

    pub(super) fn count(&mut self, cause: Cause) {
        let count = match cause {
            Cause::Capacity => &mut self.evicted,
            Cause::Refused => &mut self.refused,
            Cause::Expired => &mut self.expired,
            Cause::Replaced => &mut self.replaced,
            Cause::Cleared => &mut self.cleared,
            // Causes to come are the caller's choice unless they say otherwise.
            _ => &mut self.removed,
        };
        *count += 1;
    }
}

impl AddAssign for MemStats {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        // While a resize moves shares, the sum may mix old ones with new ones.
        self.weight = self.weight.saturating_add(other.weight);
        self.inserted += other.inserted;
        self.evicted += other.evicted;
        self.refused += other.refused;
        self.expired += other.expired;
        self.replaced += other.replaced;
        self.removed += other.removed;
        self.cleared += other.cleared;
    }
}
