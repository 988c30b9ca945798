//! Flights: the one running load of each key, and those who wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Freshness, Key, Result, Stamp, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::Origin;
use super::class::Class;
use super::near::Held;
use super::progress::Report;
use crate::fence::Watch;

/// What a flight ended with, shared by all who wait.
pub(super) type Answer<V> = Result<Arc<Landed<V>>>;

/// A value that a flight has found or loaded.
#[derive(Debug)]
pub(super) struct Landed<V> {
    pub(super) held: Arc<Held<V>>,
    /// As the one who started the flight sees it.
    pub(super) origin: Origin,
    pub(super) freshness: Freshness,
    /// Whether a load was tried.
    pub(super) tried: bool,
}

/// What those who wait can see.
#[derive(Debug)]
pub(super) struct State<V> {
    /// What may be served to those who do not wait for the end.
    pub(super) standby: Option<(Arc<Held<V>>, Origin)>,
    pub(super) answer: Option<Answer<V>>,
}

impl<V> State<V> {
    fn will_do(&self, usable: impl Fn(&Held<V>) -> Use) -> Use {
        self.standby.as_ref().map_or(Use::Nothing, |(held, _)| usable(held))
    }
}

/// Who is interested in a flight.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Crew {
    pub(super) waiting: usize,
    /// Whether it is to go on when nobody waits.
    pub(super) kept: bool,
}

/// One search for a key through the tiers, with the load that may follow.
#[derive(Debug)]
pub(super) struct Flight<V> {
    /// Taken before the search began.
    pub(super) watch: Watch,
    /// Older than the stamp of whatever it loads. Raised each time that it has waited for its turn to load.
    began: AtomicU64,
    /// The count of the backplane's gaps when it began.
    pub(super) gaps: u64,
    pub(super) report: watch::Sender<Report>,
    pub(super) class: Option<Class>,
    refresh_noted: AtomicBool,
    state: watch::Sender<State<V>>,
    crew: watch::Sender<Crew>,
}

/// A place among those who wait for a flight. Dropping it leaves.
#[derive(Debug)]
pub(super) struct Seat<V>(Arc<Flight<V>>);

impl<V> Flight<V> {
    pub(super) fn new(watch: Watch, began: Stamp, gaps: u64, class: Option<Class>) -> Arc<Self> {
        let state = watch::Sender::new(State { standby: None, answer: None });
        let report = watch::Sender::new(Report::new(class.as_ref().map(Class::name).cloned()));
        Arc::new(Self {
            watch,
            began: AtomicU64::new(began.as_u64()),
            gaps,
            report,
            class,
            refresh_noted: AtomicBool::new(false),
            state,
            crew: watch::Sender::default(),
        })
    }

