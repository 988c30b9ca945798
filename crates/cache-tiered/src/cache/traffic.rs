//! `Traffic`: which loads wait for which, and for places in classes, so that none waits for itself.

use std::collections::{BTreeMap, BTreeSet};
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
static TRAFFIC: Mutex<Traffic> =
    Mutex::new(Traffic { waits: BTreeMap::new(), classes: BTreeMap::new(), queued: BTreeMap::new() });

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
    /// The flight, and what tells it from another at the same address: a loader may outlive its flight.
    runner: (usize, u64),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut traffic = TRAFFIC.lock();
        if let Some(class) = traffic.classes.get_mut(&self.class) {
            class.running.remove(&self.runner);
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
    let (turn, mut queued) = {
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
        if let Some(Waiter { flight, .. }) = &displaced {
            traffic.queued.remove(flight);
        }
        traffic.queued.insert(flight, (rules.class, rank));
        let admitted = traffic.admit_all();
        drop(traffic);
        drop(displaced);
        give(admitted);
        (turn, Queued { flight, left: false })
    };
    let turn = turn.await;
    queued.left = true;
    turn.map_err(|_| full(rules))
}

/// Moves a flight that waits behind to those that are awaited.
pub(super) fn hurry(class: usize, flight: usize) {
    let mut traffic = TRAFFIC.lock();
    let Traffic { classes, queued, .. } = &mut *traffic;
    if let Some((home, rank)) = queued.get_mut(&flight)
        && *home == class
        && rank.0 == Urgency::Behind
        && let Some(class) = classes.get_mut(home)
        && let Some(waiter) = class.queue.remove(rank)
    {
        *rank = class.rank(Urgency::Awaited);
        class.queue.insert(*rank, waiter);
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
    /// Where each flight waits that is in a queue: its class, and its place there.
    queued: BTreeMap<usize, (usize, Rank)>,
}

/// A place in a queue: the first one goes first.
type Rank = (Urgency, u64);

/// A class with those who run and wait in it.
struct Line {
    rules: Rules,
    running: BTreeSet<(usize, u64)>,
    queue: BTreeMap<Rank, Waiter>,
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
        let (mut open, mut seen, mut classes) = (vec![from], BTreeSet::new(), BTreeSet::new());
        while let Some(next) = open.pop() {
            if !seen.insert(next) {
                continue;
            }
            let mut others: Vec<usize> = self.waits.get(&next).into_iter().flatten().copied().collect();
            if through_classes
                && let Some((class, _)) = self.queued.get(&next)
                && classes.insert(*class)
            {
                let running = self.classes.get(class).into_iter().flat_map(|class| &class.running);
                others.extend(running.map(|(flight, _)| *flight));
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
            let Some((_, Waiter { flight, sender })) = class.queue.pop_first() else { return admitted };
            self.queued.remove(&flight);
            class.arrivals += 1;
            let runner = (flight, class.arrivals);
            class.running.insert(runner);
            admitted.push((sender, Place { class: id, runner }));
        }
    }

    fn has_room(&self, class: &Line) -> bool {
        let too_many = (class.running.len() + 1).saturating_sub(class.rules.places);
        let queues = |flight| self.queued.get(&flight).is_some_and(|(home, _)| *home == class.rules.class);
        let lends = |flight: &&usize| {
            let member = |other| other != **flight && (class.runs(other) || queues(other));
            class.runs(**flight) && self.waits_for(**flight, member, true)
        };
        // Only who waits lends.
        too_many == 0 || self.waits.keys().filter(lends).take(too_many).count() == too_many
    }
}

impl Line {
    const fn new(rules: Rules) -> Self {
        Self { rules, running: BTreeSet::new(), queue: BTreeMap::new(), arrivals: 0 }
    }

    /// The place in the queue of who comes now: the first one goes first.
    fn rank(&mut self, urgency: Urgency) -> (Urgency, u64) {
        self.arrivals += 1;
        match self.rules.order {
            Order::Fifo => (urgency, self.arrivals),
            Order::Lifo => (urgency, u64::MAX - self.arrivals),
        }
    }

    fn runs(&self, flight: usize) -> bool {
        self.running.range((flight, 0)..=(flight, u64::MAX)).next().is_some()
    }
}

/// A flight in a queue, until this is dropped.
struct Queued {
    flight: usize,
    /// Whether it has left the queue: its turn has come, or it made way.
    left: bool,
}

impl Drop for Queued {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let mut traffic = TRAFFIC.lock();
        let Traffic { classes, queued, .. } = &mut *traffic;
        let left = queued.remove(&self.flight).and_then(|(class, rank)| classes.get_mut(&class)?.queue.remove(&rank));
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
