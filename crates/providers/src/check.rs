//! `LinkCheck`: whether a link still works, asked at the place it leads to.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Debug;
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
    last: Mutex<HashMap<Key, Timestamp>>,
}

impl Checks {
    pub(crate) fn new(check: Arc<dyn LinkCheck>, gap: Duration) -> Self {
        Self { check, gap, seats: Semaphore::new(AT_ONCE), last: Mutex::default() }
    }

    /// Whether `link`, of the request `key`, was found to be bad. Not checked is not found.
    pub(crate) async fn finds_bad(&self, key: &Key, link: &Link, now: Timestamp) -> bool {
        let Ok(_seat) = self.seats.try_acquire() else { return false };
        if !self.is_due(key, now) {
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

    fn is_due(&self, key: &Key, now: Timestamp) -> bool {
        let mut last = self.last.lock();
        if last.get(key).is_some_and(|last| now < last.after(self.gap)) {
            return false;
        }
        if last.len() >= REMEMBERED {
            last.retain(|_, last| now < last.after(self.gap));
        }
        // Of more requests than are remembered, some are not checked.
        last.len() < REMEMBERED && last.insert(key.clone(), now).is_none_or(|before| before <= now)
    }
}

impl Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").field("check", &self.check).field("gap", &self.gap).finish_non_exhaustive()
    }
}
