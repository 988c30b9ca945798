//! `Clock`: the one source of time, as a value that callers pass in.

mod manual;
mod system;

use std::fmt::Debug;
use std::sync::Arc;

pub use manual::ManualClock;
pub use system::SystemClock;

use crate::Timestamp;

/// A source of time that never moves backwards within a process.
///
/// Deadlines are wall-clock instants because they outlive processes; a clock that went back would serve what had
/// expired already.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current instant. Cheap and non-blocking; at least as late as any earlier answer.
    fn now(&self) -> Timestamp;

    /// An instant not earlier than now, and later by 250 ms at most, where that is cheaper to have: enough for whoever
    /// has to know that a deadline has not come yet. The provided version is [`now`](Self::now).
    fn latest(&self) -> Timestamp {
        self.now()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn latest(&self) -> Timestamp {
        (**self).latest()
    }
}
