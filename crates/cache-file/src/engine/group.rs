//! Groups of writes: what becomes of the catalog, decided before anything is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cache_core::{Cause, Departure, Entry, Evicted, Key, Meta, Result, Role, Stamp, Swept, Timestamp};

use super::{Live, Ref, Shared, Side, Spot};
use crate::index::record::{self, Indexed};
use crate::volume::{Place, record as volume_record};

/// Entries that one request to sweep drops at most: readers wait for the catalog meanwhile.
const SWEEP: usize = 1024;

/// One thing to be done by the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Put(Key, Entry),
    /// Gives the entry with this stamp another meta.
    Renew(Key, Stamp, Meta),
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
    Renewed(bool),
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
    /// Those of them that the index named.
    gone: Vec<Gone>,
}

/// An entry that left by itself, as listeners are told.
#[derive(Debug)]
struct Gone {
    key: Key,
    cause: Cause,
    weight: u64,
    made: Timestamp,
}

/// An entry of the index that left the catalog.
#[derive(Debug)]
pub(super) struct Departed {
    pub(super) entry: Ref,
    pub(super) weight: u64,
    /// Whether another entry may lie in its place: then that is not erased.
    pub(super) is_doubtful: bool,
}

/// An entry to be written.
#[derive(Debug)]
pub(super) struct Body {
    generation: u64,
    weight: u64,
    form: Form,
}

/// What is written of an entry. A stub is the envelope of the meta alone.
#[derive(Debug)]
enum Form {
    /// This envelope, in the index.
    Inline([Bytes; 2]),
    /// This envelope in a volume, and where it was appended.
    Volume { envelope: [Bytes; 2], stub: Bytes, place: Option<Place> },
    /// The stub alone: the body stays in its volume.
    Renewed { place: Place, stub: Bytes },
}

/// A request with the work done that needs no lock.
#[derive(Debug)]
pub(super) enum Prepared {
    Put(Key, Ref, Body),
    /// For the entry with this stamp, unless the index does not have it.
    Renew(Key, Stamp, Option<(Ref, Body)>),
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
            Self::Renew(..) | Self::Remove(_) | Self::Discard(..) | Self::Sweep(..) | Self::Mend => 0,
        }
    }
}

