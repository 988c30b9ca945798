//! `Job`: a job of the registry in the hands of whoever runs it.

use std::sync::Arc;

use cache_core::{Result, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Jobs;
use super::report::{JobKind, JobReport, JobState, NOTE, WHAT, rfc3339, rounded, shortened};

/// The most characters of an error.
const ERROR: usize = 1_000;

/// A job in the hands of whoever runs it. Dropped without a word of its end it counts as cancelled, or as failed when that
/// is by a panic.
#[derive(Debug)]
pub(crate) struct Job {
    jobs: Jobs,
    number: u64,
    running: Arc<Running>,
    has_ended: bool,
}

/// A job that waits or runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: String,
    kind: JobKind,
    what: String,
    started: Timestamp,
    since: Instant,
    pub(super) cancel: watch::Sender<bool>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Clone)]
struct Progress {
    /// Since when it runs.
    runs: Option<Instant>,
    done: u64,
    total: Option<u64>,
    note: Option<String>,
}

impl Job {
    pub(super) fn new(jobs: Jobs, number: u64, running: Arc<Running>) -> Self {
        Self { jobs, number, running, has_ended: false }
    }

    /// Its name.
    pub(crate) fn id(&self) -> &str {
        &self.running.id
    }

    /// How far it is.
    pub(crate) fn report(&self) -> JobReport {
        self.running.report(Instant::now())
    }

    /// Its turn has come.
    pub(crate) fn run(&self) {
        self.change(|progress| progress.runs = progress.runs.or_else(|| Some(Instant::now())));
    }

    /// So much is done, of so much where that is known.
    pub(crate) fn progress(&self, done: u64, total: Option<u64>) {
        self.change(|progress| (progress.done, progress.total) = (done, total));
    }

    /// What it does at this moment, in 200 characters.
    pub(crate) fn note(&self, note: &str) {
        self.change(|progress| progress.note = Some(shortened(note, NOTE)).filter(|note| !note.is_empty()));
    }

    /// Whether somebody wants it to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        *self.running.cancel.borrow()
    }

    /// Waits until somebody wants it to end. Dropping the future has no effect.
    pub(crate) async fn cancelled(&self) {
        // The sender lives as long as this handle.
        drop(self.running.cancel.subscribe().wait_for(|cancelled| *cancelled).await);
    }

    /// It is done.
    pub(crate) fn finish(mut self) {
        self.end(Some((JobState::Done, None)));
    }

    /// It has failed; cancelled, when somebody wanted that.
    pub(crate) fn fail(mut self, error: &str) {
        tracing::info!(job = self.id(), error, "a job ends early");
        let state = if self.is_cancelled() { JobState::Cancelled } else { JobState::Failed };
        self.end(Some((state, (state == JobState::Failed).then_some(error))));
    }

    /// As `result` says.
    pub(crate) fn end_with<T>(self, result: &Result<T>) {
        match result {
            Ok(_) => self.finish(),
            Err(error) => self.fail(&crate::told(error)),
        }
    }

    /// It leaves no trace: another job goes on with what it did.
    pub(crate) fn forget(mut self) {
        self.end(None);
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.running.progress.lock());
    }

    fn end(&mut self, how: Option<(JobState, Option<&str>)>) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let ended = how.map(|(state, error)| JobReport {
            state,
            eta_seconds: None,
            error: error.map(|error| shortened(error, ERROR)),
            cancellable: false,
            ..self.report()
        });
        self.jobs.end(self.number, ended);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.end(Some((JobState::Failed, Some("it panicked: the log says where"))));
        } else {
            self.end(Some((JobState::Cancelled, None)));
        }
    }
}

impl Running {
    pub(super) fn new(id: String, kind: JobKind, what: &str, started: Timestamp) -> Self {
        let progress = Progress { runs: None, done: 0, total: None, note: None };
        Self {
            id,
            kind,
            what: shortened(what, WHAT),
            started,
            since: Instant::now(),
            cancel: watch::Sender::new(false),
            progress: Mutex::new(progress),
        }
    }

    pub(super) fn report(&self, now: Instant) -> JobReport {
        let progress = self.progress.lock().clone();
        JobReport {
            id: self.id.clone(),
            kind: self.kind,
            what: self.what.clone(),
            state: if progress.runs.is_some() { JobState::Running } else { JobState::Waiting },
            started: rfc3339(self.started),
            seconds: rounded(now.duration_since(self.since).as_secs_f64()),
            done: progress.done,
            total: progress.total,
            unit: self.kind.unit(),
            eta_seconds: progress.eta(now).map(rounded),
            note: progress.note,
            error: None,
            cancellable: !*self.cancel.borrow(),
        }
    }
}

impl Progress {
    /// Seconds, as the part that is done took.
    fn eta(&self, now: Instant) -> Option<f64> {
        let (since, total) = (self.runs?, self.total?);
        let rest = total.saturating_sub(self.done) as f64;
        (self.done > 0).then(|| now.duration_since(since).as_secs_f64() * rest / self.done as f64)
    }
}
