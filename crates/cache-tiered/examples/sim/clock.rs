//! `NodeClock`: what one node takes for the time; and how time passes.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Clock, Timestamp};
use cache_testkit::Bench;
use tokio::time::Instant;

/// The farthest that a node's clock is from the true time, in milliseconds: two nodes, or two lives of one, differ by
/// less than ten minutes.
pub(crate) const MOST_OFFSET: i64 = 295_000;

/// Lets `span` pass on the paused time.
pub(crate) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

/// A clock that follows tokio's paused time, with an offset that jumps.
#[derive(Debug)]
pub(crate) struct NodeClock {
    origin: Instant,
    offset: AtomicI64,
    /// What it showed before the last jump, and when that was.
    before: AtomicU64,
    jumped: AtomicU64,
}

impl NodeClock {
    /// A clock without offset at the beginning of the world.
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, offset: AtomicI64::new(0), before: AtomicU64::new(0), jumped: AtomicU64::new(u64::MAX) }
    }

    /// Moves it to `offset` milliseconds from the true time.
    pub(crate) fn set_offset(&self, offset: i64) {
        self.before.store(self.now().as_millis(), Ordering::SeqCst);
        self.jumped.store(self.elapsed(), Ordering::SeqCst);
        self.offset.store(offset.clamp(-MOST_OFFSET, MOST_OFFSET), Ordering::SeqCst);
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }

    /// The least that it has shown at this very instant of the true time.
    pub(crate) fn least(&self) -> Timestamp {
        let now = self.now();
        if self.has_just_jumped() {
            return now.min(Timestamp::from_millis(self.before.load(Ordering::SeqCst)));
        }
        now
    }

    /// The most that it has shown at this very instant of the true time.
    pub(crate) fn most(&self) -> Timestamp {
        let now = self.now();
        if self.has_just_jumped() {
            return now.max(Timestamp::from_millis(self.before.load(Ordering::SeqCst)));
        }
        now
    }

    /// Whether it jumped at this very instant of the true time.
    pub(crate) fn has_just_jumped(&self) -> bool {
        self.jumped.load(Ordering::SeqCst) == self.elapsed()
    }

    fn elapsed(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let true_time = Bench::START.as_millis() + self.elapsed();
        Timestamp::from_millis(true_time.saturating_add_signed(self.offset()))
    }
}