impl Prepared {
    /// `find` reads what the index says of a key.
    pub(super) fn new(
        request: &Request,
        generation: u64,
        inline_max: u64,
        find: impl FnOnce(&Key) -> Result<Option<Indexed>>,
    ) -> Result<Self> {
        Ok(match request {
            Request::Put(key, entry) => {
                let body = Body::new(key, entry, generation, inline_max)?;
                Self::Put(key.clone(), Ref::new(generation, &entry.meta), body)
            }
            Request::Renew(key, present, meta) => {
                let is_meant = |found: &Meta| found.stamp == *present && found.role == meta.role;
                let found = find(key)?.filter(|indexed| is_meant(indexed.meta()));
                let body = found.map(|indexed| match indexed {
                    Indexed::Inline(entry) => {
                        Body::new(key, &Entry::new(meta.clone(), entry.body), generation, inline_max)
                    }
                    Indexed::Volume(place, _) | Indexed::Renewed(place, _) => {
                        Body::renewed(key, place, meta, generation)
                    }
                });
                let renewed = body.transpose()?.map(|body| (Ref::new(generation, meta), body));
                Self::Renew(key.clone(), *present, renewed)
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
        // Whoever makes the index again from the volumes finds the entries that a mark covers, so it finds the mark.
        if len <= inline_max && entry.meta.role != Role::Mark {
            return Ok(Self { generation, weight: record::inline_charge(key, len), form: Form::Inline(envelope) });
        }
        let stub = stub(&entry.meta)?;
        let space = volume_record::aligned(volume_record::len(key, len));
        let weight = space + record::volume_charge(key, stub.len() as u64);
        Ok(Self { generation, weight, form: Form::Volume { envelope, stub, place: None } })
    }

    fn renewed(key: &Key, place: Place, meta: &Meta, generation: u64) -> Result<Self> {
        let stub = stub(meta)?;
        let weight = place.space() + record::volume_charge(key.as_str().as_bytes(), stub.len() as u64);
        Ok(Self { generation, weight, form: Form::Renewed { place, stub } })
    }

    /// Appends what belongs into a volume with `append`.
    pub(super) fn append<E>(&mut self, append: impl FnOnce(&[Bytes; 2]) -> Result<Place, E>) -> Result<(), E> {
        if let Form::Volume { envelope, place, .. } = &mut self.form {
            *place = Some(append(envelope)?);
        }
        Ok(())
    }

    pub(super) fn record(&self, key: &[u8]) -> Bytes {
        match &self.form {
            Form::Inline(envelope) | Form::Volume { envelope, place: None, .. } => record::inline(key, envelope),
            Form::Volume { stub, place: Some(place), .. } => record::in_volume(key, *place, stub),
            Form::Renewed { place, stub } => record::renewed(key, *place, stub),
        }
    }

    const fn side(&self) -> Side {
        match self.form {
            Form::Inline(_) => Side::Index,
            Form::Volume { .. } | Form::Renewed { .. } => Side::Volumes,
        }
    }

    fn spot(&self) -> Spot {
        match self.form {
            Form::Inline(_) | Form::Volume { place: None, .. } => Spot::Inline,
            Form::Volume { place: Some(place), .. } => Spot::Volume(place),
            Form::Renewed { place, .. } => Spot::Renewed(place),
        }
    }

    /// Where the body is that it leaves where it is.
    const fn kept(&self) -> Option<Place> {
        match self.form {
            Form::Renewed { place, .. } => Some(place),
            Form::Inline(_) | Form::Volume { .. } => None,
        }
    }
}

impl Departed {
    /// It without its body, which another entry has taken over.
    fn without_body(self, place: Place) -> Self {
        let weight = self.weight.saturating_sub(place.space());
        Self { entry: self.entry.at(Spot::Inline), weight, is_doubtful: false }
    }
}

impl Plan {
    /// Applies one request to the catalog.
    pub(super) fn apply(&mut self, live: &mut Live, request: Prepared, now: Timestamp) -> Answer {
        match request {
            Prepared::Put(key, entry, body) => {
                self.put(live, &key, entry, body, now);
                Answer::Done
            }
            Prepared::Renew(key, present, renewed) => {
                let found = live.catalog.peek(&key, now).filter(|found| found.stamp == present);
                Answer::Renewed(match renewed {
                    Some((entry, body)) if found.is_some() => self.put(live, &key, entry, body, now),
                    _ => false,
                })
            }
            Prepared::Remove(key) => {
                let there = live.catalog.peek(&key, now).is_some();
                self.depart_all(live.catalog.remove(&key, now));
                Answer::Removed(there)
            }
            Prepared::Discard(key, generation) => {
                let found = live.catalog.peek(&key, Timestamp::EPOCH);
                if found.is_some_and(|found| found.generation == generation) {
                    let left = live.catalog.remove(&key, now);
                    self.depart_all(left.map(|departure| Departure { cause: Cause::Corrupt, ..departure }));
                    self.before.get_mut(&key).into_iter().for_each(|departed| departed.is_doubtful = true);
                }
                Answer::Done
            }
            Prepared::Sweep(now, limit) => {
                let left = live.catalog.expire(now, limit);
                let bytes = left.iter().map(|departure| departure.weight).sum();
                let more = live.catalog.is_overdue(now);
                let swept = Swept::new(left.len() as u64, bytes, more);
                self.depart_all(left);
                Answer::Swept(swept)
            }
            Prepared::Mend => Answer::Done,
        }
    }

    /// Whether the entry is held then.
    fn put(&mut self, live: &mut Live, key: &Key, entry: Ref, body: Body, now: Timestamp) -> bool {
        // Refused by the contract, not replaced by the catalog.
        if now >= entry.expires {
            return false;
        }
        if live.catalog.peek(key, now).is_some_and(|present| entry.stamp < present.stamp) {
            return false;
        }
        let side = body.side();
        let offer = entry.offer(key.clone(), body.weight);
        self.bodies.insert(key.clone(), body);
        self.depart_all(live.catalog.insert(side, offer, now));
        self.bodies.contains_key(key)
    }

    /// Takes note of what left the catalog.
    pub(super) fn depart_all(&mut self, left: impl IntoIterator<Item = Departure<Key, Ref>>) {
        for Departure { key, value: entry, weight, cause } in left {
            match cause {
                Cause::Capacity => self.evicted += 1,
                Cause::Expired if entry.spot.get().is_some() => self.expired += 1,
                Cause::Corrupt => self.corrupt += 1,
                _ => {}
            }
            if entry.spot.get().is_some() {
                if matches!(cause, Cause::Capacity | Cause::Expired | Cause::Corrupt) {
                    self.gone.push(Gone { key: key.clone(), cause, weight, made: entry.stamp.instant() });
                }
                self.before.insert(key, Departed { entry, weight, is_doubtful: false });
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
        self.bodies.values().map(|body| body.weight - body.kept().map_or(0, Place::space)).sum()
    }

    /// The keys that the index names no more afterwards.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Key> {
        self.before.keys().filter(|key| !self.bodies.contains_key(key))
    }

    /// Takes those out of the plan whose end was carried out.
    pub(super) fn take_ended(&mut self) -> Vec<(Key, Departed)> {
        let bodies = &self.bodies;
        self.before.extract_if(.., |key, _| !bodies.contains_key(key)).collect()
    }

    /// What nothing names any more. Of an entry whose body was taken over, that is its record in the index.
    pub(super) fn released(self) -> impl Iterator<Item = (Key, Departed)> {
        let Self { before, bodies, .. } = self;
        before.into_iter().map(move |(key, departed)| match bodies.get(&key).and_then(Body::kept) {
            Some(place) => (key, departed.without_body(place)),
            None => (key, departed),
        })
    }

    /// Shows readers what was written.
    pub(super) fn publish(&self, live: &mut Live) {
        for (key, body) in &self.bodies {
            // The time may have come in which the entry is served no more; its place is noted all the same.
            if let Some(entry) = live.catalog.peek(key, Timestamp::EPOCH)
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
            let found = live.catalog.peek(key, Timestamp::EPOCH);
            if found.is_some_and(|found| found.generation == body.generation) {
                live.catalog.remove(key, now);
            }
        }
        live.shadows = HashMap::new();
        let mut whole = true;
        for (key, Departed { entry, weight, .. }) in self.before {
            whole &= live.catalog.insert(entry.side(), entry.offer(key, weight), now).is_empty();
        }
        whole
    }

    pub(super) fn count(&self, shared: &Shared) {
        let counters = &shared.counters;
        counters.evicted.fetch_add(self.evicted, Ordering::Relaxed);
        counters.expired.fetch_add(self.expired, Ordering::Relaxed);
        counters.corrupt.fetch_add(self.corrupt, Ordering::Relaxed);
        let Some(listener) = &shared.config.listener else { return };
        for Gone { key, cause, weight, made } in &self.gone {
            listener.evicted(&Evicted::new(key, *cause, *weight, *made));
        }
    }
}

fn stub(meta: &Meta) -> Result<Bytes> {
    Entry::new(meta.clone(), Bytes::new()).encode()
}
