//! `Digest`: a BLAKE3 hash that prints as hex.

use std::fmt;
use std::str::FromStr;

use cache_core::{Error, ErrorKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A BLAKE3 hash. Prints all 64 hex digits; `{digest:.12}` prints the first twelve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash of `bytes`. Runs at memory speed on the caller's thread.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash as bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let hash = blake3::Hash::from_hex(text)
            .map_err(|_| Error::new(ErrorKind::Invalid, "a digest is 64 hex digits").with_operation("parse"))?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Written)
        } else {
            deserializer.deserialize_bytes(Written)
        }
    }
}

/// Reads it without an allocation: a list of keyframes holds thousands. Hex where people read it, else bytes.
struct Written;

impl serde::de::Visitor<'_> for Written {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hex digits or 32 bytes")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Digest, E> {
        bytes.try_into().map(Digest).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_hex() {
        let digest = Digest::of(b"film");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(format!("{digest:.12}").len(), 12);
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert!("xyz".parse::<Digest>().is_err());
    }
}
