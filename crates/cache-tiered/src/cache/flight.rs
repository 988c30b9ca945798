//! Flights: the one running load of each key, and those who wait for it.

use std::collections::HashMap;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Freshness, Key, Result, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Origin;
use super::near::Held;
use crate::fence::Watch;

/// What a flight ended with, shared by all who wait.
pub(super) type Answer<V> = Result<Arc<Landed<V>>>;

/// A value that a flight has found or loaded.
#[derive(Debug)]
pub(super) struct Landed<V> {
    pub(super) held: Held<V>,
    /// As the one who started the flight sees it.
    pub(super) origin: Origin,
    pub(super) freshness: Freshness,
    /// Whether a load was tried.
    pub(super) tried: bool,
}

/// One search for a key through the tiers, with the load that may follow.
#[derive(Debug)]
pub(super) struct Flight<V> {
    /// Taken before the search began.
    pub(super) watch: Watch,
    answer: watch::Receiver<Option<Answer<V>>>,
}

impl<V> Flight<V> {
    pub(super) fn new(watch: Watch) -> (Arc<Self>, watch::Sender<Option<Answer<V>>>) {
        let (sender, answer) = watch::channel(None);
        (Arc::new(Self { watch, answer }), sender)
    }

    /// Whether somebody who comes at `now` may have its answer: no write of the key has ended since it began, and a
    /// value that is there already is still fresh.
    fn admits(&self, now: Timestamp) -> bool {
        let good = match &*self.answer.borrow() {
            None => true,
            Some(Ok(landed)) => landed.held.freshness(now) == Freshness::Fresh,
            Some(Err(_)) => false,
        };
        good && !self.watch.is_overtaken()
    }

    pub(super) fn has_landed(&self) -> bool {
        self.answer.borrow().is_some()
    }

    /// Waits until its value is stored, too, and it has left the table. Cancelling it has no effect on the flight.
    pub(super) async fn ended(&self) {
        let mut answer = self.answer.clone();
        while answer.changed().await.is_ok() {}
    }

    /// Waits for the answer. Cancelling it has no effect on the flight.
    pub(super) async fn wait(&self) -> Answer<V> {
        let mut answer = self.answer.clone();
        let landed = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        landed.unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Unavailable, "the load ended with its runtime, or a panic: ask again"))
        })
    }
}

/// The flights under way, one of each key.
#[derive(Debug)]
pub(super) struct Flights<V>(Mutex<HashMap<Key, Arc<Flight<V>>>>);

/// A place on a flight.
pub(super) enum Boarding<V> {
    Join(Arc<Flight<V>>),
    Lead(Arc<Flight<V>>),
}

impl<V> Flights<V> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Joins the flight of `key` or begins one, which `start` makes. It runs under a lock: it must not wait, nor come
    /// back here.
    pub(super) fn board(
        &self,
        key: &Key,
        now: Timestamp,
        start: impl FnOnce() -> Result<Arc<Flight<V>>>,
    ) -> Result<Boarding<V>> {
        let mut flights = self.0.lock();
        if let Some(flight) = flights.get(key).filter(|flight| flight.admits(now)) {
            return Ok(Boarding::Join(flight.clone()));
        }
        let flight = start()?;
        let outdated = flights.insert(key.clone(), flight.clone());
        drop(flights);
        drop(outdated);
        Ok(Boarding::Lead(flight))
    }

    /// Takes `flight` off the table, if it is still there: who comes next begins a new one.
    pub(super) fn depart(&self, key: &Key, flight: &Arc<Flight<V>>) {
        let mut flights = self.0.lock();
        if flights.get(key).is_some_and(|present| Arc::ptr_eq(present, flight)) {
            flights.remove(key);
        }
    }
}
