//! `LocalBackplane`: a backplane in one process, with faults on command.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{Backplane, Error, ErrorKind, Heard, Mark, Position, Result};
use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::watch;

/// The contract of [`Backplane`] within one process, for tests and simulations: one process's connection to a bounded
/// log of marks.
///
/// [`peer`](Self::peer) connects another process to the same log. The faults of a connection strike its own
/// subscribers and calls only; that of the log strikes all. What is heard depends on the calls alone and on no clock.
#[derive(Debug)]
pub struct LocalBackplane(Connection);

impl LocalBackplane {
    /// A connection to a new log that remembers the newest `limit` marks.
    pub fn new(limit: usize) -> Self {
        let log = Log { marks: VecDeque::new(), limit, first: 0, epoch: 0 };
        let shared = Shared { log: Mutex::new(log), changed: watch::Sender::new(()) };
        Self(Connection::to(Arc::new(shared)))
    }

    /// The connection of another process to the same log, without faults.
    pub fn peer(&self) -> Self {
        Self(Connection::to(self.0.shared.clone()))
    }

    /// The marks that the log remembers, oldest first.
    pub fn marks(&self) -> Vec<Mark> {
        self.0.shared.log.lock().marks.iter().cloned().collect()
    }

    /// How many subscriptions of this connection are alive.
    pub fn subscribers(&self) -> usize {
        // One is the connection itself.
        Arc::strong_count(&self.0.line) - 1
    }

    /// Fault: subscribers of this connection hear nothing until [`release`](Self::release).
    pub fn hold(&self) {
        self.0.change(|line| line.held = true);
    }

    /// Ends the holding: what was published meanwhile is heard in its order, as far as the log remembers it.
    pub fn release(&self) {
        self.0.change(|line| line.held = false);
    }

    /// Fault: each subscription of this connection ends with [`ErrorKind::Unavailable`], also a held one.
    pub fn disconnect(&self) {
        self.0.change(|line| line.cuts += 1);
    }

    /// Fault: publishing fails with `kind`, and subscriptions end with it, until [`heal`](Self::heal).
    pub fn fail(&self, kind: ErrorKind) {
        self.0.change(|line| line.failing = Some(kind));
    }

    /// Ends the failing.
    pub fn heal(&self) {
        self.0.change(|line| line.failing = None);
    }

    /// Fault: the log forgets everything, and every subscriber of every connection hears a [`Heard::Gap`].
    pub fn lose_log(&self) {
        self.0.shared.change(Log::lose);
    }
}

#[async_trait]
impl Backplane for LocalBackplane {
    async fn publish(&self, mark: &Mark) -> Result<()> {
        if let Some(kind) = self.0.line.lock().failing {
            return Err(fault(kind, "publish"));
        }
        self.0.shared.change(|log| log.push(mark.clone()));
        Ok(())
    }

    fn subscribe(&self, after: Option<Position>) -> BoxStream<'static, Result<Heard>> {
        let cuts = self.0.line.lock().cuts;
        let changed = self.0.shared.changed.subscribe();
        let after = after.as_ref().and_then(Place::of);
        let subscription = Subscription { connection: self.0.clone(), changed, after, cuts };
        stream::unfold(Some(subscription), |subscription| async {
            let mut subscription = subscription?;
            let heard = subscription.next().await;
            let rest = heard.is_ok().then_some(subscription);
            Some((heard, rest))
        })
        .boxed()
    }
}

#[derive(Debug, Clone)]
struct Connection {
    shared: Arc<Shared>,
    line: Arc<Mutex<Line>>,
}

/// What a connection and its subscribers share.
#[derive(Debug, Default)]
struct Line {
    held: bool,
    /// How often it was disconnected.
    cuts: u64,
    failing: Option<ErrorKind>,
}

impl Connection {
    fn to(shared: Arc<Shared>) -> Self {
        Self { shared, line: Arc::default() }
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        change(&mut self.line.lock());
        self.shared.changed.send_replace(());
    }
}

#[derive(Debug)]
struct Shared {
    log: Mutex<Log>,
    /// Told of every change of the log and of the connections.
    changed: watch::Sender<()>,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.log.lock());
        self.changed.send_replace(());
    }
}

#[derive(Debug)]
struct Log {
    marks: VecDeque<Mark>,
    limit: usize,
    /// The number of the oldest mark remembered.
    first: u64,
    /// How often the log was lost.
    epoch: u64,
}

impl Log {
    fn push(&mut self, mark: Mark) {
        self.marks.push_back(mark);
        if self.marks.len() > self.limit {
            self.marks.pop_front();
            self.first += 1;
        }
    }

    fn lose(&mut self) {
        self.first += self.marks.len() as u64;
        self.marks.clear();
        self.epoch += 1;
    }

    fn end(&self) -> Place {
        Place { epoch: self.epoch, next: self.first + self.marks.len() as u64 }
    }

    /// What comes at `place`: a mark, nothing yet, or a gap when the place is not one of this log.
    fn at(&self, place: Option<Place>) -> Option<(Option<Mark>, Place)> {
        let end = self.end();
        let known = place.filter(|place| place.epoch == end.epoch && (self.first..=end.next).contains(&place.next));
        let Some(place) = known else { return Some((None, end)) };
        let mark = self.marks.get((place.next - self.first) as usize)?;
        Some((Some(mark.clone()), Place { next: place.next + 1, ..place }))
    }
}

/// The place before the mark of number `next`.
#[derive(Debug, Clone, Copy)]
struct Place {
    epoch: u64,
    next: u64,
}

impl Place {
    fn of(position: &Position) -> Option<Self> {
        let (epoch, next) = position.as_str().split_once('-')?;
        Some(Self { epoch: epoch.parse().ok()?, next: next.parse().ok()? })
    }

    fn position(self) -> Position {
        Position::new(format!("{}-{}", self.epoch, self.next))
    }
}

#[derive(Debug)]
struct Subscription {
    connection: Connection,
    changed: watch::Receiver<()>,
    after: Option<Place>,
    /// The disconnections before it.
    cuts: u64,
}

impl Subscription {
    async fn next(&mut self) -> Result<Heard> {
        loop {
            self.changed.mark_unchanged();
            if let Some((mark, place)) = self.ready()? {
                self.after = Some(place);
                let position = place.position();
                return Ok(
                    mark.map_or_else(|| Heard::Gap(position.clone()), |mark| Heard::Mark(mark, position.clone()))
                );
            }
            // Never an error: the sender lives in the connection that this holds.
            let _ = self.changed.changed().await;
        }
    }

    fn ready(&self) -> Result<Option<(Option<Mark>, Place)>> {
        let line = self.connection.line.lock();
        let kind = line.failing.or_else(|| (line.cuts != self.cuts).then_some(ErrorKind::Unavailable));
        match kind {
            Some(kind) => Err(fault(kind, "subscribe")),
            None if line.held => Ok(None),
            None => Ok(self.connection.shared.log.lock().at(self.after)),
        }
    }
}

fn fault(kind: ErrorKind, operation: &'static str) -> Error {
    Error::new(kind, "a planned fault").with_backend("local backplane").with_operation(operation)
}
