//! `Codec`: how values become bytes.

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How deep a value is nested at most, as in JSON: a stack is not endless, and others may write to a shared tier.
const MAX_DEPTH: usize = 128;

/// How values become bytes and come back equal.
///
/// A value comes back equal if its type's own serde implementations are inverse to each other in the format. Known
/// exceptions are nested options (`Some(None)` comes back as `None`), what is nested deeper than 128 levels, and in JSON
/// numbers that are not finite, and maps whose keys are no strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// `MessagePack` with named fields: compact, and safe against fields that were reordered.
    #[default]
    MessagePack,
    /// JSON, for entries that people read.
    Json,
}

impl Codec {
    /// The name kept in the meta of entries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessagePack => "msgpack",
            Self::Json => "json",
        }
    }

    pub(crate) fn encode<V: Serialize>(self, value: &V) -> Result<Bytes> {
        let bytes = match self {
            Self::MessagePack => rmp_serde::to_vec_named(value).map_err(|error| self.unencodable(error)),
            Self::Json => serde_json::to_vec(value).map_err(|error| self.unencodable(error)),
        };
        bytes.map(Bytes::from)
    }

    /// The value that all of `bytes` encodes.
    pub(crate) fn decode<V: DeserializeOwned>(self, bytes: &[u8]) -> Result<V> {
        match self {
            Self::MessagePack => {
                let mut rest = bytes;
                let mut decoder = rmp_serde::Deserializer::new(&mut rest);
                decoder.set_max_depth(MAX_DEPTH);
                let value = V::deserialize(&mut decoder);
                let value = value.map_err(|error| self.undecodable(error))?;
                // The format itself accepts whatever follows a value.
                if rest.is_empty() { Ok(value) } else { Err(self.undecodable("bytes follow the value")) }
            }
            Self::Json => serde_json::from_slice(bytes).map_err(|error| self.undecodable(error)),
        }
    }

    fn unencodable(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let message = format!("the value cannot be encoded as {}: choose another codec or type", self.name());
        Error::new(ErrorKind::Invalid, message).with_source(source)
    }

    fn undecodable(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let message = format!("the body is no value of this type in {}", self.name());
        Error::new(ErrorKind::Corrupt, message).with_source(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_the_value_are_refused() {
        for codec in [Codec::MessagePack, Codec::Json] {
            let mut bytes = codec.encode(&7_u8).unwrap().to_vec();
            assert_eq!(codec.decode::<u8>(&bytes).unwrap(), 7);
            bytes.push(7);
            assert_eq!(codec.decode::<u8>(&bytes).unwrap_err().kind(), ErrorKind::Corrupt, "{codec:?}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        #[derive(Debug, serde::Deserialize)]
        struct Known {
            #[serde(rename = "a")]
            _known: u8,
        }
        for (depth, is_read) in [(100, true), (1_000, false), (1_000_000, false)] {
            let packed = [&b"\x82\xa1a\x07\xa1b"[..], &b"\x91".repeat(depth), b"\xc0"].concat();
            assert_eq!(Codec::MessagePack.decode::<Known>(&packed).is_ok(), is_read, "{depth}");
        }
    }

    #[test]
    fn reordered_fields_come_back_under_their_names() {
        #[derive(Serialize)]
        struct Before {
            ttl: u64,
            len: u64,
        }
        #[derive(serde::Deserialize)]
        struct After {
            len: u64,
            ttl: u64,
        }
        for codec in [Codec::MessagePack, Codec::Json] {
            let bytes = codec.encode(&Before { ttl: 1, len: 2 }).unwrap();
            let after: After = codec.decode(&bytes).unwrap();
            assert_eq!((after.ttl, after.len), (1, 2), "{codec:?}");
        }
    }
}
