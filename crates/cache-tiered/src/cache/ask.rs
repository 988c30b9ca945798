//! How one caller is answered: from the near tier, by a flight, or by a value that stands in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cache_core::{Error, ErrorKind, Freshness, Key, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use tracing::field::Empty;

use super::flight::{Boarding, Flight, Got, Patience, Seat, Use};
use super::inner::Inner;
use super::near::Held;
use super::request::{Goal, Wants};
use super::stats::count;
use super::traffic::{Urgency, Wait};
use super::trip::{Found, Loader, Trip};
use super::{Hit, Origin};

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Inner<V> {
    /// Answers a caller that `wants` the value of `key`.
    pub(super) async fn ask(self: &Arc<Self>, key: &Key, wants: &Wants, loader: Loader<V>) -> Result<Hit<V>> {
        let began = Instant::now();
        if wants.urgency == Urgency::Awaited {
            self.asked(key, self.clock.now());
        }
        let limit = |span| began.checked_add(span);
        let patience = Patience { soft: wants.soft.and_then(limit), hard: wants.hard.and_then(limit) };
        self.open(key, patience.hard).await?;
        let mut loader = Some(loader);
        let near = self.near_valid(key).filter(|_| wants.goal == Goal::Fresh);
        if let Some(held) = &near
            && let Some(freshness) = self.suffices(key, held, wants.goal)
        {
            self.refresh_behind(key, held, wants, &mut loader);
            return Ok(self.serve(held, Origin::Near, freshness, began));
        }
        let stale_at_once = near.filter(|_| patience.soft.is_some_and(|soft| soft <= began));
        let behind = stale_at_once.is_some().then(|| Wants { urgency: Urgency::Behind, ..wants.clone() });
        let boarding = behind.as_ref().unwrap_or(wants);
        loop {
            let (seat, lead) = match (self.board(key, boarding, &mut loader), &stale_at_once) {
                (Ok(Boarding::Lead(seat)), _) => (seat, true),
                (Ok(Boarding::Join(seat)), _) => (seat, false),
                (Ok(Boarding::Wait(seat)), Some(held)) => {
                    return Ok(self.serve_before(&seat, held, Origin::Near, began));
                }
                (Ok(Boarding::Wait(seat)), None) => match self.outlast(key, &seat, patience, wants.goal).await? {
                    Some((held, origin)) => return Ok(self.serve_before(&seat, &held, origin, began)),
                    None => continue,
                },
                // Without room for a load, what is there is served all the same.
                (Err(error), Some(held)) if error.kind() == ErrorKind::Unavailable => {
                    return Ok(self.serve(held, Origin::Near, Freshness::Stale, began));
                }
                (Err(error), _) => return Err(error),
            };
            if let Some(held) = &stale_at_once {
                return Ok(self.serve_before(&seat, held, Origin::Near, began));
            }
            // The seat keeps the flight alive, so that no other one has its identity.
            let _wait = Wait::begin(seat.flight().identity()).ok_or_else(|| in_circles(key))?;
            if let Some(class) = seat.flight().class.as_ref().filter(|_| !lead && wants.urgency == Urgency::Awaited) {
                class.hurry(seat.flight().identity());
            }
            if wants.goal == Goal::Load && !lead && seat.flight().has_landed() {
                // Its load had ended before this call, and a load begun during its store would not be kept.
                self.outlast(key, &seat, patience, wants.goal).await?;
                continue;
            }
            let usable = |held: &Held<V>| self.use_of(&seat, key, held, wants.goal);
            let waited = seat.wait(patience, usable).await.inspect_err(|error| self.note_impatience(&seat, error));
            match waited.map_err(|error| error.with_key(key))? {
                Got::Standby(held, origin) => return Ok(self.serve_before(&seat, &held, origin, began)),
                // A flight that was joined may have found a value without loading it, and has left the table then.
                Got::Landed(landed) if wants.goal != Goal::Load || lead || landed.tried => {
                    return self.hit(key, &landed, lead, began);
                }
                Got::Landed(_) => {}
            }
        }
    }

    /// Sees to it that the marks in the tiers are known before any stamp is taken: what was invalidated before this
    /// process began is newer than its clock may be.
    async fn open(&self, key: &Key, hard: Option<Instant>) -> Result<()> {
        let (Some(hard), Ok(runtime), false) = (hard, Handle::try_current(), self.tiers.is_opened()) else {
            self.tiers.open().await;
            return Ok(());
        };
        let tiers = self.tiers.clone();
        // In a task of its own: stopped with who loses patience, it would begin anew with the next one, and never end.
        let opening = runtime.spawn(async move { tiers.open().await });
        if timeout_at(hard, opening).await.is_ok() {
            return Ok(());
        }
        count(&self.counters.impatient);
        let message = "the tiers take longer to tell what is out of date than this caller waits: ask again later";
        Err(Error::new(ErrorKind::Timeout, message).with_operation("load").with_key(key))
    }

    /// Waits until a flight that has answered has stored its value, too. From the soft limit on, and at the hard one in
    /// any case, the answer is what stands in, if a value from before will do.
    async fn outlast(&self, key: &Key, seat: &Seat<V>, patience: Patience, goal: Goal) -> Result<Option<Found<V>>> {
        let soft = patience.soft.filter(|soft| goal != Goal::Load && patience.hard.is_none_or(|hard| *soft < hard));
        if soft.is_some() {
            if seat.ended(Patience { hard: soft, ..patience }).await.is_ok() {
                return Ok(None);
            }
            if let Some(found) = self.substitute(key, seat).await {
                return Ok(Some(found));
            }
        }
        let Err(error) = seat.ended(patience).await else { return Ok(None) };
        if goal != Goal::Load
            && let Some(found) = self.substitute(key, seat).await
        {
            return Ok(Some(found));
        }
        count(&self.counters.impatient);
        Err(error.with_key(key))
    }

    /// What may be served while a flight stores what it has answered with: that, or what is near.
    async fn substitute(&self, key: &Key, seat: &Seat<V>) -> Option<Found<V>> {
        let lives = |held: &Held<V>| held.freshness(self.clock.now()) != Freshness::Expired;
        if let Some(held) = self.near_valid(key).filter(|held| lives(held)) {
            return Some((held, Origin::Near));
        }
        let at_once = Patience { soft: None, hard: Some(Instant::now()) };
        let Ok(Got::Landed(landed)) = seat.wait(at_once, |_| Use::Nothing).await else { return None };
        let (flight, stored) = (seat.flight(), self.stored_key(key).ok()?);
        let held = &landed.held;
        let since = held.stamp().min(flight.began());
        let holds = !flight.watch.is_overtaken() && !self.tiers.is_outdated(&stored, since, &held.meta.tags);
        (holds && lives(held)).then(|| (held.clone(), Origin::Joined))
    }

    /// How fresh a value is that was found, if it makes a load needless.
    pub(super) fn suffices(&self, key: &Key, held: &Held<V>, goal: Goal) -> Option<Freshness> {
        let now = self.clock.now();
        let freshness = held.freshness(now);
        let enough = match (goal, freshness) {
            (Goal::Load, _) | (_, Freshness::Expired) => false,
            (Goal::Fresh, Freshness::Fresh) => true,
            (Goal::Current, Freshness::Fresh) if held.is_current(now) => true,
            _ => self.pause(key, now).is_some(),
        };
        enough.then_some(freshness)
    }

    /// Joins the flight of `key`, or begins one with `loader`.
    fn board(self: &Arc<Self>, key: &Key, wants: &Wants, loader: &mut Option<Loader<V>>) -> Result<Boarding<V>> {
        let stored = self.stored_key(key)?;
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Invalid, "there is no Tokio runtime: call this within one").with_source(error)
        })?;
        let mut ready = None;
        let marked = stored.clone();
        let start = || {
            let place = self.place("load")?;
            let loader = loader.take().ok_or_else(|| Error::new(ErrorKind::Internal, "a loader was used twice"))?;
            let gaps = self.gaps.load(Ordering::Acquire);
            let class = wants.class.clone();
            let flight = Flight::new(self.tiers.watch(&stored), self.tiers.stamps().tick(), gaps, class);
            let span = tracing::debug_span!("flight", cache = %self.name, key = %key, outcome = Empty);
            let (cache, key, wants) = (self.clone(), key.clone(), wants.clone());
            let trip = Trip { cache, key, stored, flight: flight.clone(), wants, span: span.clone(), _place: place };
            ready = Some(trip.run(loader).instrument(span));
            Ok(flight)
        };
        // What was invalidated since it began answers nobody who comes after that.
        let admits = |flight: &Flight<V>| flight.is_queued() || !self.tiers.may_be_outdated(&marked, flight.began());
        let boarding = self.flights.board(key, self.clock.now(), admits, start).map_err(|error| error.with_key(key))?;
        // Off the table's lock: a runtime that has ended drops the trip here and now, and with it, it departs.
        if let Some(trip) = ready {
            runtime.spawn(trip);
        }
        Ok(boarding)
    }

    /// Begins a flight behind the answer when a refresh of `held` is due and none is under way.
    fn refresh_behind(self: &Arc<Self>, key: &Key, held: &Held<V>, wants: &Wants, loader: &mut Option<Loader<V>>) {
        let now = self.clock.now();
        if held.is_current(now) || self.pause(key, now).is_some() || self.flights.get(key).is_some() {
            return;
        }
        let wants = Wants { goal: Goal::Current, urgency: Urgency::Behind, ..wants.clone() };
        // Without a place for it, the refresh is left to who comes later.
        if let Ok(Boarding::Lead(seat) | Boarding::Join(seat)) = self.board(key, &wants, loader) {
            self.keep(seat.flight());
        }
    }

    /// Lets a flight go on although nobody may wait for it.
    pub(super) fn keep(&self, flight: &Flight<V>) {
        flight.keep();
        self.note_refresh(flight);
    }

    /// Counts a load that runs behind an answer, once.
    pub(super) fn note_refresh(&self, flight: &Flight<V>) {
        if flight.is_new_refresh() {
            count(&self.counters.refreshes);
        }
    }

    /// For what a value from before a flight may be used: for nothing, once something has made it out of date.
    fn use_of(&self, seat: &Seat<V>, key: &Key, held: &Held<V>, goal: Goal) -> Use {
        if goal == Goal::Load || !self.may_stand_in(seat.flight(), key, held) {
            Use::Nothing
        } else if held.freshness(self.clock.now()) == Freshness::Fresh {
            Use::Answer
        } else {
            Use::StandIn
        }
    }

    /// Whether a value from before a flight may be served in place of what it loads.
    pub(super) fn may_stand_in(&self, flight: &Flight<V>, key: &Key, held: &Held<V>) -> bool {
        held.freshness(self.clock.now()) != Freshness::Expired
            && flight.watch.is_current()
            && self.stored_key(key).is_ok_and(|stored| !self.is_covered(&stored, &held.meta))
    }

    /// Serves a value from before while the flight goes on.
    fn serve_before(&self, seat: &Seat<V>, held: &Held<V>, origin: Origin, began: Instant) -> Hit<V> {
        self.keep(seat.flight());
        self.serve(held, origin, held.freshness(self.clock.now()), began)
    }

    fn note_impatience(&self, seat: &Seat<V>, error: &Error) {
        // A load that timed out by itself has landed.
        if error.kind() == ErrorKind::Timeout && !seat.flight().has_landed() {
            count(&self.counters.impatient);
            seat.flight().keep();
        }
    }
}

fn in_circles(key: &Key) -> Error {
    let message = format!("a load of {key} asked for itself: it would wait forever");
    Error::new(ErrorKind::Invalid, message).with_key(key)
}
