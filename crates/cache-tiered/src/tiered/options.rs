//! `TierOptions`: how a stack treats one of its tiers.

use std::sync::Arc;
use std::time::Duration;

use cache_core::Entry;

/// The most patience that can be added to every instant.
const MOST_PATIENCE: Duration = Duration::from_hours(24 * 365);

/// How a stack treats one of its tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct TierOptions {
    pub(super) name: Option<Arc<str>>,
    pub(super) patience: Duration,
    pub(super) max_body: u64,
}

impl TierOptions {
    /// The default options: five seconds of patience, every body that the backend takes, its own name.
    pub const fn new() -> Self {
        Self { name: None, patience: Duration::from_secs(5), max_body: Entry::MAX_BODY }
    }

    /// How long one call of the tier is waited for, a year at most. A batch of many keys is given the same once more
    /// for every 64 keys. A longer call counts as failed; a write goes on behind, and later writes of its key wait for
    /// it.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = if patience.as_secs() < MOST_PATIENCE.as_secs() { patience } else { MOST_PATIENCE };
        self
    }

    /// The longest body that the tier is given, in bytes, if it is less than the backend takes.
    pub const fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// The name in statistics, instead of the backend's own.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl Default for TierOptions {
    fn default() -> Self {
        Self::new()
    }
}