    /// Tells flights apart as long as they live.
    pub(super) fn identity(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// Notes that it has waited until this stamp: what it finds or loads from here on is as of then.
    pub(super) fn begin_anew(&self, stamp: Stamp) {
        self.began.store(stamp.as_u64(), Ordering::Release);
    }

    pub(super) fn began(&self) -> Stamp {
        Stamp::from_u64(self.began.load(Ordering::Acquire))
    }

    /// Whether its loader waits for a place: what it will load is newer than anything before.
    pub(super) fn is_queued(&self) -> bool {
        self.report.borrow().is_queued()
    }

    /// Whether its loader runs behind an answer, and this was not asked before.
    pub(super) fn is_new_refresh(&self) -> bool {
        let runs_behind = self.crew.borrow().kept && self.report.borrow().is_loading();
        runs_behind && !self.refresh_noted.swap(true, Ordering::Relaxed)
    }

    /// Whether somebody who comes at `now` may have its answer: no write of the key has ended since it began, and a
    /// value that is there already is still fresh.
    fn admits(&self, now: Timestamp) -> bool {
        let good = match &self.state.borrow().answer {
            None => true,
            Some(Ok(landed)) => landed.held.freshness(now) == Freshness::Fresh,
            Some(Err(_)) => false,
        };
        good && !self.watch.is_overtaken()
    }

    pub(super) fn has_landed(&self) -> bool {
        self.state.borrow().answer.is_some()
    }

    /// Shows a value to those who do not wait for the end.
    pub(super) fn stand_by(&self, held: Arc<Held<V>>, origin: Origin) {
        self.state.send_modify(|state| state.standby = Some((held, origin)));
    }

    pub(super) fn answer(&self, answer: Answer<V>) {
        self.state.send_modify(|state| state.answer = Some(answer));
    }

    /// Ends it: who still waits is told that no answer will come.
    pub(super) fn end(&self) {
        self.report.send_modify(Report::end);
        self.state.send_if_modified(|state| {
            let open = state.answer.is_none();
            if open {
                let message = "the load ended with its runtime, or a panic: ask again";
                state.answer = Some(Err(Error::new(ErrorKind::Unavailable, message)));
            }
            open
        });
    }

    /// Lets it go on although nobody may wait for it.
    pub(super) fn keep(&self) {
        self.crew.send_if_modified(|crew| !std::mem::replace(&mut crew.kept, true));
    }

    /// Waits until nobody has waited for all of `grace`.
    pub(super) async fn abandoned(&self, grace: Duration) {
        let mut crew = self.crew.subscribe();
        let deserted = |crew: &Crew| crew.waiting == 0 && !crew.kept;
        loop {
            // The sender lives in self.
            let _ = crew.wait_for(deserted).await;
            if timeout(grace, crew.wait_for(|crew| !deserted(crew))).await.is_err() {
                return;
            }
        }
    }

    pub(super) fn crew(&self) -> watch::Receiver<Crew> {
        self.crew.subscribe()
    }

    fn seat(self: &Arc<Self>) -> Seat<V> {
        self.crew.send_if_modified(|crew| {
            crew.waiting += 1;
            crew.waiting == 1
        });
        Seat(self.clone())
    }
}

/// How long somebody waits for a flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From when on a stale value will do.
    pub(super) soft: Option<Instant>,
    /// When to give up.
    pub(super) hard: Option<Instant>,
}

/// What somebody who waited goes away with.
#[derive(Debug)]
pub(super) enum Got<V> {
    Landed(Arc<Landed<V>>),
    /// A value from before, while the load goes on.
    Standby(Arc<Held<V>>, Origin),
}

/// For what a value from before will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    Nothing,
    /// When patience has ended.
    StandIn,
    Answer,
}

impl<V> Seat<V> {
    pub(super) fn flight(&self) -> &Arc<Flight<V>> {
        &self.0
    }

    /// Waits until its value is stored, too, and it has left the table. Cancelling it has no effect on the flight.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when patience ended before.
    pub(super) async fn ended(&self, patience: Patience) -> Result<()> {
        let mut report = self.0.report.subscribe();
        until(patience.hard, report.wait_for(Report::has_ended)).await;
        if report.borrow().has_ended() { Ok(()) } else { Err(impatient()) }
    }

    /// Waits for the answer; for a value from before that will do at once; from the soft limit on, and at the hard one
    /// in any case, for one that may stand in. Cancelling it leaves the seat.
    ///
    /// # Errors
    /// What the load failed with, and [`ErrorKind::Timeout`] when patience ended before.
    pub(super) async fn wait(&self, patience: Patience, usable: impl Fn(&Held<V>) -> Use) -> Result<Got<V>> {
        let mut state = self.0.state.subscribe();
        let enough = |state: &State<V>, least| state.answer.is_some() || state.will_do(&usable) >= least;
        let soft = patience.soft.filter(|soft| patience.hard.is_none_or(|hard| *soft < hard));
        if soft.is_none_or(|soft| soft > Instant::now()) {
            until(soft.or(patience.hard), state.wait_for(|state| enough(state, Use::Answer))).await;
        }
        if soft.is_some() {
            until(patience.hard, state.wait_for(|state| enough(state, Use::StandIn))).await;
        }
        let seen = state.borrow();
        match (&seen.answer, &seen.standby) {
            (Some(answer), _) => answer.clone().map(Got::Landed),
            (None, Some((held, origin))) if usable(held) > Use::Nothing => {
                Ok(Got::Standby(held.clone(), origin.clone()))
            }
            _ => Err(impatient()),
        }
    }
}

