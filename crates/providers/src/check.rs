//! `LinkCheck`: whether a link still works, asked at the place it leads to.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Debug;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Key, Result, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Link;

/// Checks under way at once; a further one is left out.
const AT_ONCE: usize = 8;
/// How long one check may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The most requests whose last check is remembered.
const REMEMBERED: usize = 10_000;

/// Whether a link still works, asked at the place it leads to: a request of its head, or of one byte.
#[async_trait]
pub trait LinkCheck: Debug + Send + Sync + 'static {
    /// What the place says. A failure counts as [`Verdict::Unknown`].
    async fn check(&self, link: &Link) -> Result<Verdict>;
}

#[async_trait]
impl<C: LinkCheck + ?Sized> LinkCheck for Arc<C> {
    async fn check(&self, link: &Link) -> Result<Verdict> {
        (**self).check(link).await
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It works.
    Good,
    /// It does not, and another link has to be found.
    Bad,
    /// Neither: the place was busy or out of reach.
    Unknown,
}

impl Verdict {
    /// What a status of HTTP says about the link that was asked for: 401, 403, 404 and 410 are bad.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Good,
            401 | 403 | 404 | 410 => Self::Bad,
            _ => Self::Unknown,
        }
    }
}

/// Checks, not too many.
pub(crate) struct Checks {
    check: Arc<dyn LinkCheck>,
    gap: Duration,
    seats: Semaphore,
    last: Mutex<Last>,
}

/// When the links of which request were checked last: those of this span of a gap, and those of the span before it. What
/// is older does not matter.
struct Last {
    /// When this span began.
    begun: Timestamp,
    young: HashMap<Key, Timestamp>,
    old: HashMap<Key, Timestamp>,
}

impl Checks {
    pub(crate) fn new(check: Arc<dyn LinkCheck>, gap: Duration) -> Self {
        Self { check, gap, seats: Semaphore::new(AT_ONCE), last: Mutex::new(Last::new()) }
    }

    /// Whether `link`, of the request `key`, was found to be bad. Not checked is not found.
    pub(crate) async fn finds_bad(&self, key: &Key, link: &Link, now: Timestamp) -> bool {
        let Ok(_seat) = self.seats.try_acquire() else { return false };
        if !self.last.lock().is_due(key, now, self.gap) {
            return false;
        }
        match timeout(LIMIT, self.check.check(link)).await {
            Ok(Ok(verdict)) => verdict == Verdict::Bad,
            Ok(Err(error)) => {
                tracing::debug!(%key, %error, "a link could not be checked");
                false
            }
            Err(_) => false,
        }
    }
}

impl Last {
    fn new() -> Self {
        Self { begun: Timestamp::from_millis(0), young: HashMap::new(), old: HashMap::new() }
    }

    /// Whether a check of `key` is due at `now`, which is one then. Takes the same time however many are remembered.
    fn is_due(&mut self, key: &Key, now: Timestamp, gap: Duration) -> bool {
        // A clock that has gone back leaves instants ahead.
        let is_recent = |instant: Timestamp| now.since(instant) < gap && instant.since(now) < gap;
        if !is_recent(self.begun) {
            self.old = mem::take(&mut self.young);
            self.begun = now;
        }
        if [&self.young, &self.old].iter().any(|last| last.get(key).is_some_and(|last| is_recent(*last))) {
            return false;
        }
        // Of more requests than are remembered, some are not checked.
        let has_room = self.young.len() < REMEMBERED / 2;
        if has_room {
            self.young.insert(key.clone(), now);
        }
        has_room
    }
}

impl Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").field("check", &self.check).field("gap", &self.gap).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cache_core::{HOUR, MINUTE};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

    fn key(n: usize) -> Key {
        Key::of("a").part(n).build().unwrap()
    }

    #[test]
    fn of_more_requests_than_are_remembered_some_are_not_checked() {
        let mut last = Last::new();
        for (gaps, start) in [(0, 0), (1, 5), (2, 100_000)] {
            let now = NOW.after(MINUTE * gaps);
            let due = (start..start + 2 * REMEMBERED).filter(|n| last.is_due(&key(*n), now, MINUTE)).count();
            assert_eq!(due, REMEMBERED / 2);
            assert!(last.young.len() + last.old.len() <= REMEMBERED);
        }
    }

    #[test]
    fn a_check_is_due_a_gap_after_the_last_one_and_when_the_clock_has_gone_back() {
        let mut last = Last::new();
        let mut is_due = |n, now| last.is_due(&key(n), now, MINUTE);
        assert!(is_due(0, NOW));
        let later = NOW.after(Duration::from_secs(59));
        assert!(!is_due(0, later) && is_due(1, later));
        assert!(is_due(0, NOW.after(MINUTE)) && !is_due(1, NOW.after(MINUTE)), "what the span before has is known");
        assert!(!is_due(0, later), "clocks differ a little");
        let before = Timestamp::from_millis(NOW.as_millis() - 3_600_000);
        assert!(is_due(0, before) && !is_due(0, before));
        assert!(is_due(0, before.after(HOUR)));
    }
}
