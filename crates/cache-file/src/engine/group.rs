//! Groups of writes: what becomes of the catalog, decided before anything is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cache_core::{Cause, Departure, Entry, Key, Result, Swept, Timestamp};

use super::{Live, Ref, Shared, Spot};
use crate::index::record;
use crate::volume::{Place, record as volume_record};

/// Entries that one request to sweep drops at most: readers wait for the catalog meanwhile.
const SWEEP: usize = 1024;

/// One thing to be done by the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Put(Key, Entry),
    Remove(Key),
    /// Drops the entry with this generation, whose bytes do not verify.
    Discard(Key, u64),
    Sweep(Timestamp, usize),
    /// Changes nothing: before any request an index that failed is opened again.
    Mend,
}

/// What came of a [`Request`].
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Done,
    Removed(bool),
    Swept(Swept),
}

/// What a group does to disk.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What the index names before the group, of the keys for which that ends.
    pub(super) before: BTreeMap<Key, Departed>,
    /// What it names afterwards.
    pub(super) bodies: BTreeMap<Key, Body>,
    evicted: u64,
    expired: u64,
    corrupt: u64,
}

/// An entry of the index that left the catalog.
#[derive(Debug)]
pub(super) struct Departed {
    pub(super) entry: Ref,
    pub(super) weight: u64,
}

/// An entry to be written.
#[derive(Debug)]
pub(super) struct Body {
    generation: u64,
    weight: u64,
    envelope: [Bytes; 2],
    /// Envelope of the meta alone; `None` keeps the whole entry in the index.
    stub: Option<Bytes>,
    /// Where it was appended.
    place: Option<Place>,
}

/// A request with the work done that needs no lock.
#[derive(Debug)]
pub(super) enum Prepared {
    Put(Key, Ref, Body),
    Remove(Key),
    Discard(Key, u64),
    Sweep(Timestamp, usize),
    Mend,
}

impl Request {
    /// Length of the body that it brings.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Put(_, entry) => entry.len(),
            Self::Remove(_) | Self::Discard(..) | Self::Sweep(..) | Self::Mend => 0,
        }
    }
}

impl Prepared {
    pub(super) fn new(request: &Request, generation: u64, inline_max: u64) -> Result<Self> {
        Ok(match request {
            Request::Put(key, entry) => {
                let body = Body::new(key, entry, generation, inline_max)?;
                Self::Put(key.clone(), Ref::new(generation, &entry.meta), body)
            }
            Request::Remove(key) => Self::Remove(key.clone()),
            Request::Discard(key, generation) => Self::Discard(key.clone(), *generation),
            Request::Sweep(now, limit) => Self::Sweep(*now, (*limit).min(SWEEP)),
            Request::Mend => Self::Mend,
        })
    }
}

impl Body {
    fn new(key: &Key, entry: &Entry, generation: u64, inline_max: u64) -> Result<Self> {
        let key = key.as_str().as_bytes();
        let envelope = entry.encode_parts()?;
        let len = (envelope[0].len() + envelope[1].len()) as u64;
        let (weight, stub) = if len <= inline_max {
            (record::inline_charge(key, len), None)
        } else {
            let stub = Entry::new(entry.meta.clone(), Bytes::new()).encode()?;
            let space = volume_record::aligned(volume_record::len(key, len));
            (space + record::volume_charge(key, stub.len() as u64), Some(stub))
        };
        Ok(Self { generation, weight, envelope, stub, place: None })
    }

    /// Appends it with `append`, unless it stays in the index.
    pub(super) fn append<E>(&mut self, append: impl FnOnce(&[Bytes; 2]) -> Result<Place, E>) -> Result<(), E> {
        if self.stub.is_some() {
            self.place = Some(append(&self.envelope)?);
        }
        Ok(())
    }

    pub(super) fn record(&self, key: &[u8]) -> Bytes {
        match (self.place, &self.stub) {
            (Some(place), Some(stub)) => record::in_volume(key, place, stub),
            _ => record::inline(key, &self.envelope),
        }
    }

    fn spot(&self) -> Spot {
        self.place.map_or(Spot::Inline, Spot::Volume)
    }
}

