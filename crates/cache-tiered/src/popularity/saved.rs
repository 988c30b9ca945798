//! What a popularity writes down, and reads back in another process.

use bytes::Bytes;
use cache_core::{Entry, Error, ErrorKind, Key, Meta, Result, Stamp, Timestamp};
use serde::{Deserialize, Serialize};

use super::sketch::Slot;

/// How the body says what it is; a reader of another version starts empty.
const CODEC: &str = "popularity";
const VERSION: u64 = 1;
/// More hits than a process can count: a number above it is not one of ours.
const MOST: f64 = (1_u64 << 53) as f64;

/// The tracked keys, in hits worth at an instant.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) at: Timestamp,
    pub(super) slots: Vec<Slot>,
}

/// A MessagePack array: milliseconds since the epoch, then an array of `[key, weight, error]`.
#[derive(Serialize, Deserialize)]
struct Body {
    at: Timestamp,
    slots: Vec<(Key, f64, f64)>,
}

impl Saved {
    /// An entry that never expires.
    pub(super) fn into_entry(self, stamp: Stamp) -> Result<Entry> {
        let at = self.at;
        let slots = self.slots.into_iter().map(|slot| (slot.key, slot.weight, slot.error)).collect();
        let body = rmp_serde::to_vec(&Body { at, slots })
            .map_err(|error| Error::new(ErrorKind::Internal, "the popularity does not encode").with_source(error))?;
        let mut meta = Meta::new(stamp, at);
        (meta.codec, meta.schema) = (Some(CODEC.into()), VERSION);
        Ok(Entry::new(meta, Bytes::from(body)))
    }

    /// Reads an entry; `None` for one that is damaged, of another version or of another kind.
    pub(super) fn of_entry(entry: &Entry) -> Option<Self> {
        if entry.meta.codec.as_deref() != Some(CODEC) || entry.meta.schema != VERSION {
            return None;
        }
        let mut rest = &*entry.body;
        let mut decoder = rmp_serde::Deserializer::new(&mut rest);
        // Far more than this has: a stack is not endless, and others may write to a shared tier.
        decoder.set_max_depth(16);
        let Body { at, slots } = Body::deserialize(&mut decoder).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let legal = |&(_, weight, error): &(Key, f64, f64)| 0.0 <= error && error <= weight && weight <= MOST;
        let slots = slots.into_iter().filter(legal).map(|(key, weight, error)| Slot { key, weight, error });
        Some(Self { at, slots: slots.collect() })
    }
}
