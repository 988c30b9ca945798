//! `PolicyKind`: a policy chosen by name.

use std::fmt;
use std::str::FromStr;

use super::{Agd, CustomPolicy, Fifo, Gdsf, Lru, Policy, S3Fifo, Sieve, Slru, TinyLfu};
use crate::{Error, ErrorKind};

/// Which policy: the name of a shipped one, as written in configuration, or one's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// [`Fifo`].
    Fifo,
    /// [`Lru`].
    Lru,
    /// [`Slru`].
    Slru,
    /// [`Sieve`].
    Sieve,
    /// [`S3Fifo`].
    S3Fifo,
    /// [`TinyLfu`].
    TinyLfu,
    /// [`Gdsf`].
    Gdsf,
    /// [`Agd`].
    #[default]
    Agd,
    /// One's own. It has no name in configuration.
    Custom(CustomPolicy),
}

impl PolicyKind {
    /// Every kind that is shipped.
    pub const ALL: [Self; 8] =
        [Self::Fifo, Self::Lru, Self::Slru, Self::Sieve, Self::S3Fifo, Self::TinyLfu, Self::Gdsf, Self::Agd];

    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lru => "lru",
            Self::Slru => "slru",
            Self::Sieve => "sieve",
            Self::S3Fifo => "s3fifo",
            Self::TinyLfu => "tinylfu",
            Self::Gdsf => "gdsf",
            Self::Agd => "agd",
            Self::Custom(policy) => policy.name(),
        }
    }

    /// A policy of this kind for a capacity in the unit of weights.
    pub fn build(self, capacity: u64) -> Box<dyn Policy> {
        let mut policy: Box<dyn Policy> = match self {
            Self::Fifo => Box::new(Fifo::new()),
            Self::Lru => Box::new(Lru::new()),
            Self::Slru => Box::new(Slru::new()),
            Self::Sieve => Box::new(Sieve::new()),
            Self::S3Fifo => Box::new(S3Fifo::new()),
            Self::TinyLfu => Box::new(TinyLfu::new()),
            Self::Gdsf => Box::new(Gdsf::new()),
            Self::Agd => Box::new(Agd::new()),
            Self::Custom(policy) => Box::new(policy.build()),
        };
        policy.resize(capacity);
        policy
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PolicyKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Invalid, format!("no eviction policy is named {name:?}: choose one of {known}"))
        })
    }
}
