//! `PolicyKind`: a policy chosen by name.

use std::fmt;
use std::str::FromStr;

use super::{Agd, Fifo, Lru, Policy, S3Fifo};
use crate::{Error, ErrorKind};

/// The name of a policy, as written in configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// [`Fifo`].
    Fifo,
    /// [`Lru`].
    Lru,
    /// [`S3Fifo`].
    #[default]
    S3Fifo,
    /// [`Agd`].
    Agd,
}

impl PolicyKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Fifo, Self::Lru, Self::S3Fifo, Self::Agd];

    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lru => "lru",
            Self::S3Fifo => "s3fifo",
            Self::Agd => "agd",
        }
    }

    /// A policy of this kind for a capacity in the unit of weights.
    pub fn build(self, capacity: u64) -> Box<dyn Policy> {
        let mut policy: Box<dyn Policy> = match self {
            Self::Fifo => Box::new(Fifo::new()),
            Self::Lru => Box::new(Lru::new()),
            Self::S3Fifo => Box::new(S3Fifo::new()),
            Self::Agd => Box::new(Agd::new()),
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
