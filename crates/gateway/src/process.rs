//! `reelcache process`: the keyframes of videos, from the cache where they are there.

mod export;
mod json;
mod report;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Result;
use pipeline::{ArtifactCache, ArtifactOptions, Ffmpeg, KeyframeParams, KeyframeStage, Keyframes, Plan, Selection};

use crate::cli::ProcessArgs;
use crate::exit::Exit;
use crate::signals::Stop;
use crate::stack::Stack;
use export::Exports;
use report::Report;

/// How long promotions may hold up the next video.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// Processes the videos one after another and shows where everything came from.
///
/// A video that fails is reported and does not keep the others from being processed; the exit code is that of the
/// first failure. A signal ends it at once, ffmpeg included.
pub(crate) async fn run(stack: &Stack, args: &ProcessArgs) -> Result<Exit> {
    let mut stop = Stop::listen()?;
    tokio::select! {
        exit = process_all(stack, args) => exit,
        signal = stop.received() => Ok(Exit::Signal(signal)),
    }
}

async fn process_all(stack: &Stack, args: &ProcessArgs) -> Result<Exit> {
    let params = KeyframeParams { quality: args.quality, max_width: args.max_width, ..KeyframeParams::default() };
    let wanted = Wanted {
        stage: Arc::new(KeyframeStage::new(params, Ffmpeg::from_env())?),
        selection: Selection::all().most(args.max_frames.into()),
    };
    let exports = args.out.as_deref().map(|out| Exports::new(out, &args.videos)).transpose()?;
    let artifacts = ArtifactCache::new(stack.tiers.clone(), ArtifactOptions::default())?;
    let mut exit = Exit::Done;
    for video in &args.videos {
        match process(&artifacts, video, &wanted, exports.as_ref()).await {
            Ok(report) => {
                if let Err(error) = show(&report, args) {
                    // Whoever reads the output has seen enough.
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        crate::complain(&format!("cannot write the result: {error}"));
                    }
                    exit = exit.or(Exit::Failed);
                    break;
                }
            }
            Err(error) => {
                crate::report(&error);
                exit = exit.or(Exit::of(&error));
            }
        }
        // The copies to memory belong to this video: one named again is to find them.
        if let Err(error) = stack.tiers.settle(SETTLE_LIMIT).await {
            tracing::debug!(%error, "going on before everything was promoted");
        }
    }
    artifacts.close().await?;
    Ok(exit)
}

/// What is to be made of each video.
#[derive(Debug)]
struct Wanted {
    stage: Arc<KeyframeStage>,
    selection: Selection,
}

async fn process(
    artifacts: &ArtifactCache,
    video: &Path,
    wanted: &Wanted,
    exports: Option<&Exports>,
) -> Result<Report> {
    let export = match exports {
        Some(exports) => Some(exports.begin(video).await?),
        None => None,
    };
    let Wanted { stage, selection } = wanted;
    let source = video.into();
    let run = artifacts.run(&source, &Plan::new().stage(stage.clone()).select(*selection)).await?;
    if let Some(error) = run.error() {
        return Err(error.clone());
    }
    let artifact = match run.artifacts.get::<Keyframes>()? {
        Some(artifact) => artifact,
        None => artifacts.compute(&source, stage, selection).await?,
    };
    let mut frames = artifacts.frames_of(&source, stage, selection, artifact);
    while let Some(batch) = frames.next().await? {
        if let Some(export) = &export {
            export.write(batch).await?;
        }
    }
    let report = Report::new(video, &run, &frames);
    if let Some(export) = export {
        export.finish(&report).await?;
    }
    Ok(report)
}

fn show(report: &Report, args: &ProcessArgs) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let write = if args.json { json::write } else { table::write };
    write(&mut out, report)?;
    out.flush()?;
    if report.not_kept > 0 {
        let why = report.refusal.as_deref().unwrap_or("the budget is too small");
        let segments = report.not_kept;
        crate::complain(&format!(
            "the frames of {segments} segments could not be kept, and will be extracted again next time: {why}"
        ));
    }
    Ok(())
}
