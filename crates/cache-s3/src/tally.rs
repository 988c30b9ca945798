//! `Tally`: how much there is, counted now and then and kept up to date with what this process does in between.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Age at which a count is made anew.
const MAX_AGE: Duration = Duration::from_mins(10);

/// The last count of objects and their bytes.
#[derive(Debug)]
pub(crate) struct Tally {
    last: Mutex<Option<Count>>,
    /// One counts, the others wait for its count.
    pub(crate) counting: Semaphore,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    at: Instant,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { last: Mutex::new(None), counting: Semaphore::new(1) }
    }

    /// The last count, unless it is too old.
    pub(crate) fn recent(&self) -> Option<Count> {
        self.last.lock().filter(|count| count.at.elapsed() < MAX_AGE)
    }

    pub(crate) fn set(&self, entries: u64, bytes: u64) -> Count {
        let count = Count { entries, bytes, at: Instant::now() };
        *self.last.lock() = Some(count);
        count
    }

    /// Notes that an object of `before` bytes became one of `after` bytes; `None` for absent.
    pub(crate) fn note(&self, before: Option<u64>, after: Option<u64>) {
        if let Some(count) = self.last.lock().as_mut() {
            count.entries = (count.entries + u64::from(after.is_some())).saturating_sub(u64::from(before.is_some()));
            count.bytes = (count.bytes + after.unwrap_or(0)).saturating_sub(before.unwrap_or(0));
        }
    }
}
