//! `Gate`: how many requests are under way, how often one begins, and whether any may.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Lets requests through as the server allows.
#[derive(Debug)]
pub(super) struct Gate {
    seats: Semaphore,
    /// Between the beginnings of two requests.
    gap: Duration,
    longest_wait: Duration,
    turns: Mutex<Turns>,
}

#[derive(Debug)]
struct Turns {
    /// When the next request may begin.
    next: Instant,
    /// Until when the server wants to be left alone.
    closed: Instant,
}

impl Gate {
    pub(super) fn new(at_once: usize, gap: Duration, longest_wait: Duration) -> Self {
        let now = Instant::now();
        let seats = Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS));
        Self { seats, gap, longest_wait, turns: Mutex::new(Turns { next: now, closed: now }) }
    }

    /// Waits for a turn; the seat is given back when it is dropped. The error is for how long the server wants to be left
    /// alone, when that is longer than is waited.
    pub(super) async fn enter(&self) -> Result<SemaphorePermit<'_>, Duration> {
        self.open()?;
        // Never closed, so always acquired.
        let seat = self.seats.acquire().await.map_err(|_| Duration::ZERO)?;
        while let Some(at) = self.turn()? {
            sleep_until(at).await;
            if self.open()? <= Instant::now() {
                break;
            }
        }
        Ok(seat)
    }

    /// No request begins before `pause` has passed.
    pub(super) fn pause(&self, pause: Duration) {
        let now = Instant::now();
        let until = now.checked_add(pause).unwrap_or(now);
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.closed = turns.closed.max(until);
    }

    /// Until when the server wants to be left alone.
    fn open(&self) -> Result<Instant, Duration> {
        let closed = self.turns.lock().unwrap_or_else(PoisonError::into_inner).closed;
        let left = closed.saturating_duration_since(Instant::now());
        if left > self.longest_wait { Err(left) } else { Ok(closed) }
    }

    /// When to begin; `None` for now. The turn is taken in either case.
    fn turn(&self) -> Result<Option<Instant>, Duration> {
        self.open()?;
        let now = Instant::now();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let at = turns.next.max(turns.closed).max(now);
        turns.next = at + self.gap;
        Ok((at > now).then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_begin_evenly_spread() {
        let (gate, began) = (Gate::new(8, Duration::from_secs(2), Duration::from_mins(1)), Instant::now());
        for number in 0..4 {
            drop(gate.enter().await.unwrap());
            assert_eq!(began.elapsed().as_secs(), 2 * number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_for_everybody_and_a_long_one_is_an_error() {
        let gate = Gate::new(2, Duration::ZERO, Duration::from_mins(1));
        let began = Instant::now();
        gate.pause(Duration::from_secs(30));
        gate.pause(Duration::from_secs(10));
        drop(gate.enter().await.unwrap());
        assert_eq!(began.elapsed().as_secs(), 30);
        gate.pause(Duration::from_hours(1));
        assert_eq!(gate.enter().await.unwrap_err().as_secs(), 3_600);
        tokio::time::advance(Duration::from_hours(1)).await;
        drop(gate.enter().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_seats() {
        let gate = Gate::new(1, Duration::ZERO, Duration::from_mins(1));
        let seat = gate.enter().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_mins(5), gate.enter()).await.is_err());
        drop(seat);
        drop(gate.enter().await.unwrap());
    }
}
