//! `SystemClock`: the only place that reads the machine's time.

use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(target_os = "linux")]
use std::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};

use super::Clock;
use crate::Timestamp;

/// How far the kernel's coarse clocks may lag: many times the longest tick that kernels are built with, for a virtual
/// processor may lose ticks while another one goes on.
#[cfg(target_os = "linux")]
const COARSE: Duration = Duration::from_millis(250);

/// The machine's wall clock, held monotone.
///
/// It follows the wall forward and the monotonic clock otherwise: when the wall is set back, time goes on at its
/// usual pace, so nothing lives longer than its lifetime; when the wall jumps ahead (a suspended laptop), so does
/// this clock, at worst at the price of misses.
///
/// Each answer reads the monotonic clock; the wall is read once in each of its milliseconds, so a jump ahead is seen at
/// the latest with the next one.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    /// Wall milliseconds at `started`, raised whenever the wall is found further ahead.
    offset: AtomicU64,
    /// Milliseconds from `started` to the last look at the wall.
    looked: AtomicU64,
    /// `started` on the kernel's monotonic clock, in milliseconds.
    #[cfg(target_os = "linux")]
    coarse_start: u64,
}

impl SystemClock {
    /// A clock that starts at the wall's current time.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            offset: AtomicU64::new(wall_millis()),
            looked: AtomicU64::new(0),
            #[cfg(target_os = "linux")]
            coarse_start: coarse_millis(ClockId::Monotonic),
        }
    }

    /// The answer `elapsed` milliseconds after the start. `look` reads the wall, and then how much time has passed: a
    /// pause between the two makes the wall seem behind, which is made good by a later look. The other way around it
    /// would seem to have jumped ahead, and a jump ahead is for ever.
    fn at(&self, elapsed: u64, look: impl FnOnce() -> Look) -> Timestamp {
        // Relaxed: the offset is a lone maximum, nothing else is published through it; who misses what `looked` says
        // looks once more.
        let offset = if self.looked.load(Ordering::Relaxed) == elapsed {
            self.offset.load(Ordering::Relaxed)
        } else {
            self.follow(elapsed, &look())
        };
        Timestamp::from_millis(offset.saturating_add(elapsed))
    }

    #[cold]
    fn follow(&self, elapsed: u64, look: &Look) -> u64 {
        let found = look.wall.saturating_sub(look.elapsed);
        let offset = self.offset.fetch_max(found, Ordering::Relaxed).max(found);
        self.looked.store(elapsed, Ordering::Relaxed);
        offset
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn latest(&self) -> Timestamp {
        let elapsed = || coarse_millis(ClockId::MonotonicCoarse).saturating_sub(self.coarse_start);
        self.at(elapsed(), || Look { wall: coarse_millis(ClockId::RealtimeCoarse), elapsed: elapsed() }).after(COARSE)
    }

    fn now(&self) -> Timestamp {
        let elapsed = || {
            let elapsed = self.started.elapsed();
            elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis())
        };
        self.at(elapsed(), || Look { wall: wall_millis(), elapsed: elapsed() })
    }
}

/// The wall, and the milliseconds from the start to a moment that is not before it was read.
struct Look {
    wall: u64,
    elapsed: u64,
}

/// Milliseconds of a clock that the kernel moves on at each of its ticks: read in a tenth of the time, because the
/// hardware is not asked.
#[cfg(target_os = "linux")]
fn coarse_millis(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1_000_000
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
    fn the_latest_instant_is_never_earlier_than_now_and_hardly_later() {
        let clock = SystemClock::new();
        for _ in 0..200_000 {
            let before = clock.now();
            let latest = clock.latest();
            let after = clock.now();
            assert!(before <= latest, "{before:?} {latest:?}");
            assert!(latest <= after.after(Duration::from_millis(251)), "{latest:?} {after:?}");
        }
    }

    #[test]
    fn a_wall_set_back_leaves_the_pace_alone() {
        let clock = started_at(3_600_000);
        assert_eq!(clock.at(1, || seen(3_600_001, 1)).as_millis(), 3_600_001);
        assert_eq!(clock.at(2, || seen(0, 2)).as_millis(), 3_600_002);
        assert_eq!(clock.at(1_000, || seen(998, 1_000)).as_millis(), 3_601_000);
    }

    #[test]
    fn a_wall_that_jumps_ahead_is_followed_with_the_next_millisecond() {
        let clock = started_at(5_000);
        assert_eq!(clock.at(1, || seen(5_001, 1)).as_millis(), 5_001);
        assert_eq!(clock.at(1, || panic!("it has looked in this millisecond")).as_millis(), 5_001);
        assert_eq!(clock.at(2, || seen(90_000, 2)).as_millis(), 90_000);
        assert_eq!(clock.at(3, || seen(5_003, 3)).as_millis(), 90_001);
    }

    #[test]
    fn a_pause_during_the_look_is_no_jump() {
        let clock = started_at(5_000);
        // Asked at 1, and set aside for 700 ms before, and for 800 ms after, the wall was read.
        assert_eq!(clock.at(1, || seen(5_701, 1_501)).as_millis(), 5_001);
        assert_eq!(clock.at(1_501, || seen(6_501, 1_501)).as_millis(), 6_501);
    }

    fn started_at(wall: u64) -> SystemClock {
        SystemClock { offset: AtomicU64::new(wall), ..SystemClock::new() }
    }

    fn seen(wall: u64, elapsed: u64) -> Look {
        Look { wall, elapsed }
    }
}
