//! Measures what the pipeline promises: warm reads, fingerprints, and what a run adds to bare ffmpeg.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Backend, Error, ErrorKind, Result};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use pipeline::{
    ArtifactCache, ArtifactOptions, Ffmpeg, KeyframeParams, KeyframeStage, Keyframes, Kind, Plan, Selection, Source,
};

const FRAMES: u32 = 3000;

#[tokio::main]
async fn main() -> Result<()> {
    let dir = tempfile::tempdir().map_err(failed)?;
    let clip = dir.path().join("clip.mp4");
    let source = format!("testsrc2=duration={}:size=640x360:rate=5", FRAMES / 5 * 5);
    make(&clip, &["-f", "lavfi", "-i", &source, "-g", "5", "-c:v", "libx264", "-preset", "ultrafast"])?;
    let stage = Arc::new(KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env())?);
    let (source, cache_dir) = (Source::from(&clip), dir.path().join("cache"));

    for round in 0..5 {
        let bare = bare(&clip)?;
        let tiers = Tiered::builder().tier(MemBackend::new(1 << 30)).build()?;
        let cache = ArtifactCache::new(tiers, ArtifactOptions::default())?;
        cache.fingerprints().fingerprint(&source).await?;
        let began = Instant::now();
        cache.run(&source, &Plan::new().stage(stage.clone())).await?;
        let ours = began.elapsed();
        println!("round {round}: ffmpeg {bare:?}, run {ours:?}: {:.3} x", ours.as_secs_f64() / bare.as_secs_f64());
        warm(&cache, &source, &stage, "memory").await?;
        memo(&cache, &source).await?;
        cache.close().await?;
    }
    let open = async || {
        let file = FileBackend::open(FileConfig::new(&cache_dir).capacity(4 << 30)).await?;
        let tiers = Tiered::builder().tier(file).build()?;
        Ok::<_, Error>((ArtifactCache::new(tiers.clone(), ArtifactOptions::default())?, tiers))
    };
    let (cache, tiers) = open().await?;
    let plain = dir.path().join("plain");
    write_plain(&cache, &source, &stage, &plain).await?;
    cache.close().await?;
    tiers.close().await?;
    for _ in 0..3 {
        let began = Instant::now();
        let (cache, tiers) = open().await?;
        println!("opened in {:?}", began.elapsed());
        warm(&cache, &source, &stage, "file").await?;
        read_plain(&plain)?;
        cache.close().await?;
        tiers.close().await?;
    }
    Ok(())
}

/// Finds the artifacts and reads every picture.
async fn warm(cache: &ArtifactCache, source: &Source, stage: &Arc<KeyframeStage>, tier: &str) -> Result<()> {
    for _ in 0..2 {
        let began = Instant::now();
        let artifacts = cache.artifacts(source, &Plan::new().stage(stage.clone())).await?;
        let found = artifacts.get::<Keyframes>()?.ok_or_else(|| failed("nothing is there"))?;
        let listed = began.elapsed();
        let bodies = found.bodies(&found.value().bodies()).await?;
        let bytes: usize = bodies.iter().map(bytes::Bytes::len).sum();
        let (count, all) = (bodies.len(), began.elapsed());
        println!("{tier}: {count} keyframes of {bytes} bytes: listed in {listed:?}, read in {all:?}");
    }
    Ok(())
}

async fn memo(cache: &ArtifactCache, source: &Source) -> Result<()> {
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..1000 {
        took.push(cache.fingerprints().fingerprint(source).await?.took);
    }
    took.sort();
    println!("a fingerprint that is remembered takes {:?}", took[500]);
    Ok(())
}

async fn write_plain(cache: &ArtifactCache, source: &Source, stage: &Arc<KeyframeStage>, to: &Path) -> Result<()> {
    std::fs::create_dir(to).map_err(failed)?;
    let mut frames = cache.frames(source, stage, &Selection::all()).await?;
    while let Some(batch) = frames.next().await? {
        for frame in batch {
            std::fs::write(to.join(frame.index.to_string()), &frame.jpeg).map_err(failed)?;
        }
    }
    Ok(())
}

fn read_plain(from: &Path) -> Result<()> {
    let began = Instant::now();
    // All are held, as those of an artifact are.
    let mut all = Vec::new();
    for index in 0..FRAMES {
        all.push(std::fs::read(from.join(index.to_string())).map_err(failed)?);
    }
    let took = began.elapsed();
    println!("plain files: {} bytes in {took:?}", all.iter().map(Vec::len).sum::<usize>());
    Ok(())
}

fn bare(clip: &Path) -> Result<Duration> {
    let began = Instant::now();
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-skip_frame", "nokey", "-i"])
        .arg(clip)
        .args(["-fps_mode", "passthrough", "-q:v", "3", "-c:v", "mjpeg", "-f", "mpjpeg", "pipe:1"])
        .output();
    out.map_err(failed).map(|_| began.elapsed())
}

fn make(clip: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).arg(clip).status();
    if status.map_err(failed)?.success() { Ok(()) } else { Err(failed("ffmpeg failed")) }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unavailable, error.to_string())
}
