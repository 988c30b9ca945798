//! `KeyframeStage`: keyframes by ffmpeg, in one pass over what is missing.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};

use super::decoder::{Decoder, Pass};
use super::{Keyframe, KeyframeParams, Keyframes, Pick, jpeg};
use crate::ffmpeg::unfit_for;
use crate::output::Next;
use crate::probe::VideoStream;
use crate::stage::{Recipe, Resource};
use crate::{Ffmpeg, Output, Stage, Work};

/// Keyframes by ffmpeg: one pass over each stretch of time that is missing, pictures kept as they come.
#[derive(Debug, Clone)]
pub struct KeyframeStage {
    params: KeyframeParams,
    ffmpeg: Ffmpeg,
    segment: Duration,
}

/// Raised whenever the same video and parameters would give other frames.
const VERSION: u32 = 2;
/// Long enough that a pass is no dearer for being cut, short enough that not much is lost.
const SEGMENT: Duration = Duration::from_mins(5);

impl KeyframeStage {
    /// Keyframes as `params` say, in segments of five minutes.
    ///
    /// # Errors
    /// `Invalid` for parameters out of range.
    pub fn new(params: KeyframeParams, ffmpeg: Ffmpeg) -> Result<Self> {
        params.validate()?;
        Ok(Self { params, ffmpeg, segment: SEGMENT })
    }

    /// In segments of this length: what a killed run loses at most. It is part of the identity.
    #[must_use]
    pub const fn segment(mut self, length: Duration) -> Self {
        self.segment = length;
        self
    }
}

#[async_trait]
impl Stage for KeyframeStage {
    type Kind = Keyframes;

    fn recipe(&self) -> Recipe {
        let (params, default) = (&self.params, KeyframeParams::default());
        let scene = match params.pick {
            Pick::Scene(threshold) => Some(threshold),
            Pick::Key | Pick::Any => None,
        };
        Recipe::new("ffmpeg", VERSION)
            .param("any", params.pick == Pick::Any, false)
            .param("scene", scene, None::<f64>)
            .param("interval", params.interval, default.interval)
            .param("quality", params.quality, default.quality)
            .param("max_width", params.max_width, default.max_width)
            .program(self.ffmpeg.program())
            .segment(self.segment)
            .pass(crate::Pass::Run)
            .divisible()
            .on(Resource::Cpu)
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Keyframes>) -> Result<()> {
        let probe = work.probe();
        let Some(video) = &probe.video else {
            return Err(unfit_for(work.source(), "has no video stream: give a video"));
        };
        let first = work.segments().first().map_or(0, |segment| segment.index);
        let from_us = (first > 0 || work.piece().is_some()).then(|| work.span().start_us);
        let pass = Pass { source: work.source(), probe, video, params: &self.params, from_us };
        let mut decoder = Decoder::start(self.ffmpeg.decoder(), &pass)?;
        let mut cutter = Cutter { work, video, at: 0, frames: Vec::new(), shape: None, found: false };
        while let Some((pts_us, picture)) = decoder.next().await? {
            if cutter.take(pts_us, picture, out).await? == Next::Enough {
                return Ok(());
            }
        }
        cutter.end(out).await
    }
}

/// Cuts the stream of frames into segments.
struct Cutter<'a> {
    work: &'a Work,
    video: &'a VideoStream,
    /// Which of the segments is being filled.
    at: usize,
    frames: Vec<Keyframe>,
    shape: Option<(u32, u32)>,
    found: bool,
}

impl Cutter<'_> {
    async fn take(&mut self, pts_us: i64, picture: Bytes, out: &mut Output<'_, Keyframes>) -> Result<Next> {
        let segments = self.work.segments();
        let index = self.work.axis().index_of(pts_us);
        if segments.first().is_some_and(|first| index < first.index) {
            return Ok(Next::Go);
        }
        if let Some(piece) = self.work.piece()
            && !piece.contains(pts_us)
        {
            return if pts_us < piece.start_us { Ok(Next::Go) } else { self.give(out).await };
        }
        // Times that go back belong to where the stream is: their segment may be given already.
        while segments.get(self.at).is_some_and(|segment| segment.index < index) {
            if self.give(out).await? == Next::Enough {
                return Ok(Next::Enough);
            }
        }
        let Some((width, height)) = jpeg::dimensions(&picture) else {
            return Err(Error::new(ErrorKind::Unavailable, "ffmpeg printed something that is no complete JPEG"));
        };
        let shape = *self.shape.get_or_insert((width, height));
        if shape != (width, height) {
            let (from, to) = (format!("{}x{}", shape.0, shape.1), format!("{width}x{height}"));
            let what = format!("is turned by an odd angle and changes its dimensions from {from} to {to}");
            return Err(unfit_for(self.work.source(), &what));
        }
        self.found = true;
        let picture = out.body(picture).await?;
        self.frames.push(Keyframe::new(pts_us, shape, picture));
        Ok(Next::Go)
    }

    /// Gives the segment that is complete.
    async fn give(&mut self, out: &mut Output<'_, Keyframes>) -> Result<Next> {
        let Some(segment) = self.work.segments().get(self.at) else { return Ok(Next::Enough) };
        self.at += 1;
        out.part(*segment, &Keyframes::new(std::mem::take(&mut self.frames))).await
    }

    /// The stream has ended: so have all its segments.
    async fn end(&mut self, out: &mut Output<'_, Keyframes>) -> Result<()> {
        let whole = self.work.piece().is_none() && self.work.segments().len() == self.work.axis().count() as usize;
        if whole && !self.found {
            let codec = &self.video.codec;
            let what = format!("has no keyframe that can be decoded ({codec}): is it complete?");
            return Err(unfit_for(self.work.source(), &what));
        }
        while self.give(out).await? == Next::Go {}
        Ok(())
    }
}
