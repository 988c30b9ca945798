//! The survey: all that the index says, as far as it is served.

use std::time::Duration;

use bytes::Bytes;
use cache_core::{Key, Meta, Role, Timestamp};

use super::Ref;
use crate::error::IndexError;
use crate::index::Index;
use crate::index::record;
use crate::report::OpenReport;
use crate::volume::{Place, Volumes, has_header};

/// How far ahead the clock of whoever made a value may have been.
const SKEW: Duration = Duration::from_hours(24);

/// What the index says, before the catalog has been asked.
#[derive(Default)]
pub(super) struct Survey {
    /// Their policy is to see entries in the order of their stamps.
    pub(super) entries: Vec<Surveyed>,
    /// Keys to be taken out of the index.
    pub(super) dropped: Vec<Bytes>,
    expired: u64,
    corrupt: u64,
    dangling: u64,
}

/// An entry of the index, with its weight.
pub(super) struct Surveyed {
    pub(super) key: Key,
    pub(super) entry: Ref,
    pub(super) weight: u64,
}

/// Whether the places that the index names are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Headers {
    Trusted,
    /// Each is to have the header of its record. Costs a read for each entry in a volume.
    Checked,
}

impl Survey {
    /// Reads all of the index.
    pub(super) fn of(
        index: &Index,
        volumes: &Volumes,
        now: Timestamp,
        headers: Headers,
        report: &mut OpenReport,
    ) -> Result<Self, IndexError> {
        let parts = index.walk(|part: &mut Self, key, record| part.note(key, record, volumes, now, headers))?;
        let mut parts = parts.into_iter();
        let mut whole = parts.next().unwrap_or_default();
        for part in parts {
            whole.entries.extend(part.entries);
            whole.dropped.extend(part.dropped);
            whole.expired += part.expired;
            whole.corrupt += part.corrupt;
            whole.dangling += part.dangling;
        }
        report.expired += whole.expired;
        report.corrupt += whole.corrupt;
        report.dangling += whole.dangling;
        Ok(whole)
    }

    fn note(&mut self, bytes: &[u8], stored: &[u8], volumes: &Volumes, now: Timestamp, headers: Headers) {
        let name = std::str::from_utf8(bytes).ok().and_then(|text| Key::parse(text).ok());
        let (Some(key), Ok((spot, meta))) = (name, record::decode_meta(bytes, stored)) else {
            self.corrupt += 1;
            self.dropped.push(Bytes::copy_from_slice(bytes));
            return;
        };
        let entry = Ref::new(0, &meta).at(spot);
        if meta.is_expired(now) || is_ahead(&meta, now) {
            self.expired += 1;
            self.dropped.push(Bytes::copy_from_slice(bytes));
        } else if entry.place().is_some_and(|place| !is_there(place, bytes, volumes, headers)) {
            self.dangling += 1;
            self.dropped.push(Bytes::copy_from_slice(bytes));
        } else {
            let weight = record::stored_charge(bytes, stored) + entry.place().map_or(0, Place::space);
            self.entries.push(Surveyed { key, entry, weight });
        }
    }
}

/// Whether a value was made so long after `now` that a clock must have been set back: its deadlines mean nothing then.
///
/// Marks and tombstones only keep from being served, so they stay.
fn is_ahead(meta: &Meta, now: Timestamp) -> bool {
    meta.role == Role::Value && meta.created.since(now) > SKEW
}

fn is_there(place: Place, key: &[u8], volumes: &Volumes, headers: Headers) -> bool {
    let Some(volume) = volumes.get(place.volume) else { return false };
    place.end() <= volume.tail && (headers == Headers::Trusted || has_header(&*volume.file, place, key))
}
