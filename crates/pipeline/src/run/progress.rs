//! `RunProgress`: how far a run is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::resolved::Resolved;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RunProgress {
    /// Each stage of the plan, in its order.
    pub stages: Vec<StageProgress>,
    /// When everything that has begun will probably be done.
    pub eta: Option<Duration>,
    /// Whether the run has ended.
    pub ended: bool,
}

/// How far one stage is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StageProgress {
    /// Name of the kind.
    pub kind: &'static str,
    /// Segments computed by this run.
    pub done: u64,
    /// Segments found to be missing; 0 until that is known.
    pub total: u64,
    /// When it will probably be done, by what was done so far.
    pub eta: Option<Duration>,
}

/// Follows the runs of a plan.
#[derive(Debug, Clone)]
pub struct RunWatch(watch::Receiver<RunProgress>);

impl RunWatch {
    /// How far it is.
    pub fn current(&self) -> RunProgress {
        self.0.borrow().clone()
    }

    /// Waits until there is something new to tell; `None` once the plan is dropped. Cancelling it has no effect.
    pub async fn changed(&mut self) -> Option<RunProgress> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}

/// Tells of the runs of a plan.
#[derive(Debug, Clone)]
pub(super) struct Teller(Arc<watch::Sender<RunProgress>>);

/// How often it is looked how far stages are.
const PACE: Duration = Duration::from_millis(100);

impl Teller {
    pub(super) fn watch(&self) -> RunWatch {
        RunWatch(self.0.subscribe())
    }

    /// What `work` gives; meanwhile tells how far the stages are.
    pub(super) async fn tell_until<T>(&self, work: impl Future<Output = T>, stages: &[Arc<Resolved>]) -> T {
        tokio::pin!(work);
        let mut pace = tokio::time::interval(PACE);
        let answer = loop {
            tokio::select! {
                answer = &mut work => break answer,
                _ = pace.tick() => self.tell(stages, false),
            }
        };
        self.tell(stages, true);
        answer
    }

    fn tell(&self, stages: &[Arc<Resolved>], ended: bool) {
        let stages: Vec<_> = stages.iter().map(|resolved| resolved.meter.progress(resolved.kind.name)).collect();
        let eta = stages.iter().filter_map(|stage| stage.eta).max();
        let progress = RunProgress { stages, eta, ended };
        self.0.send_if_modified(|told| {
            let news = told.ended != ended || told.stages.len() != progress.stages.len() || !same(told, &progress);
            *told = progress;
            news
        });
    }
}

/// Whether nothing but the estimates has changed.
fn same(told: &RunProgress, now: &RunProgress) -> bool {
    told.stages.iter().zip(&now.stages).all(|(a, b)| (a.done, a.total) == (b.done, b.total))
}

impl Default for Teller {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

/// Counts the segments of one stage as they are computed.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    pub(crate) fn missing(&self, segments: usize) {
        self.total.store(self.done.load(Ordering::Relaxed) + segments as u64, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn progress(&self, kind: &'static str) -> StageProgress {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        let left = total.saturating_sub(done) as f64;
        let eta = (done > 0).then(|| self.began.elapsed().mul_f64(left / done as f64));
        StageProgress { kind, done, total, eta }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self { began: Instant::now(), done: AtomicU64::new(0), total: AtomicU64::new(0) }
    }
}
