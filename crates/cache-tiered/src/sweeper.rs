//! `Sweeper`: a task that sweeps a backend again and again.

mod job;
mod task;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::{Backend, Clock, DAY, Error, ErrorKind, MINUTE, Result, SystemClock};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use job::Job;
use task::{Counts, Pauses, Sweep};

/// How long closing waits for the job under way.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);

/// A task that drops expired entries of a backend, a bounded number on every tick. Dropping it stops the task at once.
///
/// # Jobs
/// The sweep is the first job of every tick; those added with [`also`](SweeperBuilder::also) follow, one after
/// another. A job that fails, panics or exceeds its patience is counted and rests: for one tick after the first
/// failure, then 3, 7, 15 and at most 31, until it succeeds. The others go on. A job that finds its backend closed is
/// given up; the task ends with the last one.
///
/// ```
/// # use std::sync::Arc;
/// # use cache_core::{Backend, Key, MINUTE, Result};
/// # use cache_mem::MemBackend;
/// # use cache_tiered::{Popularity, Sweeper};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let backend: Arc<dyn Backend> = Arc::new(MemBackend::new(64 << 20));
/// let popularity = Popularity::builder().build();
/// let key = Key::of("popularity").build()?;
/// let store = {
///     let backend = backend.clone();
///     move || {
///         let (popularity, backend, key) = (popularity.clone(), backend.clone(), key.clone());
///         async move { popularity.store(&backend, &key).await }
///     }
/// };
/// let sweeper = Sweeper::builder(backend.clone()).period(5 * MINUTE).also("store popularity", store).start()?;
///
/// sweeper.close().await?;
/// backend.close().await
/// # }
/// ```
pub struct Sweeper {
    counts: Arc<Counts>,
    jobs: Vec<Arc<Mutex<JobStats>>>,
    stop: watch::Sender<bool>,
    /// Its sender is dropped when the task ends.
    ended: watch::Receiver<()>,
    task: AbortHandle,
}

/// Figures of a [`Sweeper`] since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SweeperStats {
    /// Whether its task goes on. It ends when it is closed or stopped, when no job is left, and with its runtime.
    pub running: bool,
    /// Ticks that ended.
    pub ticks: u64,
    /// Expired entries that its sweeps dropped.
    pub expired: u64,
    /// Bytes of the medium that became free by that.
    pub bytes: u64,
    /// Its jobs: the sweep, then the others in their order.
    pub jobs: Vec<JobStats>,
}

/// Figures of one job of a [`Sweeper`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobStats {
    /// Its name.
    pub name: Arc<str>,
    /// Runs that ended, failures included.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// The last failure.
    pub last_error: Option<String>,
}

/// Sets up a [`Sweeper`].
#[must_use = "a builder sweeps nothing until it is started"]
pub struct SweeperBuilder {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    period: Duration,
    jitter: f64,
    batch: usize,
    batches: u32,
    patience: Duration,
    others: Vec<Job>,
}

impl Sweeper {
    /// Starts to set up a sweeper of `backend`: every minute, up to ten batches of 1,000 entries.
    pub fn builder(backend: impl Backend) -> SweeperBuilder {
        SweeperBuilder {
            backend: Arc::new(backend),
            clock: Arc::new(SystemClock::new()),
            period: MINUTE,
            jitter: 0.1,
            batch: 1_000,
            batches: 10,
            patience: MINUTE,
            others: Vec::new(),
        }
    }

    /// The figures of now.
    pub fn stats(&self) -> SweeperStats {
        SweeperStats {
            // An error: the sender is gone, and the task with it.
            running: self.ended.has_changed().is_ok(),
            ticks: self.counts.ticks.load(Ordering::Relaxed),
            expired: self.counts.expired.load(Ordering::Relaxed),
            bytes: self.counts.bytes.load(Ordering::Relaxed),
            jobs: self.jobs.iter().map(|job| job.lock().clone()).collect(),
        }
    }

    /// Ends the task: after the job under way, a sweep after its batch. The backend stays open. A second call succeeds.
    ///
    /// Cancelling it leaves the task ending.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when the job under way took longer than half a minute; it is stopped then.
    pub async fn close(&self) -> Result<()> {
        self.stop.send_replace(true);
        let mut ended = self.ended.clone();
        if timeout(CLOSE_LIMIT, ended.changed()).await.is_ok() {
            return Ok(());
        }
        self.task.abort();
        let message = format!("a job of the sweeper has not ended within {CLOSE_LIMIT:?} and was stopped");
        Err(Error::new(ErrorKind::Timeout, message).with_operation("close"))
    }
}

impl SweeperBuilder {
    /// Sets the pause between ticks, from a millisecond to a day. The default is a minute.
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period.clamp(Duration::from_millis(1), DAY);
        self
    }

    /// Sets by which share of the period, 0 to 1, each pause is longer or shorter at random, so that processes started
    /// together do not tick together; what is no number counts as 0. The default is 0.1.
    pub fn jitter(mut self, share: f64) -> Self {
        // Neither a share below zero nor one that is no number passes the comparison.
        self.jitter = if share > 0.0 { share.min(1.0) } else { 0.0 };
        self
    }

    /// Sets how many entries one call of the backend drops at most, at least one. The default is 1,000.
    pub fn batch(mut self, entries: usize) -> Self {
        self.batch = entries.max(1);
        self
    }

    /// Sets how many batches one tick drops at most, at least one. The default is 10; what remains waits for the next
    /// tick.
    pub fn batches(mut self, batches: u32) -> Self {
        self.batches = batches.max(1);
        self
    }

    /// Sets how long a job may take on one tick before it is stopped. The default is a minute.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets the source of time that decides what has expired. The default is a [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a job to every tick, e.g. one that stores a [`Popularity`](crate::Popularity) or publishes figures. It may
    /// be dropped at any await point: when it exceeds its patience, and when the sweeper is dropped.
    pub fn also<F, W>(mut self, name: &str, work: F) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<()>> + Send + 'static,
    {
        self.others.push(Job::new(name, Box::new(move || Box::pin(work()))));
        self
    }

    /// Starts the task; the first tick is a period from now.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] outside a Tokio runtime.
    pub fn start(self) -> Result<Sweeper> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(Error::new(ErrorKind::Invalid, "a sweeper is started within a Tokio runtime"));
        };
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(());
        let counts = Arc::new(Counts::default());
        let Self { backend, clock, batch, batches, .. } = self;
        let sweep = Sweep { backend, clock, batch, batches, counts: counts.clone(), stopped: stopped.clone() };
        let mut jobs = vec![sweep.into_job()];
        jobs.extend(self.others);
        let stats = jobs.iter().map(Job::stats).collect();
        let pauses = Pauses::new(self.period, self.jitter);
        let task = runtime.spawn(task::run(jobs, pauses, self.patience, counts.clone(), stopped, end));
        Ok(Sweeper { counts, jobs: stats, stop, ended, task: task.abort_handle() })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SweeperBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SweeperBuilder")
            .field("backend", &self.backend)
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
