//! `Fingerprint`: the identity of a source, and how it was taken.

mod hash;
mod memo;

use std::fmt;
use std::str::FromStr;

use cache_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

pub use memo::{Fingerprinted, Fingerprinter};

use crate::Digest;

/// The identity of a source. How it was taken is part of it, so that a quick one never passes for an exact one.
///
/// Prints as 64 hex digits, after `sampled-`, `stat-` or `remote-` unless it is that of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    how: Fingerprinting,
    digest: Digest,
}

/// What a fingerprint is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fingerprinting {
    /// All bytes: the same content has the same artifacts under whatever name, and two contents never share any. Reads
    /// the file once, then remembers the hash until somebody touches the file.
    #[default]
    Content,
    /// The length, and 16 pieces of 64 KiB spread over the file. Reads 1 MiB whatever the length. Does not notice a
    /// change between the pieces that keeps the length: right for files that are written once.
    Sampled,
    /// What the file system says: device, inode, length and times. Reads nothing. A copy is another source, and so is
    /// a file that was touched or renamed.
    Stat,
    /// What a server says. That of all [`Remote`](crate::Remote) sources, and of nothing else.
    Remote,
}

impl Fingerprint {
    /// The fingerprint of a source whose content hashes to `digest`.
    pub const fn of(digest: Digest) -> Self {
        Self::taken(Fingerprinting::Content, digest)
    }

    pub(crate) const fn taken(how: Fingerprinting, digest: Digest) -> Self {
        Self { how, digest }
    }

    /// What it was taken of.
    pub const fn how(&self) -> Fingerprinting {
        self.how
    }

    /// The hash.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl Fingerprinting {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Content => "",
            Self::Sampled => "sampled-",
            Self::Stat => "stat-",
            Self::Remote => "remote-",
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.how.prefix())?;
        fmt::Display::fmt(&self.digest, f)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        for how in [Fingerprinting::Sampled, Fingerprinting::Stat, Fingerprinting::Remote] {
            if let Some(hex) = text.strip_prefix(how.prefix()) {
                return Ok(Self { how, digest: hex.parse()? });
            }
        }
        let digest = text.parse().map_err(|error: Error| {
            Error::new(ErrorKind::Invalid, format!("{text:?} is no fingerprint: {}", error.message()))
        })?;
        Ok(Self { how: Fingerprinting::Content, digest })
    }
}
