//! Keyframes and what is read in them: made once, the second time found; then only what is missing.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::path::Path;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Result};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::{TierOptions, Tiered};
use pipeline::{
    ArtifactCache, ArtifactOptions, CommandLine, Describer, Descriptions, Ffmpeg, KeyframeParams, KeyframeStage, Plan,
    Source,
};

/// What is to be made: keyframes, and what `program` prints about each, whose last argument is the picture.
fn plan(program: &str) -> Result<Plan> {
    let keyframes = Arc::new(KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env())?);
    let describer = Describer::command(keyframes.clone(), CommandLine::new(program, ["{image}"]).version("1"))?;
    Ok(Plan::new().stage(keyframes).stage(Arc::new(describer)))
}

async fn process(folder: &Path, source: &Source, plan: &Plan) -> Result<()> {
    // Pictures to the disk, tables to memory as well.
    let small = TierOptions::new().admit(|entry| !pipeline::is_bulk(entry));
    let file = FileBackend::open(FileConfig::new(folder)).await?;
    let tiers = Tiered::builder().tier_with(MemBackend::new(64 << 20), small).tier(file).build()?;
    let artifacts = ArtifactCache::new(tiers.clone(), ArtifactOptions::default())?;
    println!("missing: {}", artifacts.missing(source, plan).await?.len());
    let report = artifacts.run(source, plan).await?;
    for stage in &report.stages {
        if let Some(error) = &stage.error {
            return Err(error.clone());
        }
        println!("{}: {}, {} segments computed", stage.kind, stage.things, stage.computed);
    }
    if let Some(found) = report.artifacts.get::<Descriptions>()? {
        for seen in &found.value().descriptions {
            println!("{:.1} s: {}", seen.pts_us as f64 / 1e6, seen.text);
        }
    }
    artifacts.close().await?;
    cache_core::Backend::close(&tiers).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(video), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err(Error::new(ErrorKind::Invalid, "name a video and a program: pipeline VIDEO PROGRAM"));
    };
    let folder = tempfile::tempdir().map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))?;
    let source = Source::File(video.into());
    // The second time as another process would find it.
    for _ in 0..2 {
        process(folder.path(), &source, &plan(&program)?).await?;
    }
    Ok(())
}