impl Plan {
    /// Applies one request to the catalog.
    pub(super) fn apply(&mut self, live: &mut Live, request: Prepared, now: Timestamp) -> Answer {
        match request {
            Prepared::Put(key, entry, body) => {
                self.put(live, key, entry, body, now);
                Answer::Done
            }
            Prepared::Remove(key) => {
                let there = live.catalog.peek(key.hash64(), &key, now).is_some();
                self.depart_all(live.catalog.remove(key.hash64(), &key));
                Answer::Removed(there)
            }
            Prepared::Discard(key, generation) => {
                let found = live.catalog.peek(key.hash64(), &key, Timestamp::EPOCH);
                if found.is_some_and(|found| found.generation == generation) {
                    self.corrupt += 1;
                    self.depart_all(live.catalog.remove(key.hash64(), &key));
                }
                Answer::Done
            }
            Prepared::Sweep(now, limit) => {
                let left = live.catalog.expire(now, limit);
                let bytes = left.iter().map(|departure| departure.weight).sum();
                let more = live.catalog.next_expiry().is_some_and(|next| next <= now);
                let swept = Swept::new(left.len() as u64, bytes, more);
                self.depart_all(left);
                Answer::Swept(swept)
            }
            Prepared::Mend => Answer::Done,
        }
    }

    fn put(&mut self, live: &mut Live, key: Key, entry: Ref, body: Body, now: Timestamp) {
        // Refused by the contract, not replaced by the catalog.
        if now >= entry.expires {
            return;
        }
        if live.catalog.peek(key.hash64(), &key, now).is_some_and(|present| entry.stamp < present.stamp) {
            return;
        }
        let offer = entry.offer(key.clone(), body.weight);
        self.bodies.insert(key, body);
        self.depart_all(live.catalog.insert(offer, now));
    }

    /// Takes note of what left the catalog.
    pub(super) fn depart_all(&mut self, left: impl IntoIterator<Item = Departure<Key, Ref>>) {
        for Departure { key, value: entry, weight, cause } in left {
            match cause {
                Cause::Capacity => self.evicted += 1,
                Cause::Expired if entry.spot.get().is_some() => self.expired += 1,
                _ => {}
            }
            if entry.spot.get().is_some() {
                self.before.insert(key, Departed { entry, weight });
            } else if self.bodies.get(&key).is_some_and(|body| body.generation == entry.generation) {
                self.bodies.remove(&key);
            }
        }
    }

    /// Takes note of what was taken out of the catalog to make room.
    pub(super) fn evict_all(&mut self, left: impl IntoIterator<Item = Departure<Key, Ref>>) {
        self.depart_all(left.into_iter().map(|departure| Departure { cause: Cause::Capacity, ..departure }));
    }

    /// Lets what stays on disk until the commit stand in for what is not there yet.
    pub(super) fn cast_shadows(&self, live: &mut Live) {
        let replaced = self.bodies.keys().filter_map(|key| Some((key.clone(), self.before.get(key)?.entry.clone())));
        live.shadows = replaced.collect();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.bodies.is_empty()
    }

    /// What the group adds to disk before it frees anything.
    pub(super) fn incoming(&self) -> u64 {
        self.bodies.values().map(|body| body.weight).sum()
    }

    /// The keys that the index names no more afterwards.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Key> {
        self.before.keys().filter(|key| !self.bodies.contains_key(key))
    }

    /// Takes those out of the plan whose end was carried out.
    pub(super) fn take_ended(&mut self) -> Vec<Departed> {
        let bodies = &self.bodies;
        self.before.extract_if(.., |key, _| !bodies.contains_key(key)).map(|(_, departed)| departed).collect()
    }

    /// Shows readers what was written.
    pub(super) fn publish(&self, live: &mut Live) {
        for (key, body) in &self.bodies {
            // The time may have come in which the entry is served no more; its place is noted all the same.
            if let Some(entry) = live.catalog.peek(key.hash64(), key, Timestamp::EPOCH)
                && entry.generation == body.generation
            {
                let _ = entry.spot.set(body.spot());
            }
        }
        live.shadows = HashMap::new();
    }

    /// Puts the catalog back to what is on disk; whether all of it fitted again.
    pub(super) fn roll_back(self, live: &mut Live, now: Timestamp) -> bool {
        for (key, body) in &self.bodies {
            let found = live.catalog.peek(key.hash64(), key, Timestamp::EPOCH);
            if found.is_some_and(|found| found.generation == body.generation) {
                live.catalog.remove(key.hash64(), key);
            }
        }
        live.shadows = HashMap::new();
        let mut whole = true;
        for (key, Departed { entry, weight }) in self.before {
            whole &= live.catalog.insert(entry.offer(key, weight), now).is_empty();
        }
        whole
    }

    pub(super) fn count(&self, shared: &Shared) {
        let counters = &shared.counters;
        counters.evicted.fetch_add(self.evicted, Ordering::Relaxed);
        counters.expired.fetch_add(self.expired, Ordering::Relaxed);
        counters.corrupt.fetch_add(self.corrupt, Ordering::Relaxed);
    }
}
