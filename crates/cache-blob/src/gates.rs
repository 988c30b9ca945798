//! `Gates`: how much is fetched at a time, over all blobs and from each origin.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The unit in which memory is taken, in bytes.
const UNIT: u64 = 4 << 10;
/// The step in which memory is taken while bytes arrive, in units.
const STEP: u32 = 16;
/// How often a waiter looks for places that are held and not used.
const LOOK: Duration = Duration::from_millis(250);

/// The bounds on fetches.
#[derive(Debug)]
pub(crate) struct Gates {
    memory: Gate,
    /// What one origin may take of the memory, in units.
    share: u32,
    /// Memory for one segment more. Fetches take memory as bytes arrive, so all of it may be in segments that are not
    /// whole: then they are made whole one by one.
    lane: Gate,
    per_origin: usize,
    origins: Mutex<HashMap<Arc<str>, Arc<Origin>>>,
}

/// The bounds on one origin.
#[derive(Debug)]
struct Origin {
    fetches: Gate,
    descriptions: Gate,
    memory: Gate,
    idlers: Mutex<Vec<Weak<dyn Idler>>>,
}

/// One bound. Whoever holds a place learns that others wait for it.
#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    contended: Notify,
}

/// Holds a place that it may not be using: the fetch of a reader that nobody asks for bytes.
pub(crate) trait Idler: Debug + Send + Sync {
    /// Gives its place up, if it has not used it for long enough.
    fn give_up(&self) -> bool;
}

/// The right to fetch from an origin; ends with its drop.
#[derive(Debug)]
pub(crate) struct Pass {
    origin: Arc<Origin>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Memory for what a fetch gives; ends with its drop.
#[derive(Debug)]
pub(crate) struct Room {
    origin: Arc<Origin>,
    units: u32,
    places: Vec<OwnedSemaphorePermit>,
    /// Whether it has the memory for one segment more, and needs no other.
    is_whole: bool,
}

impl Gates {
    /// Fetches take `memory` bytes together, in segments of `segment_len`, and run `per_origin` at a time from one
    /// origin.
    pub(crate) fn new(memory: u64, segment_len: u64, per_origin: usize) -> Self {
        let units = (memory.saturating_sub(segment_len) / UNIT).clamp(1, u64::from(u32::MAX >> 4)) as u32;
        // A quarter is left to other origins, whatever one of them does.
        let share = units - units / 4;
        let (memory, lane) = (Gate::new(units as usize), Gate::new(1));
        Self { memory, share, lane, per_origin, origins: Mutex::default() }
    }

    /// Waits, in turn, for the right to fetch from `origin`.
    pub(crate) async fn fetch(&self, origin: &Arc<str>) -> Pass {
        let origin = self.origin(origin);
        let place = {
            let mut place = pin!(origin.fetches.enter(1));
            loop {
                match timeout(LOOK, &mut place).await {
                    Ok(place) => break place,
                    Err(_) => origin.rouse(),
                }
            }
        };
        Pass { origin, _place: place }
    }

    /// Waits, in turn, for the right to ask `origin` for a description. As many are asked for at a time as fetches run,
    /// besides those: an opening does not wait for a film.
    pub(crate) async fn describe(&self, origin: &Arc<str>) -> Pass {
        let origin = self.origin(origin);
        let place = origin.descriptions.enter(1).await;
        Pass { origin, _place: place }
    }

    /// No memory yet, for a segment of `origin`.
    pub(crate) fn room(&self, origin: &Arc<str>) -> Room {
        Room { origin: self.origin(origin), units: 0, places: Vec::new(), is_whole: false }
    }

    /// Waits, in turn, until `room` is one for `bytes`, of a segment of at most `expected`.
    pub(crate) async fn grow(&self, room: &mut Room, bytes: u64, expected: u64) {
        let units = |bytes: u64| u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let wanted = units(bytes).next_multiple_of(STEP).min(units(expected));
        if room.is_whole || wanted <= room.units {
            return;
        }
        let more = async {
            if wanted > self.share {
                pending::<()>().await;
            }
            // Its share first: who waits for that keeps nothing from other origins.
            let share = room.origin.memory.enter(wanted - room.units).await;
            [share, self.memory.enter(wanted - room.units).await]
        };
        let (is_whole, places) = tokio::select! {
            biased;
            places = more => (false, places),
            place = self.lane.enter(1) => (true, [place, None]),
        };
        room.places.extend(places.into_iter().flatten());
        room.units = wanted;
        room.is_whole = is_whole;
    }

    /// Whether somebody waits for memory.
    pub(crate) fn is_short(&self) -> bool {
        self.memory.is_contended() || self.lane.is_contended()
    }

