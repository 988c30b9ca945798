//! `Traffic`: which loads wait for which, and for places in classes, so that none waits for itself.

use std::collections::BTreeMap;
use std::future::Future;

use cache_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::class::Order;

tokio::task_local! {
    /// The flight whose loader runs.
    static OWN: usize;
}

/// All waiting of this process, of all caches. Loads that wait for no other and have no class are not here.
static TRAFFIC: Mutex<Traffic> = Mutex::new(Traffic { waits: BTreeMap::new(), classes: BTreeMap::new() });

/// Runs a loader as part of `flight`.
pub(super) fn within<F: Future>(flight: usize, work: F) -> impl Future<Output = F::Output> {
    OWN.scope(flight, work)
}

/// A load waits for a flight until this is dropped.
#[derive(Debug)]
pub(super) struct Wait(Option<(usize, usize)>);

impl Wait {
    /// Notes that the load which calls waits for `flight`, if a load does; `None` when that one waits for it, or for
    /// one that does, and so on: they would wait for each other.
    pub(super) fn begin(flight: usize) -> Option<Self> {
        let Ok(own) = OWN.try_with(|own| *own) else { return Some(Self(None)) };
        let mut traffic = TRAFFIC.lock();
        if flight == own || traffic.waits_for(flight, |other| other == own, false) {
            return None;
        }
        traffic.waits.entry(own).or_default().push(flight);
        let admitted = traffic.admit_all();
        drop(traffic);
        give(admitted);
        Some(Self(Some((own, flight))))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some((own, flight)) = self.0 else { return };
        let mut traffic = TRAFFIC.lock();
        if let Some(others) = traffic.waits.get_mut(&own) {
            if let Some(at) = others.iter().position(|other| *other == flight) {
                others.swap_remove(at);
            }
            if others.is_empty() {
                traffic.waits.remove(&own);
            }
        }
    }
}

/// Whether somebody waits for a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    Awaited,
    Behind,
}

/// What the class of a flight is, here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Tells classes apart.
    pub(super) class: usize,
    pub(super) places: usize,
    pub(super) order: Order,
    pub(super) queue: usize,
}

/// The right to run in a class; dropping it lets the next one in.
#[derive(Debug)]
pub(super) struct Place {
    class: usize,
    flight: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut traffic = TRAFFIC.lock();
        if let Some(class) = traffic.classes.get_mut(&self.class)
            && let Some(at) = class.running.iter().position(|flight| *flight == self.flight)
        {
            class.running.swap_remove(at);
        }
        let admitted = traffic.admit_all();
        traffic.classes.retain(|_, class| !class.running.is_empty() || !class.queue.is_empty());
        drop(traffic);
        give(admitted);
    }
}

/// Waits for a place. Dropped, it leaves the queue. Without room in the queue, who waits behind makes way for who is
/// awaited.
pub(super) async fn enter(rules: Rules, flight: usize, urgency: Urgency) -> Result<Place> {
    let (turn, _queued) = {
        let mut traffic = TRAFFIC.lock();
        let class = traffic.classes.entry(rules.class).or_insert_with(|| Line::new(rules));
        let mut displaced = None;
        if class.queue.len() >= rules.queue {
            let last = class.queue.last_key_value().map(|(rank, _)| *rank);
            match last.filter(|rank| urgency < rank.0) {
                Some(rank) => displaced = class.queue.remove(&rank),
                None if class.running.len() < rules.places => {}
                None => return Err(full(rules)),
            }
        }
        let (sender, turn) = oneshot::channel();
        let rank = class.rank(urgency);
        class.queue.insert(rank, Waiter { flight, sender });
        let admitted = traffic.admit_all();
        drop(traffic);
        drop(displaced);
        give(admitted);
        (turn, Queued { class: rules.class, flight, rank })
    };
    turn.await.map_err(|_| full(rules))
}

/// Moves a flight that waits behind to those that are awaited.
pub(super) fn hurry(class: usize, flight: usize) {
    let mut traffic = TRAFFIC.lock();
    let Some(class) = traffic.classes.get_mut(&class) else { return };
    let behind = class.queue.iter().find(|(rank, waiter)| rank.0 == Urgency::Behind && waiter.flight == flight);
    if let Some(rank) = behind.map(|(rank, _)| *rank)
        && let Some(waiter) = class.queue.remove(&rank)
    {
        let rank = class.rank(Urgency::Awaited);
        class.queue.insert(rank, waiter);
    }
}

