//! `Jobs`: what this server works on and what has ended, bounded.

mod handle;
mod report;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use cache_core::{Clock, Error, ErrorKind, Result, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

pub(crate) use handle::Job;
pub(crate) use report::{JobKind, JobReport, JobState};

use handle::Running;

/// Jobs of the registry that wait or run at once.
pub(crate) const MOST_LIVE: usize = 1_000;
/// Ended jobs that are remembered.
pub(crate) const MOST_ENDED: usize = 100;
/// Jobs that one source tells of at most.
const MOST_OF_A_SOURCE: usize = 1_000;
/// Sources at most.
const MOST_SOURCES: usize = 16;

/// What tells of running jobs that are kept elsewhere.
type Source = Arc<dyn Fn() -> Vec<JobReport> + Send + Sync>;

/// What this server works on, and what has ended: [`MOST_LIVE`] jobs that wait or run, the last [`MOST_ENDED`] that ended,
/// and what sources tell of. Cloning shares it. Nothing of it blocks or waits.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
    sources: Mutex<Vec<Source>>,
}

#[derive(Default)]
struct Table {
    begun: u64,
    live: BTreeMap<u64, Arc<Running>>,
    /// The latest last.
    ended: VecDeque<JobReport>,
}

/// What became of the wish to cancel a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cancelled {
    /// Whoever runs it has been told, and ends it in a moment.
    Told(JobReport),
    /// It has ended already.
    Over(JobReport),
    /// Nobody can end it from outside.
    Never(JobReport),
}

impl Jobs {
    /// An empty registry; jobs begin at the time of `clock`.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (table, sources) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { clock, table, sources }))
    }

    /// Adds a job that waits for its turn, until its handle says otherwise. `what` says what is worked on: its first 500
    /// characters are told.
    ///
    /// # Errors
    /// `Unavailable` when [`MOST_LIVE`] jobs wait or run.
    pub(crate) fn begin(&self, kind: JobKind, what: &str) -> Result<Job> {
        let started = self.0.clock.now();
        let mut table = self.0.table.lock();
        if table.live.len() >= MOST_LIVE {
            let message = format!("{MOST_LIVE} jobs wait or run: ask again when some have ended");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        table.begun += 1;
        let number = table.begun;
        // With the time in it, jobs of a server before are no jobs of this one.
        let id = format!("{:x}-{number}", started.as_millis());
        let running = Arc::new(Running::new(id, kind, what, started));
        table.live.insert(number, running.clone());
        drop(table);
        Ok(Job::new(self.clone(), number, running))
    }

    /// As [`begin`](Self::begin), running at once.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(crate) fn start(&self, kind: JobKind, what: &str) -> Result<Job> {
        self.begin(kind, what).inspect(Job::run)
    }

    /// Has `source` tell of jobs that are kept elsewhere, 1,000 at most; they are gone when it tells of them no more. It is
    /// asked often, and may not block. Beyond 16 sources further ones are left out.
    pub(crate) fn also(&self, source: impl Fn() -> Vec<JobReport> + Send + Sync + 'static) {
        let mut sources = self.0.sources.lock();
        if sources.len() < MOST_SOURCES {
            sources.push(Arc::new(source));
        }
    }

    /// All of them: those that wait or run, the oldest first, then what sources tell of, then those that have ended, the
    /// latest first. Costs a copy of each.
    pub(crate) fn list(&self) -> Vec<JobReport> {
        let now = Instant::now();
        let (live, ended) = {
            let table = self.0.table.lock();
            let live: Vec<_> = table.live.values().cloned().collect();
            (live, table.ended.iter().rev().cloned().collect::<Vec<_>>())
        };
        let live = live.iter().map(|running| running.report(now));
        live.chain(self.told()).chain(ended).collect()
    }

    /// The job `id`, if it is known.
    pub(crate) fn get(&self, id: &str) -> Option<JobReport> {
        self.list().into_iter().find(|job| job.id == id)
    }

    /// Asks whoever runs the job `id` to end it. `None` when it is not known.
    pub(crate) fn cancel(&self, id: &str) -> Option<Cancelled> {
        let live = self.0.table.lock().live.values().find(|running| running.id == id).cloned();
        if let Some(running) = live {
            running.cancel.send_replace(true);
            return Some(Cancelled::Told(running.report(Instant::now())));
        }
        let job = self.get(id)?;
        Some(if job.state.has_ended() { Cancelled::Over(job) } else { Cancelled::Never(job) })
    }

    /// The time that jobs begin at.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn told(&self) -> Vec<JobReport> {
        let sources: Vec<Source> = self.0.sources.lock().clone();
        let mut told = Vec::new();
        for source in sources {
            told.extend(source().into_iter().take(MOST_OF_A_SOURCE));
        }
        told
    }

    /// Takes the job `number` out of those that run.
    fn end(&self, number: u64, report: Option<JobReport>) {
        let mut table = self.0.table.lock();
        table.live.remove(&number);
        if let Some(report) = report {
            table.ended.push_back(report);
            while table.ended.len() > MOST_ENDED {
                table.ended.pop_front();
            }
        }
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("live", &self.0.table.lock().live.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
