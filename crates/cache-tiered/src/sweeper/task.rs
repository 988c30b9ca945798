//! What the task of a sweeper does: ticks, and the sweep on each of them.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Backend, Clock, Result};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::job::Job;

/// Counts as they go on.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) ticks: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// Ticks until it is stopped or no job is left. `end` is dropped when that happens.
pub(super) async fn run(
    mut jobs: Vec<Job>,
    mut pauses: Pauses,
    patience: Duration,
    counts: Arc<Counts>,
    mut stopped: watch::Receiver<bool>,
    end: watch::Sender<()>,
) {
    while !jobs.is_empty() && timeout(pauses.next(), stopped.wait_for(|stopped| *stopped)).await.is_err() {
        let mut left = Vec::with_capacity(jobs.len());
        for mut job in jobs {
            if *stopped.borrow() {
                return;
            }
            if job.tick(patience).await {
                left.push(job);
            }
        }
        jobs = left;
        counts.ticks.fetch_add(1, Ordering::Relaxed);
    }
    drop(end);
}

/// The sweep of one backend.
#[derive(Clone)]
pub(super) struct Sweep {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) batch: usize,
    pub(super) batches: u32,
    pub(super) counts: Arc<Counts>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Sweep {
    pub(super) fn into_job(self) -> Job {
        Job::new(
            "sweep",
            Box::new(move || {
                let sweep = self.clone();
                Box::pin(async move { sweep.tick().await })
            }),
        )
    }

    async fn tick(&self) -> Result<()> {
        for _ in 0..self.batches {
            let swept = self.backend.sweep(self.clock.now(), self.batch).await?;
            self.counts.expired.fetch_add(swept.expired, Ordering::Relaxed);
            self.counts.bytes.fetch_add(swept.bytes, Ordering::Relaxed);
            if !swept.more || *self.stopped.borrow() {
                break;
            }
            // A backend in memory never waits: let others run.
            yield_now().await;
        }
        Ok(())
    }
}

/// Pauses between ticks, each of its own length.
#[derive(Debug)]
pub(super) struct Pauses {
    period: Duration,
    jitter: f64,
    /// Seeded at random: hashing the number of a pause draws it.
    hasher: RandomState,
    drawn: u64,
}

impl Pauses {
    pub(super) fn new(period: Duration, jitter: f64) -> Self {
        Self { period, jitter, hasher: RandomState::new(), drawn: 0 }
    }

    fn next(&mut self) -> Duration {
        self.drawn += 1;
        let share = self.hasher.hash_one(self.drawn) as f64 / u64::MAX as f64;
        self.period.mul_f64(1.0 + self.jitter * (2.0 * share - 1.0))
    }
}