/// How many run in a class, and how many wait.
pub(super) fn count(class: usize) -> (usize, usize) {
    TRAFFIC.lock().classes.get(&class).map_or((0, 0), |class| (class.running.len(), class.queue.len()))
}

struct Traffic {
    /// Which flights' loads wait for which flights.
    waits: BTreeMap<usize, Vec<usize>>,
    classes: BTreeMap<usize, Line>,
}

/// A class with those who run and wait in it.
struct Line {
    rules: Rules,
    running: Vec<usize>,
    queue: BTreeMap<(Urgency, u64), Waiter>,
    arrivals: u64,
}

struct Waiter {
    flight: usize,
    sender: oneshot::Sender<Place>,
}

impl Traffic {
    /// Whether `from` waits for a flight that `is_meant`, or for one that does, and so on. With `through_classes`, who
    /// queues waits for those who run in its class.
    fn waits_for(&self, from: usize, is_meant: impl Fn(usize) -> bool, through_classes: bool) -> bool {
        let (mut open, mut seen) = (vec![from], Vec::new());
        while let Some(next) = open.pop() {
            if seen.contains(&next) {
                continue;
            }
            seen.push(next);
            let mut others: Vec<usize> = self.waits.get(&next).into_iter().flatten().copied().collect();
            if through_classes {
                let queued_in =
                    self.classes.values().filter(|class| class.queue.values().any(|one| one.flight == next));
                others.extend(queued_in.flat_map(|class| class.running.iter().copied()));
            }
            if others.iter().any(|other| is_meant(*other)) {
                return true;
            }
            open.extend(others);
        }
        false
    }

    /// Lets in whom there is room for. Who runs but waits for another flight of its class, by whatever way, lends its
    /// place to that one: it would wait for itself.
    fn admit_all(&mut self) -> Vec<(oneshot::Sender<Place>, Place)> {
        let mut admitted = Vec::new();
        loop {
            let next = self.classes.iter().find(|(_, class)| !class.queue.is_empty() && self.has_room(class));
            let Some(id) = next.map(|(id, _)| *id) else { return admitted };
            let Some(class) = self.classes.get_mut(&id) else { return admitted };
            let Some(waiter) = class.next() else { return admitted };
            class.running.push(waiter.flight);
            admitted.push((waiter.sender, Place { class: id, flight: waiter.flight }));
        }
    }

    fn has_room(&self, class: &Line) -> bool {
        if class.running.len() < class.rules.places {
            return true;
        }
        if self.waits.is_empty() {
            return false;
        }
        let member = |flight: usize| {
            class.running.contains(&flight) || class.queue.values().any(|waiter| waiter.flight == flight)
        };
        let lends = |flight: &&usize| self.waits_for(**flight, |other| other != **flight && member(other), true);
        class.running.len() - class.running.iter().filter(lends).count() < class.rules.places
    }
}

impl Line {
    const fn new(rules: Rules) -> Self {
        Self { rules, running: Vec::new(), queue: BTreeMap::new(), arrivals: 0 }
    }

    /// The place in the queue of who comes now: the first one goes first.
    fn rank(&mut self, urgency: Urgency) -> (Urgency, u64) {
        self.arrivals += 1;
        match self.rules.order {
            Order::Fifo => (urgency, self.arrivals),
            Order::Lifo => (urgency, u64::MAX - self.arrivals),
        }
    }

    fn next(&mut self) -> Option<Waiter> {
        self.queue.pop_first().map(|(_, waiter)| waiter)
    }
}

/// A flight in a queue, until this is dropped.
struct Queued {
    class: usize,
    flight: usize,
    /// Where it was put; it may have been moved since.
    rank: (Urgency, u64),
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut traffic = TRAFFIC.lock();
        let Some(class) = traffic.classes.get_mut(&self.class) else { return };
        let own = |rank: &(Urgency, u64)| class.queue.get(rank).is_some_and(|waiter| waiter.flight == self.flight);
        let rank = if own(&self.rank) { Some(self.rank) } else { class.queue.keys().copied().find(own) };
        let left = rank.and_then(|rank| class.queue.remove(&rank));
        drop(traffic);
        drop(left);
    }
}

/// Gives places, without the lock: who waits no more gives its place back.
fn give(admitted: Vec<(oneshot::Sender<Place>, Place)>) {
    for (sender, place) in admitted {
        drop(sender.send(place));
    }
}

fn full(rules: Rules) -> Error {
    let message = format!("{} loads wait in this class, as many as may: ask again later", rules.queue);
    Error::new(ErrorKind::Unavailable, message)
}
