//! From what is wanted to what is there: finds parts, and has those computed that are missing.

mod look;
mod spilled;
mod units;

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_core::{ErrorKind, Key, Result, Stamp};
use cache_tiered::{Hit, Load};
use futures_util::{StreamExt, stream};

pub(crate) use look::{Held, Snapshot, look};

use crate::blame::{blame, is_about_another, is_about_others, unmet};
use crate::origin::stage_error;
use crate::output::{Job, Piece, Sink, Spill, Tally, ends};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::video::Video;
use crate::{Pass, Probe, Segment, Selection, Span, Work};
use look::look_beside;
use spilled::spilled;
use units::{Unit, units};

type Ensuring<'a> = Pin<Box<dyn Future<Output = Result<Snapshot>> + Send + 'a>>;

/// How often others may compute what is missing without its being there afterwards, before it is kept apart from the
/// tiers.
const IDLE_ROUNDS: u32 = 4;
/// How often a computation may fail for another file with the same content.
const ROUNDS: u32 = 16;

/// What is selected of `resolved`, all of it there: what is missing is computed, with its inputs first.
///
/// Dropping it leaves computations to those who wait for them too; with nobody left they are stopped.
pub(crate) fn ensure<'a>(
    shared: &'a Arc<Shared>,
    video: &'a Arc<Video>,
    resolved: &'a Arc<Resolved>,
    selection: &'a Selection,
) -> Ensuring<'a> {
    let call = Call { shared, video, resolved, selection, began: shared.tiers.stamps().tick() };
    Box::pin(async move {
        let mut done = Done::default();
        let mut idle = 0;
        loop {
            let mut snapshot = look_beside(shared, resolved, selection, &done.handed).await?;
            let lacking = snapshot.lacking(selection);
            snapshot.computed = done.given(&snapshot);
            snapshot.tally = done.tally.clone();
            if lacking.is_empty() {
                return Ok(snapshot);
            }
            if idle == IDLE_ROUNDS || lacking.iter().any(|segment| done.has(segment)) {
                return spilled(&call, snapshot, lacking).await;
            }
            let most = snapshot.still_wanted(selection);
            resolved.meter.missing(lacking.len());
            call.inputs(&lacking).await?;
            if resolved.recipe.divisible && !std::mem::replace(&mut done.mended, true) {
                let pieces = snapshot.pieces();
                if !pieces.is_empty() {
                    let (segments, tally) = call.mend(pieces).await?;
                    done.add(segments, &tally);
                    continue;
                }
            }
            let ran = call.run(units(resolved.recipe.pass, lacking, most)).await?;
            idle += u32::from(ran.segments.is_empty() && !ran.waited);
            done.add(ran.segments, &ran.tally);
            done.handed.extend(ran.handed);
        }
    })
}

/// What is wanted.
struct Call<'a> {
    shared: &'a Arc<Shared>,
    video: &'a Arc<Video>,
    resolved: &'a Arc<Resolved>,
    selection: &'a Selection,
    /// When it was asked for. What was begun before may be from before an invalidation.
    began: Stamp,
}

/// What was computed in the course of one call.
#[derive(Default)]
struct Done {
    segments: HashSet<Segment>,
    tally: Tally,
    /// Whether pieces of segments were tried.
    mended: bool,
    /// Parts as they were computed, by segment: the tiers may have dropped them meanwhile.
    handed: HashMap<u32, Bytes>,
}

impl Done {
    fn add(&mut self, segments: Vec<Segment>, tally: &Tally) {
        self.segments.extend(segments);
        self.tally.add(tally);
    }

    /// Whether it was computed in the course of the call: who lacks it has lost it again.
    fn has(&self, segment: &Segment) -> bool {
        self.segments.contains(segment) || self.handed.contains_key(&segment.index)
    }

    fn given(&self, snapshot: &Snapshot) -> Vec<u32> {
        snapshot.wanted.iter().filter(|segment| self.segments.contains(segment)).map(|segment| segment.index).collect()
    }
}