impl<V> Drop for Seat<V> {
    fn drop(&mut self) {
        self.0.crew.send_if_modified(|crew| {
            crew.waiting -= 1;
            crew.waiting == 0
        });
    }
}

/// Waits until `limit` at most.
async fn until(limit: Option<Instant>, wait: impl Future) {
    match limit {
        Some(limit) => drop(timeout_at(limit, wait).await),
        None => drop(wait.await),
    }
}

fn impatient() -> Error {
    Error::new(ErrorKind::Timeout, "the load takes longer than this caller waits; it goes on: ask again later")
}

/// The flights under way, one of each key.
#[derive(Debug)]
pub(super) struct Flights<V>(Mutex<HashMap<Key, Arc<Flight<V>>>>);

/// A place on a flight.
pub(super) enum Boarding<V> {
    Join(Seat<V>),
    Lead(Seat<V>),
    /// One has answered, in a way that is of no use any more, and is about to store: a new one would be overtaken.
    Wait(Seat<V>),
}

impl<V> Flights<V> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Joins the flight of `key`, if it `admits`, or begins one, which `start` makes. Both run under a lock: they must
    /// not wait, nor come back here.
    pub(super) fn board(
        &self,
        key: &Key,
        now: Timestamp,
        admits: impl FnOnce(&Flight<V>) -> bool,
        start: impl FnOnce() -> Result<Arc<Flight<V>>>,
    ) -> Result<Boarding<V>> {
        let mut flights = self.0.lock();
        match flights.get(key) {
            Some(flight) if flight.admits(now) && admits(flight) => return Ok(Boarding::Join(flight.seat())),
            Some(flight) if flight.has_landed() => return Ok(Boarding::Wait(flight.seat())),
            _ => {}
        }
        let flight = start()?;
        let outdated = flights.insert(key.clone(), flight.clone());
        let seat = flight.seat();
        drop(flights);
        drop(outdated);
        Ok(Boarding::Lead(seat))
    }

    /// Takes `flight` off the table, if it is still there: who comes next begins a new one.
    pub(super) fn depart(&self, key: &Key, flight: &Arc<Flight<V>>) {
        self.depart_if(key, flight, |_| true);
    }

    /// Takes `flight` off the table if nobody waits for it; whether nobody does. Who comes next begins a new one.
    pub(super) fn desert(&self, key: &Key, flight: &Arc<Flight<V>>) -> bool {
        self.depart_if(key, flight, |flight| {
            let crew = *flight.crew.borrow();
            crew.waiting == 0 && !crew.kept
        })
    }

    /// Whether `flight` is the one that who comes now would find.
    pub(super) fn has(&self, key: &Key, flight: &Arc<Flight<V>>) -> bool {
        self.0.lock().get(key).is_some_and(|present| Arc::ptr_eq(present, flight))
    }

    /// The flight of `key`.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Flight<V>>> {
        self.0.lock().get(key).cloned()
    }

    /// All flights.
    pub(super) fn all(&self) -> Vec<(Key, Arc<Flight<V>>)> {
        self.0.lock().iter().map(|(key, flight)| (key.clone(), flight.clone())).collect()
    }

    fn depart_if(&self, key: &Key, flight: &Arc<Flight<V>>, agrees: impl FnOnce(&Flight<V>) -> bool) -> bool {
        let mut flights = self.0.lock();
        // Seats are taken under this lock, so that nobody joins a flight that is given up.
        let departs = agrees(flight);
        if departs && flights.get(key).is_some_and(|present| Arc::ptr_eq(present, flight)) {
            flights.remove(key);
        }
        departs
    }
}
