//! Stamps: a hybrid logical clock that orders writes of one key.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Clock, Timestamp};

const COUNTER_BITS: u32 = 16;

/// A position in the order of writes: 48 bits of milliseconds and a 16-bit counter, compared as one number.
///
/// A value carries the stamp taken when its load *started*, so whatever happened to the key during the load is
/// newer. After Kulkarni et al., "Logical Physical Clocks" (2014).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(u64);

impl Stamp {
    /// Older than every stamp that a clock hands out.
    pub const ZERO: Self = Self(0);

    /// The stamp with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The stamp as one number that orders like the stamp.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The first stamp of an instant. Instants beyond 48 bits of milliseconds (year 10889) count as that end.
    pub const fn first_of(instant: Timestamp) -> Self {
        let millis = instant.as_millis();
        let end = (1 << (u64::BITS - COUNTER_BITS)) - 1;
        Self((if millis < end { millis } else { end }) << COUNTER_BITS)
    }

    /// The number of the [clock](Hlc::of_node) that has handed it out: stamps of one clock are in the order in which
    /// they were taken.
    pub const fn node(self) -> u8 {
        self.0 as u8
    }

    /// The wall-clock part.
    pub const fn instant(self) -> Timestamp {
        Timestamp::from_millis(self.0 >> COUNTER_BITS)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> COUNTER_BITS, self.0 & ((1 << COUNTER_BITS) - 1))
    }
}

/// Hands out strictly increasing [`Stamp`]s that stay close to a wall clock and newer than every stamp seen.
#[derive(Debug)]
pub struct Hlc {
    clock: Arc<dyn Clock>,
    last: AtomicU64,
    /// The lowest bits of its stamps.
    node: u8,
}

impl Hlc {
    /// How far ahead of the clock a foreign stamp may pull this one.
    pub const MAX_AHEAD: Duration = Duration::from_mins(10);

    /// A hybrid clock over `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of_node(clock, 0)
    }

    /// A hybrid clock over `clock` whose stamps end in `node`, so that two processes with different numbers never hand
    /// out the same stamp. It hands out 256 stamps in a millisecond before it runs ahead of the clock.
    pub fn of_node(clock: Arc<dyn Clock>, node: u8) -> Self {
        Self { clock, last: AtomicU64::new(0), node }
    }

    /// The next stamp, newer than every one handed out or observed. Lock-free.
    pub fn tick(&self) -> Stamp {
        let wall = Stamp::first_of(self.clock.now()).0;
        let next = |last: u64| {
            let least = wall.max(last.saturating_add(1));
            let ending = (least & !0xff) | u64::from(self.node);
            if ending < least { ending.saturating_add(0x100) } else { ending }
        };
        // Relaxed: the order of stamps is the order of this one atomic.
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        Stamp(next(last.unwrap_or_else(|last| last)))
    }

    /// Takes note of a stamp from another process or an earlier run, so that the next tick is newer.
    ///
    /// Returns whether the stamp was taken: one more than [`Hlc::MAX_AHEAD`] in the future is the mark of a
    /// broken clock elsewhere and is not followed.
    pub fn observe(&self, stamp: Stamp) -> bool {
        let limit = Stamp::first_of(self.clock.now().after(Self::MAX_AHEAD));
        let plausible = stamp <= limit;
        if plausible {
            self.last.fetch_max(stamp.0, Ordering::Relaxed);
        }
        plausible
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    fn at(millis: u64) -> (Arc<ManualClock>, Hlc) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(millis)));
        (clock.clone(), Hlc::new(clock))
    }

    #[test]
    fn ticks_increase_within_a_millisecond_and_across_a_clock_set_back() {
        let (clock, hlc) = at(1_000_000);
        let first = hlc.tick();
        let second = hlc.tick();
        clock.set(Timestamp::from_millis(10));
        let third = hlc.tick();
        assert!(first < second && second < third);
        assert_eq!(third.instant(), Timestamp::from_millis(1_000_000));
    }

    #[test]
    fn processes_with_different_numbers_never_hand_out_the_same_stamp() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let nodes = [0, 7, 255].map(|node| Hlc::of_node(clock.clone(), node));
        let mut stamps: Vec<Stamp> = Vec::new();
        for _ in 0..1_000 {
            let ticks = nodes.each_ref().map(Hlc::tick);
            assert!(nodes.iter().all(|hlc| hlc.observe(ticks[1])));
            stamps.extend(ticks);
        }
        stamps.sort_unstable();
        stamps.dedup();
        assert_eq!(stamps.len(), 3_000);
    }

    #[test]
    fn an_observed_stamp_is_older_than_the_next_tick() {
        let (_, hlc) = at(1_000_000);
        let foreign = Stamp::first_of(Timestamp::from_millis(1_060_000));
        assert!(hlc.observe(foreign));
        assert!(hlc.tick() > foreign);
    }

    #[test]
    fn an_older_stamp_observed_does_not_turn_the_clock_back() {
        let (_, hlc) = at(1_000_000);
        let last = hlc.tick();
        assert!(hlc.observe(Stamp::from_u64(1)));
        assert!(hlc.tick() > last);
    }

    #[test]
    fn a_stamp_from_a_broken_clock_is_not_followed() {
        let (_, hlc) = at(1_000_000);
        assert!(!hlc.observe(Stamp::from_u64(u64::MAX)));
        assert_eq!(hlc.tick().instant(), Timestamp::from_millis(1_000_000));
    }

    #[test]
    fn the_end_of_time_does_not_wrap() {
        assert!(Stamp::first_of(Timestamp::NEVER) > Stamp::first_of(Timestamp::from_millis(1)));
    }
}
