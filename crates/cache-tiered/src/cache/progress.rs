//! `Progress`: how far a running load is.

use std::sync::Arc;
use std::time::Duration;

use cache_core::Key;
use tokio::sync::watch;
use tokio::time::Instant;

/// The most characters of a message that are kept.
const MESSAGE: usize = 200;

/// How far a running load is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The key, as the caller gave it.
    pub key: Key,
    /// What it does.
    pub phase: Phase,
    /// The share of the loader's work that is done, between 0 and 1, if the loader tells.
    pub fraction: Option<f64>,
    /// What the loader does, in its own words.
    pub message: Option<Arc<str>>,
    /// The name of its class.
    pub class: Option<Arc<str>>,
    /// Since when it runs.
    pub elapsed: Duration,
    /// When it will probably be done: by the fraction, else by what the value cost when it was loaded last.
    pub eta: Option<Duration>,
    /// How many callers wait for it.
    pub waiting: usize,
}

/// What a running load does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Phase {
    /// It looks into the tiers.
    #[default]
    Searching,
    /// It waits for the load of another process.
    Elsewhere,
    /// It waits for a place in its class.
    Queued,
    /// Its loader runs.
    Loading,
    /// Those who waited have been answered; the value is being stored.
    Storing,
}

/// Follows one load as it goes on.
#[derive(Debug, Clone)]
pub struct ProgressWatch {
    key: Key,
    report: watch::Receiver<Report>,
    waiting: watch::Receiver<super::flight::Crew>,
}

/// What a flight tells of itself.
#[derive(Debug, Clone)]
pub(super) struct Report {
    began: Instant,
    /// When its loader was called.
    loading: Option<Instant>,
    phase: Phase,
    fraction: Option<f64>,
    message: Option<Arc<str>>,
    class: Option<Arc<str>>,
    /// What the value cost when it was loaded last.
    expected: Option<Duration>,
    ended: bool,
}

impl ProgressWatch {
    pub(super) const fn new(
        key: Key,
        report: watch::Receiver<Report>,
        waiting: watch::Receiver<super::flight::Crew>,
    ) -> Self {
        Self { key, report, waiting }
    }

    /// How far the load is.
    pub fn current(&self) -> Progress {
        let report = self.report.borrow();
        Progress {
            key: self.key.clone(),
            phase: report.phase,
            fraction: report.fraction,
            message: report.message.clone(),
            class: report.class.clone(),
            elapsed: report.began.elapsed(),
            eta: report.eta(),
            waiting: self.waiting.borrow().waiting,
        }
    }

    /// Waits until there is something new to tell; `None` when the load has ended. Cancelling it has no effect.
    pub async fn changed(&mut self) -> Option<Progress> {
        if self.report.borrow().has_ended() {
            return None;
        }
        self.report.changed().await.ok()?;
        let ended = self.report.borrow_and_update().has_ended();
        (!ended).then(|| self.current())
    }
}

impl Report {
    pub(super) fn new(class: Option<Arc<str>>) -> Self {
        Self {
            began: Instant::now(),
            loading: None,
            phase: Phase::default(),
            fraction: None,
            message: None,
            class,
            expected: None,
            ended: false,
        }
    }

    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn is_loading(&self) -> bool {
        self.phase == Phase::Loading
    }

    pub(super) fn is_queued(&self) -> bool {
        self.phase == Phase::Queued
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        if phase == Phase::Loading {
            self.loading = Some(Instant::now());
        }
    }

    pub(super) fn expect(&mut self, cost: Duration) {
        // What was put by hand says nothing about how long a load takes.
        self.expected = Some(cost).filter(|cost| !cost.is_zero());
    }

    pub(super) fn told(&mut self, fraction: f64, message: &str) {
        // What is no number is nothing to go by.
        self.fraction = (!fraction.is_nan()).then(|| fraction.clamp(0.0, 1.0));
        if self.message.as_deref() != Some(message) {
            let end = message.char_indices().nth(MESSAGE).map_or(message.len(), |(at, _)| at);
            self.message = (!message.is_empty()).then(|| Arc::from(&message[..end]));
        }
    }

    fn eta(&self) -> Option<Duration> {
        let elapsed = self.loading?.elapsed();
        match (self.fraction, self.expected) {
            (Some(done), _) if done > 0.0 => {
                Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 / done - 1.0)).ok()
            }
            (_, Some(cost)) => Some(cost.saturating_sub(elapsed)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loading() -> Report {
        let mut report = Report::new(None);
        report.enter(Phase::Loading);
        report
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_follows_from_the_fraction_and_without_one_from_the_last_cost() {
        let mut report = loading();
        assert_eq!(report.eta(), None);
        report.expect(Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(report.eta(), Some(Duration::from_secs(6)));
        report.told(0.5, "");
        assert_eq!(report.eta(), Some(Duration::from_secs(4)));
        report.told(1.0, "");
        assert_eq!(report.eta(), Some(Duration::ZERO));
        report.told(f64::MIN_POSITIVE, "");
        assert_eq!(report.eta(), None, "longer than any span");
    }

    #[test]
    fn what_a_loader_tells_is_bounded() {
        let mut report = Report::new(None);
        report.told(7.0, &"ä".repeat(1000));
        assert_eq!((report.fraction, report.message.as_ref().unwrap().chars().count()), (Some(1.0), MESSAGE));
        report.told(f64::NAN, "");
        assert_eq!((report.fraction, report.message.as_deref()), (None, None));
    }
}
