//! `Gates`: how many fetches run at a time, over all blobs and of each origin.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The unit in which memory is taken, in bytes.
const UNIT: u64 = 4 << 10;

/// The bounds on fetches.
#[derive(Debug)]
pub(crate) struct Gates {
    memory: Arc<Gate>,
    units: u32,
    per_origin: usize,
    origins: Mutex<HashMap<Arc<str>, Arc<Gate>>>,
}

/// One bound. Whoever holds a place learns that others wait for it.
#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    contended: Notify,
}

/// The right to fetch; ends with its drop.
#[derive(Debug)]
pub(crate) struct Pass {
    gates: [Arc<Gate>; 2],
    _places: [Option<OwnedSemaphorePermit>; 2],
}

impl Gates {
    /// Fetches take `memory` bytes together, and run `per_origin` at a time from one origin.
    pub(crate) fn new(memory: u64, per_origin: usize) -> Self {
        let units = (memory / UNIT).clamp(1, u64::from(u32::MAX >> 4)) as u32;
        Self { memory: Arc::new(Gate::new(units as usize)), units, per_origin, origins: Mutex::default() }
    }

    /// Waits, in turn, for the right to a fetch from `origin` that takes `bytes` of memory.
    pub(crate) async fn enter(&self, origin: &Arc<str>, bytes: u64) -> Pass {
        let gate = self.origin(origin);
        let place = gate.enter(1).await;
        let units = bytes.div_ceil(UNIT).clamp(1, u64::from(self.units)) as u32;
        let memory = self.memory.enter(units).await;
        Pass { gates: [gate, self.memory.clone()], _places: [place, memory] }
    }

    fn origin(&self, origin: &Arc<str>) -> Arc<Gate> {
        let mut origins = self.origins.lock();
        origins.retain(|_, gate| Arc::strong_count(gate) > 1);
        origins.entry(origin.clone()).or_insert_with(|| Arc::new(Gate::new(self.per_origin))).clone()
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
        self.gates.iter().any(|gate| gate.is_contended())
    }

    /// Waits until somebody waits for this place.
    pub(crate) async fn contended(&self) {
        let [origin, memory] = &self.gates;
        let (one, other) = (origin.contended.notified(), memory.contended.notified());
        // Both listen from their creation on, so what comes between this look and the wait is not missed.
        if self.is_contended() {
            return;
        }
        tokio::select! {
            () = one => {}
            () = other => {}
        }
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
