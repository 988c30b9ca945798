//! `Chosen`: the policy of a catalog.

use std::ops::{Deref, DerefMut};

use crate::{Agd, Policy, PolicyKind, S3Fifo, Slot};

/// The policy of a catalog. The default one and the cheapest one are known by their types, because each hit calls
/// them: a call through a table keeps the processor from looking ahead, and a hit is mostly waiting for memory.
#[expect(clippy::large_enum_variant, reason = "a catalog has one, and a hit reads it: no place for another pointer")]
pub(super) enum Chosen {
    Agd(Agd),
    S3Fifo(S3Fifo),
    Other(Box<dyn Policy>),
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

    #[inline]
    pub(super) fn touch(&self, slot: Slot) {
        match self {
            Self::Agd(policy) => policy.touch(slot),
            Self::S3Fifo(policy) => policy.touch(slot),
            Self::Other(policy) => policy.touch(slot),
        }
    }
}

impl Deref for Chosen {
    type Target = dyn Policy;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Agd(policy) => policy,
            Self::S3Fifo(policy) => policy,
            Self::Other(policy) => &**policy,
        }
    }
}

impl DerefMut for Chosen {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Agd(policy) => policy,
            Self::S3Fifo(policy) => policy,
            Self::Other(policy) => &mut **policy,
        }
    }
}
