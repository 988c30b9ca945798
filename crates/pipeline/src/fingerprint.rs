//! `Fingerprint`: the identity of a source, by its content.

mod hash;
mod memo;

use std::fmt;
use std::str::FromStr;

use cache_core::{Error, Result};
use serde::{Deserialize, Serialize};

pub use memo::{Fingerprinted, Fingerprinter};

use crate::Digest;

/// The identity of a source: the BLAKE3 hash of its content, whole, so that no two sources ever share artifacts.
///
/// Prints as 64 hex digits; `{fingerprint:.12}` prints the first twelve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// The fingerprint of a source whose content hashes to `digest`.
    pub const fn of(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self)
    }
}
