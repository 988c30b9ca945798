//! `Film`: two hours with 3,000 keyframes, and stages that are asked for what they would have found in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::Result;
use pipeline::{
    ArtifactCache, BodyRef, CommandLine, Describer, Ffmpeg, Keyframe, KeyframeParams, KeyframeStage, Keyframes, Output,
    Plan, Segment, Source, Transcriber,
};

use crate::contents::Contents;
use crate::processes::ffmpeg;

/// Keyframes of the film.
pub(crate) const FRAMES: usize = 3_000;
/// Its length.
pub(crate) const SECONDS: u64 = 7_200;

/// When a frame is shown.
pub(crate) const fn pts_us(number: usize) -> i64 {
    (number as u64 * SECONDS * 1_000_000 / FRAMES as u64).cast_signed()
}

/// A film of two hours. None of its stages is ever run: what they would find is written in their place.
#[derive(Debug)]
pub(crate) struct Film {
    pub(crate) source: Source,
    pub(crate) keyframes: Arc<KeyframeStage>,
    pub(crate) transcriber: Arc<Transcriber>,
    pub(crate) describer: Arc<Describer>,
}

impl Film {
    /// Draws the film into `dir`.
    pub(crate) fn make(dir: &Path) -> Self {
        let (path, picture) = (path(dir), format!("color=size=64x36:rate=1:duration={SECONDS}"));
        ffmpeg(&[&"-f", &"lavfi", &"-i", &picture, &path]);
        Self::of(dir)
    }

    /// The film that was drawn into `dir`.
    pub(crate) fn of(dir: &Path) -> Self {
        let keyframes = KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env()).expect("a stage");
        let keyframes = Arc::new(keyframes);
        let nobody = |argument: &str| CommandLine::new("nobody-runs-it", [argument]).version("1");
        let transcriber = Transcriber::new(nobody("{audio}")).expect("a stage");
        let describer = Describer::command(keyframes.clone(), nobody("{image}")).expect("a stage");
        Self { source: path(dir).into(), keyframes, transcriber: Arc::new(transcriber), describer: Arc::new(describer) }
    }

    /// Puts everything that is to be found in it into `cache`.
    pub(crate) async fn fill(&self, cache: &ArtifactCache, contents: &Contents) -> Result<()> {
        let write = async |segments: &[Segment], out: &mut Output<'_, Keyframes>| {
            let mut frames = (0..FRAMES).peekable();
            for segment in segments {
                let mut part = Keyframes::default();
                while let Some(number) = frames.next_if(|number| segment.span.contains(pts_us(*number))) {
                    let picture = out.body(contents.picture(number)).await?;
                    part.frames.push(keyframe(pts_us(number), picture));
                }
                let _ = out.part(*segment, &part).await?;
            }
            Ok(())
        };
        cache.write(&self.source, &self.keyframes, write).await?;
        cache.set(&self.source, &self.transcriber, &contents.transcript).await?;
        cache.set(&self.source, &self.describer, &contents.descriptions).await
    }

    pub(crate) fn pictures(&self) -> Plan {
        Plan::new().stage(self.keyframes.clone())
    }

    pub(crate) fn speech(&self) -> Plan {
        Plan::new().stage(self.transcriber.clone())
    }

    pub(crate) fn sights(&self) -> Plan {
        Plan::new().stage(self.describer.clone())
    }
}

/// As large as those that films of some years ago have.
pub(crate) fn keyframe(pts_us: i64, picture: BodyRef) -> Keyframe {
    Keyframe::new(pts_us, (480, 270), picture)
}

fn path(dir: &Path) -> PathBuf {
    dir.join("film.mp4")
}
