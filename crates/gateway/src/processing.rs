//! `Processing`: artifacts that the server is asked to make, a few at a time.

mod fetched;
mod roots;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache_blob::HttpClient;
use cache_core::{Error, ErrorKind, Result};
use futures_util::future::join_all;
use pipeline::{ArtifactCache, Plan, RunReport, RunWatch, Source};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{interval, timeout};

use crate::config::{Config, Pipeline};
use crate::jobs::{Job, JobKind, JobReport, Jobs};
use crate::kinds::Kinds;
use crate::stack::Stack;
use crate::stages::{self, Stages};
use roots::Roots;

/// How often it is told how far a job is.
const PACE: Duration = Duration::from_millis(250);

/// Artifacts that the server is asked to make, a few at a time. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Processing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    artifacts: ArtifactCache,
    stages: Stages,
    settings: Pipeline,
    roots: Roots,
    client: HttpClient,
    /// Places of jobs that run or wait, and of those that run.
    places: Arc<Semaphore>,
    turns: Semaphore,
    closing: watch::Sender<bool>,
}

/// A video that somebody wants artifacts of.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// A file of this machine, as it was named.
    Path(PathBuf),
    /// What is behind a link.
    Url(String),
}

/// Why a video is not processed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It makes no sense.
    Wrong(Error),
    /// It is none that may be asked for.
    Forbidden(String),
    /// There is no such file.
    Absent(String),
    /// Enough wait already.
    Busy,
}

impl Processing {
    /// As `config` says, over `stack`; `client` fetches what is behind links.
    ///
    /// # Errors
    /// `Invalid` for settings that describe no stages.
    pub(crate) fn open(stack: &Stack, config: &Config, client: HttpClient) -> Result<Self> {
        let settings = config.pipeline.clone();
        let (jobs, queue) = (count(settings.jobs), count(settings.queue));
        Ok(Self(Arc::new(Inner {
            artifacts: stages::artifacts(stack, config)?,
            stages: Stages::of(&settings)?,
            roots: Roots::new(&settings.roots.0),
            client,
            places: Arc::new(Semaphore::new(jobs.saturating_add(queue).min(Semaphore::MAX_PERMITS))),
            turns: Semaphore::new(jobs.max(1)),
            closing: watch::Sender::new(false),
            settings,
        })))
    }

    /// The artifacts themselves.
    pub(crate) fn artifacts(&self) -> &ArtifactCache {
        &self.0.artifacts
    }

    /// What makes them.
    pub(crate) fn stages(&self) -> &Stages {
        &self.0.stages
    }

    /// Has `kinds`, or those that are configured, made of `wanted`, by a job that runs when its turn has come.
    ///
    /// # Errors
    /// [`Refused`]: nothing is begun.
    pub(crate) async fn submit(
        &self,
        jobs: &Jobs,
        wanted: Wanted,
        kinds: Option<Kinds>,
    ) -> std::result::Result<JobReport, Refused> {
        let kinds = kinds.unwrap_or_else(|| self.0.settings.kinds());
        self.0.stages.plans(&kinds).map_err(Refused::Wrong)?;
        let wanted = match wanted {
            Wanted::Path(path) => Wanted::Path(self.0.roots.admit(path).await?),
            Wanted::Url(url) => Wanted::Url(fetched::checked(&self.0.client, url)?),
        };
        let place = self.0.places.clone().try_acquire_owned().map_err(|_| Refused::Busy)?;
        let job = jobs.begin(JobKind::Process, &wanted.name()).map_err(|_| Refused::Busy)?;
        let report = job.report();
        let inner = self.0.clone();
        // As many as there are places.
        tokio::spawn(async move { inner.work(job, &wanted, &kinds, place).await });
        Ok(report)
    }

    /// Ends what runs; what was finished is kept.
    ///
    /// # Errors
    /// When the stores take too long.
    pub(crate) async fn close(&self) -> Result<()> {
        self.0.closing.send_replace(true);
        self.0.artifacts.close().await
    }
}

impl Inner {
    async fn work(&self, job: Job, wanted: &Wanted, kinds: &Kinds, _place: OwnedSemaphorePermit) {
        tracing::debug!(job = job.id(), what = %wanted.name(), "asked for");
        let mut closing = self.closing.subscribe();
        let made = tokio::select! {
            made = self.in_turn(&job, wanted, kinds) => made,
            () = job.cancelled() => Err(Error::new(ErrorKind::Closed, "it was cancelled")),
            _ = closing.wait_for(|closing| *closing) => Err(Error::new(ErrorKind::Closed, "the server ends")),
        };
        job.end_with(&made);
    }

    async fn in_turn(&self, job: &Job, wanted: &Wanted, kinds: &Kinds) -> Result<()> {
        let ended = |_| Error::new(ErrorKind::Closed, "the server ends");
        let _turn = self.turns.acquire().await.map_err(ended)?;
        job.run();
        let limit = self.settings.job_limit;
        let late = |_| Error::new(ErrorKind::Timeout, format!("it took longer than {} s", limit.as_secs()));
        timeout(limit, self.make(job, wanted, kinds)).await.map_err(late)?
    }

    async fn make(&self, job: &Job, wanted: &Wanted, kinds: &Kinds) -> Result<()> {
        // A file that was fetched is there for as long as it is worked on.
        let (source, _held) = match wanted {
            Wanted::Path(path) => {
                self.roots.confirm(path).await?;
                (Source::from(path), None)
            }
            Wanted::Url(url) => {
                job.note("fetching");
                let most = self.settings.max_remote.0;
                let held = fetched::fetch(&self.client, url, self.settings.scratch.clone(), most).await?;
                (Source::from(held.path()), Some(held))
            }
        };
        let plans = self.stages.plans(kinds)?;
        let watches: Vec<RunWatch> = plans.iter().map(Plan::watch).collect();
        let runs = join_all(plans.iter().map(|plan| self.artifacts.run(&source, plan)));
        let runs: Vec<RunReport> = tell_until(job, &watches, runs).await.into_iter().collect::<Result<_>>()?;
        if let Wanted::Path(path) = wanted {
            // Before the fingerprint is told, without which nothing can be read of what was made.
            self.roots.confirm(path).await?;
        }
        if let Some(run) = runs.first() {
            job.note(&run.fingerprint.to_string());
        }
        match runs.iter().find_map(RunReport::error) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl Wanted {
    /// What is told of it: of a link nothing that may be secret.
    fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Url(url) => providers::shown(url),
        }
    }
}

/// What `work` gives; meanwhile `job` tells how far the runs are.
async fn tell_until<T>(job: &Job, watches: &[RunWatch], work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let mut pace = interval(PACE);
    loop {
        tokio::select! {
            answer = &mut work => {
                tell(job, watches);
                return answer;
            }
            _ = pace.tick() => tell(job, watches),
        }
    }
}

fn tell(job: &Job, watches: &[RunWatch]) {
    let runs: Vec<_> = watches.iter().map(RunWatch::current).collect();
    let stages = || runs.iter().flat_map(|run| &run.stages);
    let total: u64 = stages().map(|stage| stage.total).sum();
    job.progress(stages().map(|stage| stage.done).sum(), (total > 0).then_some(total));
    let under_way = stages().filter(|stage| stage.done < stage.total).map(|stage| stage.kind);
    job.note(&under_way.collect::<Vec<_>>().join(", "));
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
