//! From what is wanted to what is there: finds parts, and has those computed that are missing.

mod look;
mod units;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Key, Result};
use cache_tiered::{Hit, Load};
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

pub(crate) use look::{Held, Snapshot, look};

use crate::blame::{blame, is_about_another, is_about_others, unmet};
use crate::origin::stage_error;
use crate::output::{Job, Piece, Sink, Spill, Tally, ends};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::video::Video;
use crate::{Pass, Probe, Segment, Selection, Span, Work};
use units::{Unit, units};

type Ensuring<'a> = Pin<Box<dyn Future<Output = Result<Snapshot>> + Send + 'a>>;

/// How often others may compute what is missing without its being there afterwards.
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
    Box::pin(async move {
        let mut done = Done::default();
        let mut idle = 0;
        while idle < ROUNDS {
            let mut snapshot = look(shared, resolved, selection).await?;
            let lacking = snapshot.lacking(selection);
            snapshot.computed = done.given(&snapshot);
            snapshot.tally = done.tally.clone();
            if lacking.is_empty() {
                return Ok(snapshot);
            }
            if lacking.iter().any(|segment| done.segments.contains(segment)) {
                return privately(shared, video, resolved, selection, snapshot, lacking).await;
            }
            let most = snapshot.still_wanted(selection);
            resolved.meter.missing(lacking.len());
            inputs(shared, video, resolved, selection, &lacking).await?;
            if resolved.recipe.divisible && !std::mem::replace(&mut done.mended, true) {
                let pieces = snapshot.pieces();
                if !pieces.is_empty() {
                    let (segments, tally) = mend(shared, video, resolved, pieces).await?;
                    done.add(segments, &tally);
                    continue;
                }
            }
            let units = units(resolved.recipe.pass, lacking, most);
            let ran = run(shared, video, resolved, units).await?;
            idle += u32::from(ran.segments.is_empty() && !ran.waited);
            done.add(ran.segments, &ran.tally);
        }
        Err(resolved.error("keeps being removed while it is computed"))
    })
}

/// What was computed in the course of one call.
#[derive(Default)]
struct Done {
    segments: HashSet<Segment>,
    tally: Tally,
    /// Whether pieces of segments were tried.
    mended: bool,
}

impl Done {
    fn add(&mut self, segments: Vec<Segment>, tally: &Tally) {
        self.segments.extend(segments);
        self.tally.add(tally);
    }

    fn given(&self, snapshot: &Snapshot) -> Vec<u32> {
        snapshot.wanted.iter().filter(|segment| self.segments.contains(segment)).map(|segment| segment.index).collect()
    }
}

/// Computes the inputs for what is lacking, and what they need around it; those of different kinds at the same time.
/// What only a few things are wanted of asks for its inputs when it gets there.
async fn inputs(
    shared: &Arc<Shared>,
    video: &Arc<Video>,
    resolved: &Arc<Resolved>,
    selection: &Selection,
    lacking: &[Segment],
) -> Result<()> {
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
}

