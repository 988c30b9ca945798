//! `Job`: one thing done on every tick, left alone for a while when it fails.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::JobStats;
use crate::guard::contained;

/// The longest rest after failures in a row: 2^5 - 1 ticks.
const LONGEST_REST: u32 = 5;

pub(super) type Work = Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

pub(super) struct Job {
    work: Work,
    stats: Arc<Mutex<JobStats>>,
    failures_in_a_row: u32,
    /// Ticks to leave out.
    rest: u32,
}

impl Job {
    pub(super) fn new(name: &str, work: Work) -> Self {
        let stats = JobStats { name: Arc::from(name), runs: 0, failures: 0, last_error: None };
        Self { work, stats: Arc::new(Mutex::new(stats)), failures_in_a_row: 0, rest: 0 }
    }

    pub(super) fn stats(&self) -> Arc<Mutex<JobStats>> {
        self.stats.clone()
    }

    /// Does the work once, unless it rests; whether it is to be done again. It is not when what it works on is closed.
    pub(super) async fn tick(&mut self, patience: Duration) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return true;
        }
        let run = timeout(patience, contained(async { (self.work)().await })).await;
        let result = run.unwrap_or_else(|_| Err(too_slow(patience)));
        let mut stats = self.stats.lock();
        stats.runs += 1;
        let Err(error) = result else {
            self.failures_in_a_row = 0;
            return true;
        };
        stats.failures += 1;
        stats.last_error = Some(error.to_string());
        if self.failures_in_a_row == 0 {
            tracing::warn!(job = %stats.name, %error, "a job of the sweeper failed");
        }
        self.failures_in_a_row = LONGEST_REST.min(self.failures_in_a_row + 1);
        self.rest = (1 << self.failures_in_a_row) - 1;
        error.kind() != ErrorKind::Closed
    }
}

fn too_slow(patience: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("it took longer than {patience:?} and was stopped"))
}
