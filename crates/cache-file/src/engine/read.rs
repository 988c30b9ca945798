//! Reads: catalog, bytes, verification, and what to think of bytes that do not verify.

use std::io;

use cache_core::{Entry, Key, Meta, Result, Timestamp};

use super::{Live, Ref, Shared, Spot};
use crate::error::{IndexError, from_io, offline};
use crate::index::record::{self, Indexed};
use crate::volume::{Place, record as volume_record};

/// How often a read that met a write begins again before it keeps the writer from publishing.
const FREE_ATTEMPTS: u32 = 3;

/// The longest record that is read and verified where the caller runs: a longer one takes tens of microseconds.
const READY: u32 = 128 << 10;

/// What a read found.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// This.
    Whole(T),
    /// Nothing to serve.
    Absent,
    /// Bytes that do not verify, of the entry with this generation.
    Corrupt(u64),
}

impl Shared {
    /// Whether `key` could be served at `now`, without input or output.
    pub(crate) fn may_hold(&self, key: &Key, now: Timestamp) -> bool {
        let live = self.live.read();
        live.shadows.contains_key(key) || live.catalog.peek(key, now).is_some()
    }

    /// What a get of `key` finds without waiting for the medium; nothing when it would have to, or is in doubt.
    ///
    /// Verifies like any other read, and takes a few microseconds.
    pub(crate) fn get_ready(&self, key: &Key) -> Option<Found<Entry>> {
        let now = self.config.clock.now();
        let (stamp, place, file) = {
            let live = self.live.read();
            let Some(held) = live.peek(key, now) else { return Some(Found::Absent) };
            let Spot::Volume(place) = *held.spot.get()? else { return None };
            if place.len > READY {
                return None;
            }
            (held.stamp, place, live.files.get(&place.volume)?.clone())
        };
        let bytes = file.read_ready(place.offset(), place.len as usize)?;
        let entry = volume_record::decode(place, key.as_str().as_bytes(), &bytes.into()).ok()?;
        if entry.meta.stamp != stamp {
            return None;
        }
        self.live.read().seen(key, now).inspect(|entry| self.heat(entry));
        Some(self.unexpired(Found::Whole(entry), |entry| &entry.meta))
    }

    /// The entry of `key`.
    pub(crate) fn get(&self, key: &Key) -> Result<Found<Entry>> {
        let found = self.attempt(key, |seen, live| match seen.spot.get() {
            None => Ok(None),
            Some(Spot::Volume(place)) => {
                let entry = self.read_volume(key, *place, live)?;
                Ok(entry.filter(|entry| entry.meta.stamp == seen.stamp))
            }
            Some(Spot::Inline | Spot::Renewed(_)) => match self.read_index(key)? {
                None => Ok(None),
                Some(Indexed::Inline(entry)) => Ok(Some(entry)),
                // The index is ahead of the catalog for the moment of a publication.
                Some(Indexed::Volume(place, _)) => self.read_volume(key, place, live),
                Some(Indexed::Renewed(place, meta)) => {
                    Ok(self.read_volume(key, place, live)?.map(|entry| Entry::new(meta, entry.body)))
                }
            },
        })?;
        Ok(self.unexpired(found, |entry| &entry.meta))
    }

    /// The meta of `key`.
    pub(crate) fn stat(&self, key: &Key) -> Result<Found<Meta>> {
        let found = self.attempt(key, |_, _| Ok(self.read_index(key)?.map(|indexed| indexed.meta().clone())))?;
        Ok(self.unexpired(found, |meta| meta))
    }

    /// Runs `fetch` on what serves `key` until it finds something, or nothing was written meanwhile.
    ///
    /// Space is given back only after its entry has left the catalog. So bytes that do not verify while the same
    /// entry is still there are damaged; otherwise they were only written over.
    fn attempt<T>(&self, key: &Key, fetch: impl Fn(&Ref, Option<&Live>) -> Result<Option<T>>) -> Result<Found<T>> {
        let now = self.config.clock.now();
        let current = || self.live.read().seen(key, now).cloned();
        let Some(mut seen) = self.live.read().seen(key, now).inspect(|entry| self.heat(entry)).cloned() else {
            return Ok(Found::Absent);
        };
        for _ in 0..FREE_ATTEMPTS {
            if let Some(whole) = fetch(&seen, None)? {
                return Ok(Found::Whole(whole));
            }
            match current() {
                None => return Ok(Found::Absent),
                // Not in the index yet, and nothing before it.
                Some(again) if again.spot.get().is_none() => return Ok(Found::Absent),
                Some(again) if again.generation == seen.generation && seen.spot.get().is_some() => {
                    return Ok(Found::Corrupt(seen.generation));
                }
                Some(again) => seen = again,
            }
        }
        let live = self.live.read();
        match live.seen(key, now) {
            Some(seen) if seen.spot.get().is_some() => {
                let found = fetch(seen, Some(&live))?;
                Ok(found.map_or(Found::Corrupt(seen.generation), Found::Whole))
            }
            _ => Ok(Found::Absent),
        }
    }

    /// The record of `key` in the index, if it is there and verifies.
    pub(super) fn read_index(&self, key: &Key) -> Result<Option<Indexed>> {
        let index = self.index.read();
        let key = key.as_str().as_bytes();
        match index.as_ref().ok_or_else(offline)?.get(key) {
            Ok(record) => Ok(record.and_then(|record| record::decode(key, &record).ok())),
            Err(IndexError::Damaged(_)) => Ok(None),
            Err(error) => Err(self.index_error(error)),
        }
    }

    /// The entry in a volume, if it is there and verifies.
    fn read_volume(&self, key: &Key, place: Place, live: Option<&Live>) -> Result<Option<Entry>> {
        let file = match live {
            Some(live) => live.files.get(&place.volume).cloned(),
            None => self.live.read().files.get(&place.volume).cloned(),
        };
        let Some(file) = file else { return Ok(None) };
        let mut bytes = self.buffers.take(place.len as usize);
        match file.read_at(bytes.first(place.len as usize), place.offset()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(from_io(error, &self.layout.volume(place.volume))),
        }
        Ok(volume_record::decode(place, key.as_str().as_bytes(), &bytes.into_bytes()).ok())
    }

    /// What was found, unless its time came while it was read.
    fn unexpired<T>(&self, found: Found<T>, meta: impl Fn(&T) -> &Meta) -> Found<T> {
        match found {
            Found::Whole(whole) if meta(&whole).is_expired(self.config.clock.now()) => Found::Absent,
            found => found,
        }
    }
}
