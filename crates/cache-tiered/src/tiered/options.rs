//! `TierOptions`: how a stack treats one of its tiers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Entry;

use super::Forecast;

/// The most patience that can be added to every instant.
const MOST_PATIENCE: Duration = Duration::from_hours(24 * 365);

/// Whether a tier takes a kind of entry.
pub(super) type Admit = Arc<dyn Fn(&Forecast) -> bool + Send + Sync>;

/// How a stack treats one of its tiers.
#[derive(Clone)]
#[must_use]
pub struct TierOptions {
    pub(super) name: Option<Arc<str>>,
    pub(super) patience: Duration,
    pub(super) patience_per_cost: f64,
    pub(super) most_patience: Duration,
    pub(super) max_body: u64,
    pub(super) min_cost: Duration,
    pub(super) write: WritePolicy,
    pub(super) admit: Option<Admit>,
}

/// When a tier is given what is put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WritePolicy {
    /// A put waits for this tier.
    #[default]
    Through,
    /// A put is acknowledged before, and this tier is written in the background: from a bounded queue, whose being
    /// full makes the caller wait for at most the tier's patience. Where no [`Through`](Self::Through) tier takes the
    /// entry, the put waits for this one. A process that is killed before the write has ended leaves the entry before
    /// it in the tier, where the next process may find it: until then, nothing there tells of the put.
    Back,
    /// Puts pass the tier by, and take from it what they replace. Reads ask it, and promotions fill it.
    Skip,
}

/// What must have stored an entry for its put to succeed. It does not shorten the wait: a put that one tier is enough
/// for still hears every tier that is written through, or waits for the end of its patience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Required {
    /// One tier, no matter which.
    First,
    /// A durable tier; where no durable one takes the entry, any.
    #[default]
    Durable,
    /// Every tier that takes the entry.
    All,
}

/// What a stack does with an entry that only a tier of this process has, when the process may have missed its removal
/// and no shared tier that would know can be asked. That is so for what was kept before the process began to listen to
/// the others, while all shared tiers that take such entries are away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unconfirmed {
    /// It is held back: a miss. Nothing that was removed is ever served; a process that starts during an outage makes
    /// anew what it has.
    #[default]
    Withhold,
    /// It is served, and asked about again at the next read. A process that starts during an outage serves all it has,
    /// and perhaps what others have removed or replaced while it did not listen, until a shared tier is back.
    Serve,
}

impl TierOptions {
    /// The default options: five seconds of patience, every body that the backend takes, written through, its own
    /// name.
    pub const fn new() -> Self {
        Self {
            name: None,
            patience: Duration::from_secs(5),
            patience_per_cost: 0.0,
            most_patience: MOST_PATIENCE,
            max_body: Entry::MAX_BODY,
            min_cost: Duration::ZERO,
            write: WritePolicy::Through,
            admit: None,
        }
    }

    /// How long one call of the tier is waited for, a year at most. A batch of many keys is given the same once more
    /// for every 64 keys. A longer call counts as failed; a write goes on behind, and later writes of its key wait for
    /// it.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = if patience.as_secs() < MOST_PATIENCE.as_secs() { patience } else { MOST_PATIENCE };
        self
    }

    /// The share of the expected cost of a load that is added to the patience of the read that may save it. The
    /// default is 0; what is no positive number counts as that.
    pub const fn patience_per_cost(mut self, share: f64) -> Self {
        self.patience_per_cost = if share.is_finite() && share > 0.0 { share } else { 0.0 };
        self
    }

    /// The most patience of a read, whatever it may save. The default is a year.
    pub const fn most_patience(mut self, patience: Duration) -> Self {
        self.most_patience = if patience.as_secs() < MOST_PATIENCE.as_secs() { patience } else { MOST_PATIENCE };
        self
    }

    /// The longest body that the tier is given, in bytes, if it is less than the backend takes.
    pub const fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// The least cost of a value that the tier is given. A value of unknown cost is given to it.
    pub const fn min_cost(mut self, cost: Duration) -> Self {
        self.min_cost = cost;
        self
    }

    /// When the tier is given what is put. The default is [`WritePolicy::Through`].
    pub const fn write(mut self, policy: WritePolicy) -> Self {
        self.write = policy;
        self
    }

    /// Chooses what the tier is given by what is known of it. Asked on reads and writes, so it must be quick; a panic
    /// counts as no.
    pub fn admit(mut self, admit: impl Fn(&Forecast) -> bool + Send + Sync + 'static) -> Self {
        self.admit = Some(Arc::new(admit));
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

impl fmt::Debug for TierOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TierOptions")
            .field("name", &self.name)
            .field("patience", &self.patience)
            .field("patience_per_cost", &self.patience_per_cost)
            .field("most_patience", &self.most_patience)
            .field("max_body", &self.max_body)
            .field("min_cost", &self.min_cost)
            .field("write", &self.write)
            .field("admit", &self.admit.is_some())
            .finish()
    }
}
