//! How far a warming is, and how it ended.

use std::time::Duration;

use cache_core::{Error, Key, Result};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Warmed;

/// The most failures that a report names.
const NAMED: usize = 16;

/// How far a warming is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Keys to warm.
    pub total: u64,
    /// Keys refreshed.
    pub refreshed: u64,
    /// Keys that were fresh and left alone.
    pub skipped: u64,
    /// Keys whose refresh failed.
    pub failed: u64,
    /// Keys under way, the longest first.
    pub current: Vec<Key>,
    /// How long the rest takes at the pace so far; `None` before the first key is done, and when it has ended early.
    pub eta: Option<Duration>,
    /// How it ended; `None` while it goes on.
    pub end: Option<WarmEnd>,
}

/// What a warming did. The keys neither refreshed, skipped nor failed were not done when it ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WarmReport {
    /// Why it ended.
    pub end: WarmEnd,
    /// Keys to warm.
    pub total: u64,
    /// Keys refreshed.
    pub refreshed: u64,
    /// Keys that were fresh and left alone.
    pub skipped: u64,
    /// Keys whose refresh failed.
    pub failed: u64,
    /// The first 16 of these, with the reason.
    pub failures: Vec<(Key, Error)>,
    /// How long it took.
    pub took: Duration,
}

/// Why a warming ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarmEnd {
    /// Every key was tried.
    Complete,
    /// It was cancelled or dropped, or its runtime ended.
    Cancelled,
    /// More keys had failed than allowed.
    TooManyFailures,
}

/// What a warming's task writes and its handle reads.
#[derive(Debug)]
pub(super) struct Shared {
    total: u64,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    refreshed: u64,
    skipped: u64,
    failed: u64,
    current: Vec<Key>,
    failures: Vec<(Key, Error)>,
    end: Option<(WarmEnd, Duration)>,
}

impl Shared {
    pub(super) fn new(total: u64) -> Self {
        Self { total, began: Instant::now(), state: Mutex::default() }
    }

    pub(super) fn begin(&self, key: &Key) {
        self.state.lock().current.push(key.clone());
    }

    pub(super) fn done(&self, key: Key, result: Result<Warmed>) {
        let mut state = self.state.lock();
        state.current.retain(|current| *current != key);
        match result {
            Ok(Warmed::Refreshed) => state.refreshed += 1,
            Ok(Warmed::Fresh) => state.skipped += 1,
            Err(error) => {
                state.failed += 1;
                if state.failures.len() < NAMED {
                    state.failures.push((key, error));
                }
            }
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.state.lock().failed
    }

    /// Notes the end; the first one counts.
    pub(super) fn end(&self, end: WarmEnd) {
        let mut state = self.state.lock();
        state.current.clear();
        state.end.get_or_insert((end, self.began.elapsed()));
    }

    pub(super) fn progress(&self) -> WarmProgress {
        let state = self.state.lock();
        WarmProgress {
            total: self.total,
            refreshed: state.refreshed,
            skipped: state.skipped,
            failed: state.failed,
            current: state.current.clone(),
            eta: self.eta(&state),
            end: state.end.map(|(end, _)| end),
        }
    }

    pub(super) fn report(&self) -> WarmReport {
        let state = self.state.lock();
        let (end, took) = state.end.unwrap_or((WarmEnd::Cancelled, self.began.elapsed()));
        WarmReport {
            end,
            total: self.total,
            refreshed: state.refreshed,
            skipped: state.skipped,
            failed: state.failed,
            failures: state.failures.clone(),
            took,
        }
    }

    fn eta(&self, state: &State) -> Option<Duration> {
        let done = state.refreshed + state.skipped + state.failed;
        match state.end {
            Some((WarmEnd::Complete, _)) => Some(Duration::ZERO),
            None if done > 0 => Some(self.began.elapsed().mul_f64((self.total - done) as f64 / done as f64)),
            _ => None,
        }
    }
}
