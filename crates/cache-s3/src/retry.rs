//! How often a request is made again: few times, within the deadline, from a budget that failures use up.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Requests for one answer, the first included.
pub(crate) const ATTEMPTS: u32 = 3;
/// What a retry takes from the budget; a success gives back one.
const PRICE: i64 = 10;
/// What the budget holds at most: 30 retries at once.
const FULL: i64 = 30 * PRICE;
/// Pause before the first retry; doubled for each further one, and shortened by up to a half at random.
const PAUSE: Duration = Duration::from_millis(50);

/// A budget of retries: at most one for every ten successes, after the first 30.
///
/// While a store is down, most calls then cost one request, not three.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(FULL))
    }

    /// Takes one retry; whether there was one.
    pub(crate) fn take(&self) -> bool {
        let spend = |left: i64| (left >= PRICE).then(|| left - PRICE);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }

    /// Notes a success.
    pub(crate) fn earn(&self) {
        // A full budget is the common case and writes nothing.
        if self.0.load(Ordering::Relaxed) < FULL {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The pause before retry number `retry` (from 0), not shorter than what the server has asked for.
pub(crate) fn pause(retry: u32, asked: Option<Duration>) -> Duration {
    let half = PAUSE * (1 << retry.min(6)) / 2;
    let random = RandomState::new().hash_one(retry) as u32;
    let pause = half + half.mul_f64(f64::from(random) / f64::from(u32::MAX));
    pause.max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_comes_back_by_successes() {
        let budget = Budget::new();
        assert_eq!((0..100).filter(|_| budget.take()).count(), 30);
        (0..PRICE).for_each(|_| budget.earn());
        assert!(budget.take() && !budget.take());
    }

    #[test]
    fn a_pause_grows_is_random_and_obeys_the_server() {
        assert!((0..50).all(|_| (PAUSE / 2..=PAUSE).contains(&pause(0, None))));
        assert!((0..50).all(|_| (PAUSE..=2 * PAUSE).contains(&pause(1, None))));
        assert_eq!(pause(0, Some(Duration::from_secs(7))), Duration::from_secs(7));
    }
}