/// From the start of the first of `segments` to the end of the last.
fn stretch(segments: &[Segment]) -> Span {
    let start_us = segments.first().map_or(0, |segment| segment.span.start_us);
    Span { start_us, end_us: segments.last().map_or(start_us, |segment| segment.span.end_us) }
}

/// What became of units.
#[derive(Default)]
struct Ran {
    /// The segments that this call had computed itself, and those that others had and no tier kept.
    segments: Vec<Segment>,
    tally: Tally,
    /// Whether what was waited for was about other segments: of these nothing is known.
    waited: bool,
    /// The parts, of what was begun after the call.
    handed: HashMap<u32, Bytes>,
}

impl Call<'_> {
    /// Computes the inputs for what is lacking, and what they need around it; those of different kinds at the same time.
    /// What only a few things are wanted of asks for its inputs when it gets there.
    async fn inputs(&self, lacking: &[Segment]) -> Result<()> {
        let Self { shared, video, resolved, selection, .. } = *self;
        if selection.most.is_some() {
            return Ok(());
        }
        let gaps: Vec<Selection> = lacking
            .chunk_by(|one, next| one.index + 1 == next.index)
            .map(|gap| Selection::all().span(stretch(gap).widened(resolved.recipe.around)))
            .collect();
        let ensure = |input: &'_ Arc<Resolved>| {
            let (input, gaps) = (input.clone(), &gaps);
            async move {
                for gap in gaps {
                    let found = ensure(shared, video, &input, gap).await;
                    found.map_err(|error| unmet(&video.source, resolved.kind.name, &error))?;
                }
                Ok(())
            }
        };
        futures_util::future::try_join_all(resolved.inputs.iter().map(ensure)).await.map(drop)
    }

    /// Runs `units` as far as the resource allows. After a failure none is begun, and those that run come to their end.
    async fn run(&self, units: Vec<Unit>) -> Result<Ran> {
        let width = match self.resolved.recipe.pass {
            Pass::Each => self.shared.places(self.resolved.recipe.resource),
            Pass::Run => 1,
        };
        let has_failed = AtomicBool::new(false);
        let begun = stream::iter(units).take_while(|_| std::future::ready(!has_failed.load(Ordering::Relaxed)));
        let mut running = begun.map(|unit| self.run_unit(unit)).buffer_unordered(width);
        let (mut all, mut failure) = (Ran::default(), None);
        while let Some(ended) = running.next().await {
            match ended {
                Ok(ran) => {
                    all.segments.extend(ran.segments);
                    all.tally.add(&ran.tally);
                    all.waited |= ran.waited;
                    all.handed.extend(ran.handed);
                }
                Err(error) => {
                    has_failed.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(all), Err)
    }

    async fn run_unit(&self, unit: Unit) -> Result<Ran> {
        let key = self.resolved.job_key(&unit.segments)?;
        let probe = self.video.probe_or_error()?;
        let job = self.job(unit);
        let segments = job.segments.clone();
        let Some(hit) = self.run_job(&key, job, probe).await? else {
            return Ok(Ran { waited: true, ..Ran::default() });
        };
        let tally = hit.value.as_ref();
        if !tally.is_about(&segments) {
            return Ok(Ran { waited: true, ..Ran::default() });
        }
        let is_ours = matches!(hit.origin, cache_tiered::Origin::Loaded);
        // Of somebody else's the next look tells, unless there is nothing to be seen.
        let known = if is_ours || tally.refused > 0 { tally.given.as_slice() } else { &[] };
        let segments = segments.into_iter().filter(|segment| known.binary_search(&segment.index).is_ok()).collect();
        let handed = tally.handed_since(self.began).cloned().unwrap_or_default();
        let mut ran = Ran { segments, handed, ..Ran::default() };
        if is_ours {
            ran.tally.add(tally);
        }
        Ok(ran)
    }

    fn job(&self, Unit { segments, most }: Unit) -> Job {
        let (shared, video, resolved) = (self.shared.clone(), self.video.clone(), self.resolved.clone());
        Job { shared, video, resolved, segments, most, piece: None }
    }

    /// Runs a job, or joins the one of its key. That may be about another file with the same content: whatever befalls
    /// that one is no matter here. `None` when it was about other segments and has failed.
    async fn run_job(&self, key: &Key, job: Job, probe: Arc<Probe>) -> Result<Option<Hit<Tally>>> {
        let (class, source) = (self.shared.class(self.resolved.recipe.resource), &self.video.source);
        let segments = job.segments.clone();
        for _ in 0..ROUNDS {
            let (job, probe) = (job.clone(), probe.clone());
            match self.shared.jobs.request(key).class(class).load(move |load| compute(job, probe, load)).await {
                Ok(hit) => return Ok(Some(hit)),
                Err(error) => match stage_error(error) {
                    error if is_about_others(&segments, &error) => return Ok(None),
                    error if is_about_another(source, &error) => {}
                    error => return Err(error),
                },
            }
        }
        Err(self.resolved.error("fails again and again for another file with the same content"))
    }

    /// Has bundles computed that are gone, each by itself. What comes out differently is left to be computed with its
    /// whole segment; the segments of the others.
    async fn mend(&self, pieces: Vec<Piece>) -> Result<(Vec<Segment>, Tally)> {
        let (mut mended, mut tally, probe) = (Vec::new(), Tally::default(), self.video.probe_or_error()?);
        let mut different: Option<u32> = None;
        for piece in pieces {
            if different == Some(piece.segment.index) {
                continue;
            }
            let key = self.resolved.root.child("mend").part(piece.segment.index).part(piece.number).build()?;
            let whole = self.resolved.axis.segment(piece.segment.index);
            let unit = Unit { segments: vec![piece.segment], most: None };
            let job = Job { piece: Some(piece), ..self.job(unit) };
            match self.run_job(&key, job, probe.clone()).await {
                Ok(Some(hit)) if hit.value.bodies > 0 => {
                    mended.push(whole);
                    tally.add(&hit.value);
                }
                Ok(_) => different = Some(whole.index),
                Err(error) if error.kind() == ErrorKind::Internal => {
                    tracing::debug!(%error, "not mended");
                    different = Some(whole.index);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((mended, tally))
    }
}

async fn compute(job: Job, probe: Arc<Probe>, load: Load) -> Result<Tally> {
    load.set_lifetime(cache_core::ttl(Duration::ZERO));
    if job.piece.is_none() && !is_lacking(&job).await? {
        return Ok(Tally::nothing(ends(&job.segments)));
    }
    perform(job, probe, Some(load), None).await.map(|(tally, _)| tally)
}

/// Whether all that a job is to compute is still not there: while it waited for its turn another process, or somebody
/// whose wishes overlap, may have computed some of it.
async fn is_lacking(job: &Job) -> Result<bool> {
    let selection = Selection::all().span(stretch(&job.segments));
    let lacking = look(&job.shared, &job.resolved, &selection).await?.lacking(&selection);
    let is_lacking = |segment: &Segment| lacking.binary_search_by_key(&segment.index, |lacks| lacks.index).is_ok();
    Ok(job.segments.iter().all(is_lacking))
}

async fn perform(
    job: Job,
    probe: Arc<Probe>,
    load: Option<Load>,
    spill: Option<Spill>,
) -> Result<(Tally, Option<Spill>)> {
    let (video, resolved, about) = (job.video.clone(), job.resolved.clone(), ends(&job.segments));
    let work = Work::new(job.clone(), probe);
    let mut sink = Sink::new(job, load, spill);
    let computed = resolved.stage.compute_into(&work, &mut sink).await;
    computed.and_then(|()| sink.finish()).map_err(|error| blame(&video.source, about, resolved.kind.name, &error))
}
