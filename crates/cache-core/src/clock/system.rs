//! `SystemClock`: the only place that reads the machine's time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Clock;
use crate::Timestamp;

/// The machine's wall clock, held monotone.
///
/// It follows the wall forward and the monotonic clock otherwise: when the wall is set back, time goes on at its
/// usual pace, so nothing lives longer than its lifetime; when the wall jumps ahead (a suspended laptop), so does
/// this clock, at worst at the price of misses.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    /// Wall milliseconds at `started`, raised whenever the wall is found further ahead.
    offset: AtomicU64,
}

impl SystemClock {
    /// A clock that starts at the wall's current time.
    pub fn new() -> Self {
        Self { started: Instant::now(), offset: AtomicU64::new(wall_millis()) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let wall_offset = wall_millis().saturating_sub(elapsed);
        // Relaxed: the offset is a lone maximum, nothing else is published through it.
        let mut offset = self.offset.load(Ordering::Relaxed);
        if wall_offset > offset {
            offset = self.offset.fetch_max(wall_offset, Ordering::Relaxed).max(wall_offset);
        }
        Timestamp::from_millis(offset.saturating_add(elapsed))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back() {
        let clock = SystemClock::new();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn a_wall_set_back_leaves_the_pace_alone() {
        let clock = SystemClock::new();
        // As if the wall had been an hour ahead when it was last read.
        let ahead = clock.offset.load(Ordering::Relaxed) + 3_600_000;
        clock.offset.store(ahead, Ordering::Relaxed);
        let first = clock.now();
        assert!(first.as_millis() >= ahead);
        assert!(clock.now().since(first).as_secs() < 60);
    }
}
