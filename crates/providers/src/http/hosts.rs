//! `Hosts`: what each host is asked at once, how often, and whether at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::options::Limits;
use crate::{Failure, Reason};

/// Longer than any process runs, and short enough for every clock.
const EVER: Duration = Duration::from_hours(24 * 365 * 30);

/// Hosts that are asked, by name and port. A bounded number is remembered.
pub(super) struct Hosts {
    limits: Limits,
    table: Mutex<HashMap<Arc<str>, Arc<Host>>>,
}

/// Leave to ask a host; given back when it is dropped.
pub(super) struct Seat {
    host: Arc<Host>,
    _permit: OwnedSemaphorePermit,
}

struct Host {
    name: Arc<str>,
    seats: Arc<Semaphore>,
    /// Whose turn is next: one waits for the instant, the others for that one.
    head: Semaphore,
    turns: Mutex<Turns>,
}

struct Turns {
    /// When the next request may begin.
    next: Instant,
    /// Until when the host is left alone, and why.
    closed: Option<(Instant, Reason)>,
}

impl Hosts {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, table: Mutex::default() }
    }

    /// Waits for a turn to ask `name`.
    ///
    /// # Errors
    /// At once, when the host wants to be left alone, or when too many others are asked.
    pub(super) async fn enter(&self, name: &str) -> Result<Seat, Failure> {
        let host = self.host(name)?;
        host.is_open()?;
        let permit = host.seats.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Failure::new(Reason::Unavailable, "the host is not asked any more"))?;
        host.is_open()?;
        host.turn(self.limits.gap).await?;
        Ok(Seat { host, _permit: permit })
    }

    fn host(&self, name: &str) -> Result<Arc<Host>, Failure> {
        let mut table = self.table.lock();
        if let Some(host) = table.get(name) {
            return Ok(host.clone());
        }
        if table.len() >= self.limits.hosts {
            let now = Instant::now();
            table.retain(|_, host| Arc::strong_count(host) > 1 || host.is_remembered(now));
        }
        if table.len() >= self.limits.hosts {
            // Of hosts that nobody waits for, the one that may be asked again first.
            let idle = table.values().filter(|host| Arc::strong_count(host) == 1);
            let soonest = idle.min_by_key(|host| host.until()).map(|host| host.name.clone());
            let full = || Failure::new(Reason::Unavailable, "too many hosts are asked at once: try again later");
            table.remove(&*soonest.ok_or_else(full)?);
        }
        let host = Arc::new(Host::new(name.into(), self.limits.at_once));
        table.insert(host.name.clone(), host.clone());
        Ok(host)
    }
}

impl Seat {
    /// Leaves the host alone for `pause`.
    pub(super) fn close(&self, pause: Duration, reason: Reason) {
        let until = later(Instant::now(), pause);
        let closed = &mut self.host.turns.lock().closed;
        if closed.is_none_or(|(before, _)| before < until) {
            *closed = Some((until, reason));
            tracing::debug!(host = %self.host.name, ?pause, "a host wants to be left alone");
        }
    }
}

impl Host {
    fn new(name: Arc<str>, at_once: usize) -> Self {
        let turns = Mutex::new(Turns { next: Instant::now(), closed: None });
        Self { name, seats: Arc::new(Semaphore::new(at_once)), head: Semaphore::new(1), turns }
    }

    fn is_open(&self) -> Result<(), Failure> {
        let Some((until, reason)) = self.turns.lock().closed else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        Err(Failure::new(reason, format!("{} has asked to be left alone", self.name)).after(left))
    }

    /// Waits for the next turn, which is taken only when it comes: those who give up cost nobody one.
    async fn turn(&self, gap: Duration) -> Result<(), Failure> {
        let head = self.head.acquire().await;
        let _head = head.map_err(|_| Failure::new(Reason::Unavailable, "the host is not asked any more"))?;
        let turn = self.turns.lock().next.max(Instant::now());
        sleep_until(turn).await;
        self.is_open()?;
        self.turns.lock().next = later(turn, gap);
        Ok(())
    }

    /// Until when something about it has to be remembered.
    fn until(&self) -> Instant {
        let turns = self.turns.lock();
        turns.closed.map_or(turns.next, |(until, _)| until.max(turns.next))
    }

    fn is_remembered(&self, now: Instant) -> bool {
        self.until() > now
    }
}

fn later(instant: Instant, span: Duration) -> Instant {
    instant.checked_add(span.min(EVER)).unwrap_or(instant)
}