/// Runs `units` as far as the resource allows. After a failure none is begun, and those that run come to their end.
async fn run(shared: &Arc<Shared>, video: &Arc<Video>, resolved: &Arc<Resolved>, units: Vec<Unit>) -> Result<Ran> {
    let width = match resolved.recipe.pass {
        Pass::Each => shared.places(resolved.recipe.resource),
        Pass::Run => 1,
    };
    let has_failed = AtomicBool::new(false);
    let begun = stream::iter(units).take_while(|_| std::future::ready(!has_failed.load(Ordering::Relaxed)));
    let mut running = begun.map(|unit| run_unit(shared, video, resolved, unit)).buffer_unordered(width);
    let (mut all, mut failure) = (Ran::default(), None);
    while let Some(ended) = running.next().await {
        match ended {
            Ok(ran) => {
                all.segments.extend(ran.segments);
                all.tally.add(&ran.tally);
                all.waited |= ran.waited;
            }
            Err(error) => {
                has_failed.store(true, Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or(Ok(all), Err)
}

async fn run_unit(shared: &Arc<Shared>, video: &Arc<Video>, resolved: &Arc<Resolved>, unit: Unit) -> Result<Ran> {
    let Unit { segments, most } = unit;
    let key = resolved.job_key(&segments)?;
    let probe = video.probe_or_error()?;
    let job =
        Job { shared: shared.clone(), video: video.clone(), resolved: resolved.clone(), segments, most, piece: None };
    let segments = job.segments.clone();
    let Some(hit) = run_job(shared, &key, job, probe).await? else { return Ok(Ran { waited: true, ..Ran::default() }) };
    let tally = hit.value.as_ref();
    if !tally.is_about(&segments) {
        return Ok(Ran { waited: true, ..Ran::default() });
    }
    let is_ours = matches!(hit.origin, cache_tiered::Origin::Loaded);
    // Of somebody else's the next look tells, unless there is nothing to be seen.
    let known = if is_ours || tally.refused > 0 { tally.given.as_slice() } else { &[] };
    let segments = segments.into_iter().filter(|segment| known.binary_search(&segment.index).is_ok()).collect();
    Ok(Ran { segments, tally: if is_ours { tally.clone() } else { Tally::default() }, waited: false })
}

/// Runs a job, or joins the one of its key. That may be about another file with the same content: whatever befalls that
/// one is no matter here. `None` when it was about other segments and has failed.
async fn run_job(shared: &Arc<Shared>, key: &Key, job: Job, probe: Arc<Probe>) -> Result<Option<Hit<Tally>>> {
    let (class, source) = (shared.class(job.resolved.recipe.resource), job.video.source.clone());
    let segments = job.segments.clone();
    for _ in 0..ROUNDS {
        let (job, probe) = (job.clone(), probe.clone());
        match shared.jobs.request(key).class(class).load(move |load| compute(job, probe, load)).await {
            Ok(hit) => return Ok(Some(hit)),
            Err(error) => match stage_error(error) {
                error if is_about_others(&segments, &error) => return Ok(None),
                error if is_about_another(&source, &error) => {}
                error => return Err(error),
            },
        }
    }
    Err(job.resolved.error("fails again and again for another file with the same content"))
}

async fn compute(job: Job, probe: Arc<Probe>, load: Load) -> Result<Tally> {
    load.set_lifetime(cache_core::ttl(Duration::ZERO));
    if job.piece.is_none() && !is_lacking(&job).await? {
        return Ok(Tally { about: ends(&job.segments), ..Tally::default() });
    }
    job.shared.note(&job.video, job.resolved.identity.chain()).await;
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

/// Has bundles computed that are gone, each by itself. What comes out differently is left to be computed with its
/// whole segment; the segments of the others.
async fn mend(
    shared: &Arc<Shared>,
    video: &Arc<Video>,
    resolved: &Arc<Resolved>,
    pieces: Vec<Piece>,
) -> Result<(Vec<Segment>, Tally)> {
    let (mut mended, mut tally, probe) = (Vec::new(), Tally::default(), video.probe_or_error()?);
    let mut different: Option<u32> = None;
    for piece in pieces {
        if different == Some(piece.segment.index) {
            continue;
        }
        let key = resolved.root.child("mend").part(piece.segment.index).part(piece.number).build()?;
        let (shared_job, segments) = (shared.clone(), vec![piece.segment]);
        let whole = resolved.axis.segment(piece.segment.index);
        let (video, resolved) = (video.clone(), resolved.clone());
        let job = Job { shared: shared_job, video, resolved, segments, most: None, piece: Some(piece) };
        match run_job(shared, &key, job, probe.clone()).await {
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

/// Computes for this caller alone what no tier has room for.
async fn privately(
    shared: &Arc<Shared>,
    video: &Arc<Video>,
    resolved: &Arc<Resolved>,
    selection: &Selection,
    mut snapshot: Snapshot,
    lacking: Vec<Segment>,
) -> Result<Snapshot> {
    let most = snapshot.still_wanted(selection);
    let mut spill = Spill::create(&shared.options.scratch).await?;
    for Unit { segments, most } in units(Pass::Run, lacking, most) {
        let job = Job {
            shared: shared.clone(),
            video: video.clone(),
            resolved: resolved.clone(),
            segments,
            most,
            piece: None,
        };
        let (probe, class) = (video.probe_or_error()?, shared.class(resolved.recipe.resource));
        // Nobody else has this key: only the class is shared.
        let key = resolved.root.child("private").part(shared.tiers.stamps().tick().as_u64()).build()?;
        let (give, given) = oneshot::channel();
        let load = move |load: Load| async move {
            load.set_lifetime(cache_core::ttl(Duration::ZERO));
            let (tally, back) = perform(job, probe, Some(load), Some(spill)).await?;
            drop(give.send(back));
            Ok::<_, Error>(tally)
        };
        shared.jobs.request(&key).class(class).load(load).await.map_err(stage_error)?;
        spill = given.await.ok().flatten().ok_or_else(|| resolved.error("lost its spill file"))?;
    }
    snapshot.adopt(Arc::new(spill), selection);
    Ok(snapshot)
}
