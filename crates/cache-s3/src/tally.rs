//! `Tally`: how much there is, counted now and then and kept up to date with what this process does in between.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::listing::Cursor;

/// Age at which a count is made anew.
const MAX_AGE: Duration = Duration::from_mins(10);
/// The same for a count that may be wrong.
const MAX_AGE_IN_DOUBT: Duration = Duration::from_secs(10);

/// The last count of objects and their bytes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    last: Mutex<Option<Count>>,
    /// One counts, the others wait for its count. What takes longer than a call is gone on with by the next one.
    pub(crate) counting: tokio::sync::Mutex<Counting>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    at: Instant,
    is_in_doubt: bool,
}

/// A count under way.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) pages: usize,
    pub(crate) next: Cursor,
}

/// Held during a request that changes objects: unless it is settled, the last count may be wrong.
#[derive(Debug)]
#[must_use]
pub(crate) struct Doubt<'a>(Option<&'a Tally>);

impl Tally {
    /// The last count.
    pub(crate) fn last(&self) -> Option<Count> {
        *self.last.lock()
    }

    /// The last count, unless it is too old.
    pub(crate) fn recent(&self) -> Option<Count> {
        let max_age = |count: &Count| if count.is_in_doubt { MAX_AGE_IN_DOUBT } else { MAX_AGE };
        self.last().filter(|count| count.at.elapsed() < max_age(count))
    }

    pub(crate) fn set(&self, entries: u64, bytes: u64) -> Count {
        let count = Count { entries, bytes, at: Instant::now(), is_in_doubt: false };
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

    /// What is noted from here on, until it is settled, may not be all.
    pub(crate) fn doubt(&self) -> Doubt<'_> {
        Doubt(Some(self))
    }

    /// As [`note`](Self::note), for the change that `doubt` was about.
    pub(crate) fn settle(&self, doubt: Option<Doubt<'_>>, before: Option<u64>, after: Option<u64>) {
        self.note(before, after);
        doubt.into_iter().for_each(Doubt::settle);
    }
}

impl Doubt<'_> {
    /// What became of the objects is known and noted.
    pub(crate) fn settle(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        let Some(tally) = self.0 else { return };
        if let Some(count) = tally.last.lock().as_mut() {
            count.is_in_doubt = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_good_for_long_unless_the_end_of_a_write_is_unknown() {
        let tally = Tally::default();
        tally.set(1, 100);
        if let Some(count) = tally.last.lock().as_mut() {
            count.at = count.at.checked_sub(MAX_AGE_IN_DOUBT).unwrap_or(count.at);
        }
        tally.settle(Some(tally.doubt()), None, Some(50));
        assert_eq!(tally.recent().map(|count| (count.entries, count.bytes)), Some((2, 150)));
        drop(tally.doubt());
        assert!(tally.recent().is_none());
        tally.set(3, 300);
        assert!(tally.recent().is_some());
    }
}
