//! The stored form of one segment of an artifact: a part, and the bundles of its bodies.

use std::io;

use bytes::Bytes;
use cache_core::{Entry, Error, ErrorKind, Result};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::{Axis, Digest, Span};

/// How deep a part is nested at most: a stack is not endless, and others may write to a shared tier.
const MAX_DEPTH: usize = 128;

/// Names a body: a picture, a piece of sound, a block of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BodyRef {
    pub(crate) segment: u32,
    /// Its position among the bodies of the segment.
    pub(crate) number: u32,
}

/// What is known of a body without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BodyInfo {
    /// Its length in bytes.
    pub len: u64,
    /// The hash of its bytes.
    pub digest: Digest,
}

/// What is known of a part without knowing its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// How many things the value consists of.
    pub(crate) count: u64,
    /// Wall time that it took, in microseconds.
    pub(crate) cost_us: u64,
    pub(crate) bundles: Vec<Bundle>,
    /// The axis that the segment is one of. A source that is probed by another program may get another axis: its parts
    /// are about other stretches of time.
    pub(crate) axis: Axis,
}

/// Bodies that are stored in one entry, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle {
    pub(crate) bodies: Vec<BodyInfo>,
    /// The time of the bodies, where they have one.
    pub(crate) span: Option<Span>,
}

/// A body's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) bundle: u32,
    pub(crate) offset: u64,
    pub(crate) info: BodyInfo,
}

/// The most bodies of a bundle.
pub(crate) const BUNDLE_BODIES: usize = 64;
/// The most bytes of a bundle, one longer body excepted.
pub(crate) const BUNDLE_BYTES: u64 = 2 << 20;

impl Table {
    /// Where each body is, in the order of their numbers.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places = Vec::with_capacity(self.bundles.iter().map(|bundle| bundle.bodies.len()).sum());
        for (bundle, held) in (0..).zip(&self.bundles) {
            let mut offset = 0;
            for info in &held.bodies {
                places.push(Place { bundle, offset, info: *info });
                offset += info.len;
            }
        }
        places
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bundles.iter().map(Bundle::bytes).sum()
    }

    /// Notes when the bodies are, if there is a time for each.
    pub(crate) fn set_times(&mut self, times: &[i64]) {
        if times.len() as u64 != self.bodies() {
            return;
        }
        let mut rest = times;
        for bundle in &mut self.bundles {
            let (these, after) = rest.split_at(bundle.bodies.len());
            let ends = these.iter().min().zip(these.iter().max());
            bundle.span = ends.map(|(first, last)| Span::new(*first, last.saturating_add(1)));
            rest = after;
        }
    }

    pub(crate) fn bodies(&self) -> u64 {
        self.bundles.iter().map(|bundle| bundle.bodies.len() as u64).sum()
    }
}

impl Bundle {
    pub(crate) fn bytes(&self) -> u64 {
        self.bodies.iter().map(|body| body.len).sum()
    }

    fn fits(&self) -> bool {
        let all = self.bodies.iter().try_fold(0_u64, |all, body| all.checked_add(body.len));
        all.is_some_and(|all| all <= Entry::MAX_BODY)
    }

    /// What tells a bundle of exactly these bodies: costs no look at the bodies themselves.
    pub(crate) fn etag(&self) -> String {
        let digests: Vec<u8> = self.bodies.iter().flat_map(|body| *body.digest.as_bytes()).collect();
        Digest::of(&digests).to_string()
    }
}

/// The bytes of a part.
pub(crate) fn encode(table: &Table, value: &impl Serialize) -> Result<Bytes> {
    let failed = |error: rmp_serde::encode::Error| {
        Error::new(ErrorKind::Invalid, format!("the artifact cannot be encoded: {error}")).with_source(error)
    };
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write(&mut bytes, table).map_err(failed)?;
    let len = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    rmp_serde::encode::write(&mut bytes, value).map_err(failed)?;
    Ok(bytes.into())
}

/// The table of a part; `None` when these bytes are no part, or tell of a bundle that no entry has room for.
pub(crate) fn table(part: &[u8]) -> Option<Table> {
    whole(split(part)?.0).filter(|table: &Table| table.bundles.iter().all(Bundle::fits))
}

/// The value of a part; `None` when it holds another type's.
pub(crate) fn value<V: DeserializeOwned>(part: &[u8]) -> Option<V> {
    whole(split(part)?.1)
}

fn split(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = part.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}

/// The value that all of `bytes` are: what follows a value would be from another type.
fn whole<V: DeserializeOwned>(bytes: &[u8]) -> Option<V> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(MAX_DEPTH);
    let value = V::deserialize(&mut decoder).ok()?;
    // Where a value would begin there is nothing any more: how far it has come is not told.
    match IgnoredAny::deserialize(&mut decoder) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(end)) if end.kind() == io::ErrorKind::UnexpectedEof => {
            Some(value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let body = |text: &str| BodyInfo { len: text.len() as u64, digest: Digest::of(text.as_bytes()) };
        let bundles = vec![
            Bundle { bodies: vec![body("a"), body("bcd")], span: None },
            Bundle { bodies: vec![body("ef")], span: None },
        ];
        Table { count: 3, cost_us: 5, bundles, axis: Axis::new(-7, Some(std::time::Duration::from_secs(9)), None) }
    }

    #[test]
    fn a_part_is_read_back() {
        let bytes = encode(&sample(), &("value", 7)).unwrap();
        assert_eq!(table(&bytes), Some(sample()));
        assert_eq!(value::<(String, u8)>(&bytes), Some(("value".to_owned(), 7)));
    }

    #[test]
    fn anything_else_is_no_part() {
        let bytes = encode(&sample(), &("value", 7)).unwrap();
        for len in 0..bytes.len() {
            assert!(table(&bytes[..len]).is_none() || value::<(String, u8)>(&bytes[..len]).is_none(), "{len}");
        }
        for more in [&b"\xC0"[..], b"\xC1", b"\xDA", b"\x00", b"value"] {
            let longer = [&bytes[..], more].concat();
            assert_eq!(value::<(String, u8)>(&longer), None, "{more:?}");
        }
        assert_eq!(value::<String>(&bytes), None);
        assert_eq!(table(b"\xFF\xFF\xFF\xFFxx"), None);
    }

    #[test]
    fn bundles_that_no_entry_has_room_for_are_of_no_part() {
        for (one, other) in [(u64::MAX, 1), (Entry::MAX_BODY, 1), (Entry::MAX_BODY, 0)] {
            let mut odd = sample();
            (odd.bundles[0].bodies[0].len, odd.bundles[0].bodies[1].len) = (one, other);
            let bytes = encode(&odd, &"value").unwrap();
            assert_eq!(table(&bytes).is_some(), other == 0, "{one} and {other}");
        }
    }

    #[test]
    fn places_follow_each_other() {
        let places: Vec<_> = sample().places().iter().map(|place| (place.bundle, place.offset)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0)]);
    }
}
