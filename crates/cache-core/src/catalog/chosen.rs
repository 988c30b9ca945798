//! `Chosen`: the policy of a catalog.

use std::ops::{Deref, DerefMut};

use crate::{Policy, PolicyKind, S3Fifo, Slot};

/// The policy of a catalog. The default one is known by its type, because each hit calls it: a call through a table
/// keeps the processor from looking ahead, and a hit is mostly waiting for memory.
#[expect(clippy::large_enum_variant, reason = "a catalog has one, and a hit reads it: no place for another pointer")]
pub(super) enum Chosen {
    Default(S3Fifo),
    Other(Box<dyn Policy>),
}

impl Chosen {
    pub(super) fn new(kind: PolicyKind, capacity: u64) -> Self {
        if kind != PolicyKind::S3Fifo {
            return Self::Other(kind.build(capacity));
        }
        let mut policy = S3Fifo::new();
        policy.resize(capacity);
        Self::Default(policy)
    }

    #[inline]
    pub(super) fn touch(&self, slot: Slot) {
        match self {
            Self::Default(policy) => policy.touch(slot),
            Self::Other(policy) => policy.touch(slot),
        }
    }
}

impl Deref for Chosen {
    type Target = dyn Policy;

    #[inline]
    fn deref(&self) -> &Self::Target {
        match self {
            Self::Default(policy) => policy,
            Self::Other(policy) => &**policy,
        }
    }
}

impl DerefMut for Chosen {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Default(policy) => policy,
            Self::Other(policy) => &mut **policy,
        }
    }
}
