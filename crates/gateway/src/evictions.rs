//! `Evictions`: which entries left a tier by themselves last.

use std::collections::VecDeque;
use std::sync::Arc;

use cache_core::{Cause, Clock, Evicted, EvictionListener, Key, Timestamp};
use parking_lot::Mutex;

/// The most that is remembered of a tier.
const MOST: usize = 25;

/// The entries that left one tier by themselves last. Bounded; whoever drops an entry never waits for it, so of those that
/// leave at the same moment some may be missing.
#[derive(Debug)]
pub(crate) struct Evictions {
    clock: Arc<dyn Clock>,
    gone: Mutex<VecDeque<Gone>>,
}

/// An entry that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) key: Key,
    pub(crate) cause: Cause,
    /// Bytes of the medium.
    pub(crate) weight: u64,
    /// When the load that made it began,
    pub(crate) made: Timestamp,
    /// and when it left.
    pub(crate) at: Timestamp,
}

impl Evictions {
    /// Nothing has left; `clock` tells when something does.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, gone: Mutex::new(VecDeque::with_capacity(MOST)) }
    }

    /// What has left, the latest first.
    pub(crate) fn latest(&self) -> Vec<Gone> {
        self.gone.lock().iter().rev().cloned().collect()
    }
}

impl EvictionListener for Evictions {
    fn evicted(&self, gone: &Evicted<'_>) {
        let Some(mut latest) = self.gone.try_lock() else { return };
        let Evicted { key, cause, weight, made, .. } = *gone;
        if latest.len() == MOST {
            latest.pop_front();
        }
        latest.push_back(Gone { key: key.clone(), cause, weight, made, at: self.clock.now() });
    }
}

#[cfg(test)]
mod tests {
    use cache_core::ManualClock;

    use super::*;

    #[test]
    fn the_latest_are_remembered_and_no_more() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let evictions = Evictions::new(clock.clone());
        for number in 0..100 {
            let key = Key::of("a").part(number).build().unwrap();
            clock.set(Timestamp::from_millis(1_000 + number));
            evictions.evicted(&Evicted::new(&key, Cause::Capacity, number, Timestamp::from_millis(5)));
        }
        let told = evictions.latest();
        assert_eq!(told.len(), MOST);
        assert_eq!((told[0].key.as_str(), told[0].weight, told[0].at.as_millis()), ("a:99", 99, 1_099));
        assert_eq!(told[MOST - 1].key.as_str(), "a:75");
    }

    #[test]
    fn whoever_drops_an_entry_does_not_wait_for_who_looks() {
        let evictions = Evictions::new(Arc::new(ManualClock::new(Timestamp::EPOCH)));
        let key = Key::of("a").build().unwrap();
        let looking = evictions.gone.lock();
        evictions.evicted(&Evicted::new(&key, Cause::Expired, 1, Timestamp::EPOCH));
        drop(looking);
        assert_eq!(evictions.latest(), []);
    }
}
