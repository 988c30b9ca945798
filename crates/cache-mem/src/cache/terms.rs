//! On which terms a value is offered, and what became of the offer.

use std::time::Duration;

use cache_core::Timestamp;

/// On which terms a value is offered to a [`MemCache`](super::MemCache).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Terms {
    pub(super) expires: Timestamp,
    pub(super) cost: Duration,
    pub(super) weight: Option<u64>,
    pub(super) pinned: bool,
}

impl Terms {
    /// Never expires, costs nothing to make again, weighs what the cache's weigher says.
    pub const fn new() -> Self {
        Self { expires: Timestamp::NEVER, cost: Duration::ZERO, weight: None, pinned: false }
    }

    /// The instant from which on the value is absent. One that has come already is no error: nothing is held then.
    pub const fn expires(self, expires: Timestamp) -> Self {
        Self { expires, ..self }
    }

    /// Wall time that making the value again takes.
    pub const fn cost(self, cost: Duration) -> Self {
        Self { cost, ..self }
    }

    /// What the value takes of the capacity, instead of the weigher's answer.
    pub const fn weight(self, weight: u64) -> Self {
        Self { weight: Some(weight), ..self }
    }

    /// The policy does not choose the value as a victim while there is any other in its shard.
    pub const fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Admission {
    /// The value is held.
    Stored,
    /// The value is heavier than the share of its shard, or the policy refused it; the key is absent.
    Refused,
    /// Its time had come already; the key is absent.
    Expired,
    /// The caller's condition did not hold; nothing changed.
    Declined,
}

impl Admission {
    /// Whether the value is held.
    pub const fn is_stored(self) -> bool {
        matches!(self, Self::Stored)
    }
}
