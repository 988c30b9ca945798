//! A kind of artifact of one's own: how loud each segment of a video is, by ffmpeg.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, Result};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use pipeline::{
    ArtifactCache, ArtifactOptions, Kind, Next, Output, Recipe, Segment, Selection, Source, Span, Stage, Work,
};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// How loud each segment is on average, in decibels below full scale.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Loudness(Vec<(Segment, f32)>);

impl Kind for Loudness {
    const NAME: &'static str = "loudness";
    const SCHEMA: u32 = 1;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        Self(parts.into_iter().flat_map(|(_, part)| part.0).collect())
    }

    fn within(&self, span: Span) -> Self {
        Self(self.0.iter().copied().filter(|(segment, _)| segment.span.overlaps(span)).collect())
    }
}

/// Measures it with ffmpeg's `volumedetect`.
#[derive(Debug)]
struct Measure;

#[async_trait]
impl Stage for Measure {
    type Kind = Loudness;

    fn recipe(&self) -> Recipe {
        Recipe::new("volumedetect", 1).segment(Duration::from_secs(1))
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Loudness>) -> Result<()> {
        for segment in work.segments() {
            let loudness = measure(work, segment.span).await?;
            if out.part(*segment, &Loudness(vec![(*segment, loudness)])).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

async fn measure(work: &Work, span: Span) -> Result<f32> {
    let failed = |error: String| Error::new(ErrorKind::Unavailable, error);
    let path = work.source().path().ok_or_else(|| failed("only files are measured".to_owned()))?;
    let seconds = |us: i64| format!("{}us", us - work.axis().whole().start_us);
    let mut ffmpeg = Command::new(&work.ffmpeg().ffmpeg);
    ffmpeg.args(["-nostdin", "-ss", &seconds(span.start_us), "-to", &seconds(span.end_us), "-i"]).arg(path);
    ffmpeg.args(["-vn", "-af", "volumedetect", "-f", "null", "-"]).kill_on_drop(true);
    let printed = ffmpeg.output().await.map_err(|error| failed(error.to_string()))?.stderr;
    let printed = String::from_utf8_lossy(&printed);
    let mean = printed.split_once("mean_volume: ").and_then(|(_, rest)| rest.split_once(" dB")?.0.parse().ok());
    mean.ok_or_else(|| failed(format!("{}: ffmpeg measured nothing: name a video with sound", work.source())))
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        return Err(Error::new(ErrorKind::Invalid, "name a video: custom_kind VIDEO"));
    };
    let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).build()?;
    let artifacts = ArtifactCache::new(tiers, ArtifactOptions::default())?;
    let source = Source::File(path.into());
    for _ in 0..2 {
        let loudness = artifacts.compute(&source, &Arc::new(Measure), &Selection::all()).await?;
        for (segment, decibels) in &loudness.value().0 {
            println!("segment {}: {decibels} dB", segment.index);
        }
    }
    println!("{}", artifacts.explain(&source, Arc::new(Measure), &Selection::all()).await?);
    artifacts.close().await
}