    fn origin(&self, origin: &Arc<str>) -> Arc<Origin> {
        let mut origins = self.origins.lock();
        origins.retain(|_, gates| Arc::strong_count(gates) > 1);
        origins.entry(origin.clone()).or_insert_with(|| Arc::new(Origin::new(self.per_origin, self.share))).clone()
    }
}

impl Origin {
    fn new(places: usize, share: u32) -> Self {
        Self {
            fetches: Gate::new(places),
            descriptions: Gate::new(places),
            memory: Gate::new(share as usize),
            idlers: Mutex::default(),
        }
    }

    /// Has one place given up that is held and not used, the longest held first.
    fn rouse(&self) {
        let idlers: Vec<_> = self.idlers.lock().iter().filter_map(Weak::upgrade).collect();
        idlers.iter().any(|idler| idler.give_up());
    }
}

impl Gate {
    fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), waiting: AtomicUsize::new(0), contended: Notify::new() }
    }

    /// `None` never comes back: the semaphore is not closed.
    async fn enter(&self, places: u32) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_many_owned(places) {
            return Some(place);
        }
        let _waiting = Waiting::new(self);
        self.places.clone().acquire_many_owned(places).await.ok()
    }

    fn is_contended(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

impl Pass {
    /// Whether somebody waits for this place.
    pub(crate) fn is_contended(&self) -> bool {
        self.origin.fetches.is_contended()
    }

    /// Waits until somebody waits for this place.
    pub(crate) async fn contended(&self) {
        let waits = self.origin.fetches.contended.notified();
        // It listens from its creation on, so what comes between this look and the wait is not missed.
        if !self.is_contended() {
            waits.await;
        }
    }

    /// Whoever waits for this place may have it given up.
    pub(crate) fn hold_idly(&self, idler: Weak<dyn Idler>) {
        let mut idlers = self.origin.idlers.lock();
        idlers.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&idler));
        idlers.push(idler);
    }
}

/// Counts a waiter for as long as it waits.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn new(gate: &'a Gate) -> Self {
        gate.waiting.fetch_add(1, Ordering::AcqRel);
        gate.contended.notify_waiters();
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const SEGMENT: u64 = 256 << 10;

    /// A room for so many bytes of a segment, if there is memory.
    fn room(gates: &Gates, origin: &str, bytes: u64) -> Option<Room> {
        let mut room = gates.room(&Arc::from(origin));
        gates.grow(&mut room, bytes, SEGMENT).now_or_never()?;
        Some(room)
    }

    #[tokio::test]
    async fn memory_is_taken_as_bytes_arrive_and_none_by_who_waits() {
        let gates = Gates::new(5 * SEGMENT, SEGMENT, 1);
        let rooms: Vec<_> = (0..16).map(|number| room(&gates, &number.to_string(), 1).unwrap()).collect();
        let mut late = gates.room(&Arc::from("late"));
        // The memory for one segment more.
        gates.grow(&mut late, 1, SEGMENT).now_or_never().unwrap();
        assert!(late.is_whole && room(&gates, "later", 1).is_none());
        assert!(!gates.is_short());
        drop(rooms);
        assert!(!room(&gates, "later", SEGMENT).unwrap().is_whole);
    }

    #[tokio::test]
    async fn segments_that_are_not_whole_become_so_one_by_one() {
        let gates = Gates::new(2 * SEGMENT, SEGMENT, 1);
        let mut rooms: Vec<_> = (0..4).map(|number| room(&gates, &number.to_string(), 64 << 10).unwrap()).collect();
        while let Some(mut first) = rooms.pop() {
            gates.grow(&mut first, SEGMENT, SEGMENT).now_or_never().unwrap();
            if let Some(next) = rooms.first_mut().filter(|_| first.is_whole) {
                assert!(gates.grow(next, SEGMENT, SEGMENT).now_or_never().is_none());
            }
        }
        assert_eq!((gates.memory.places.available_permits(), gates.lane.places.available_permits()), (64, 1));
    }

    #[tokio::test]
    async fn no_origin_holds_all_memory() {
        let gates = Gates::new(5 * SEGMENT, SEGMENT, 1);
        let mut held: Vec<_> = (0..3).map(|_| room(&gates, "one", SEGMENT).unwrap()).collect();
        held.push(room(&gates, "one", SEGMENT).unwrap());
        assert_eq!([0, 1, 2, 3].map(|at: usize| held[at].is_whole), [false, false, false, true]);
        assert!(room(&gates, "one", 1).is_none());
        assert!(room(&gates, "other", SEGMENT).is_some());
    }

    #[tokio::test]
    async fn what_is_longer_than_the_memory_goes_alone() {
        let gates = Gates::new(8 << 10, SEGMENT, 1);
        let held = room(&gates, "one", SEGMENT).unwrap();
        assert!(room(&gates, "other", SEGMENT).is_none());
        drop(held);
        assert!(room(&gates, "other", SEGMENT).is_some());
    }
}
