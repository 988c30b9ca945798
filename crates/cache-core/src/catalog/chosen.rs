//! `Chosen`: the policy of a catalog.

use crate::{Agd, Facts, Policy, PolicyKind, S3Fifo, Slot};

/// The policy of a catalog. The default one and the cheapest one are known by their types, because each hit calls
/// them: a call through a table keeps the processor from looking ahead, and a hit is mostly waiting for memory.
#[expect(clippy::large_enum_variant, reason = "a catalog has one, and a hit reads it: no place for another pointer")]
pub(super) enum Chosen {
    Agd(Agd),
    S3Fifo(S3Fifo),
    Other(Box<dyn Policy>),
}

/// `$call` of whichever policy it is.
macro_rules! each {
    ($chosen:ident, $policy:ident => $call:expr) => {
        match $chosen {
            Self::Agd($policy) => $call,
            Self::S3Fifo($policy) => $call,
            Self::Other($policy) => $call,
        }
    };
}

impl Chosen {
    pub(super) fn new(kind: PolicyKind, capacity: u64) -> Self {
        let mut chosen = match kind {
            PolicyKind::Agd => Self::Agd(Agd::new()),
            PolicyKind::S3Fifo => Self::S3Fifo(S3Fifo::new()),
            _ => return Self::Other(kind.build(capacity)),
        };
        chosen.resize(capacity);
        chosen
    }

    /// An empty one for another part of the same cache.
    pub(super) fn sibling(&self, kind: PolicyKind, capacity: u64) -> Self {
        match self {
            Self::Agd(policy) => Self::Agd(policy.follower()),
            _ => Self::new(kind, capacity),
        }
    }

    /// An empty one for the same part.
    pub(super) fn successor(&self, kind: PolicyKind, capacity: u64) -> Self {
        match self {
            Self::Agd(policy) => Self::Agd(policy.successor()),
            _ => Self::new(kind, capacity),
        }
    }

    #[inline]
    pub(super) fn touch(&self, slot: Slot) {
        each!(self, policy => policy.touch(slot));
    }

    pub(super) fn insert(&mut self, slot: Slot, facts: Facts) {
        each!(self, policy => policy.insert(slot, facts));
    }

    #[inline]
    pub(super) fn update(&mut self, slot: Slot, facts: Facts) {
        each!(self, policy => policy.update(slot, facts));
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        each!(self, policy => policy.remove(slot));
    }

    pub(super) fn evict(&mut self) -> Option<Slot> {
        each!(self, policy => policy.evict())
    }

    pub(super) fn resize(&mut self, capacity: u64) {
        each!(self, policy => policy.resize(capacity));
    }

    pub(super) fn clear(&mut self) {
        each!(self, policy => policy.clear());
    }

    pub(super) fn len(&self) -> usize {
        each!(self, policy => policy.len())
    }
}
