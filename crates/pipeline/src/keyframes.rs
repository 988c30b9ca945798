//! `Keyframes`: pictures of a video with their times.

mod decoder;
mod filter;
mod frames;
mod jpeg;
mod params;
mod pictures;
mod stage;

use serde::{Deserialize, Serialize};

pub use frames::{Frame, Frames, FramesRead};
pub use params::{KeyframeParams, Pick};
pub use stage::KeyframeStage;

use crate::{BodyRef, Kind, Segment, Span};

/// The keyframes of a video. The pictures themselves are bodies, as JPEGs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Keyframes {
    /// The frames in the order of the stream, which is that of time unless the stream is broken.
    pub frames: Vec<Keyframe>,
}

/// What is known of one keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Keyframe {
    /// Time of presentation in microseconds, as the container counts; it may start elsewhere than at 0.
    pub pts_us: i64,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// The picture, a JPEG.
    pub picture: BodyRef,
}

impl Keyframes {
    /// Those `frames`, in the order of the stream.
    pub const fn new(frames: Vec<Keyframe>) -> Self {
        Self { frames }
    }
}

impl Keyframe {
    /// The frame that is shown at `pts_us` microseconds, as the container counts, and is `width` by `height` pixels. Its
    /// `picture` is a JPEG that a stage has handed to [`Output::body`](crate::Output::body).
    pub const fn new(pts_us: i64, (width, height): (u32, u32), picture: BodyRef) -> Self {
        Self { pts_us, width, height, picture }
    }
}

impl Kind for Keyframes {
    const NAME: &'static str = "keyframes";
    const SCHEMA: u32 = 2;
    const BODIES: &'static str = "image/jpeg";

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        Self { frames: parts.into_iter().flat_map(|(_, part)| part.frames).collect() }
    }

    fn within(&self, span: Span) -> Self {
        Self { frames: self.frames.iter().copied().filter(|frame| span.contains(frame.pts_us)).collect() }
    }

    fn count(&self) -> u64 {
        self.frames.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.frames.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }

    fn bodies(&self) -> Vec<BodyRef> {
        self.frames.iter().map(|frame| frame.picture).collect()
    }

    fn times(&self) -> Vec<i64> {
        self.frames.iter().map(|frame| frame.pts_us).collect()
    }
}
