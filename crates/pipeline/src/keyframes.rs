//! `Keyframes`: the pictures of a video that stand on their own, with their times.

mod extraction;
mod jpeg;
mod params;

use bytes::Bytes;
use cache_core::{Key, Result};
use serde::{Deserialize, Serialize};

pub use params::KeyframeParams;

pub(crate) use extraction::{Extracted, Extraction};

use crate::Digest;

/// The keyframes of a video. The pictures themselves are entries of their own.
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
    /// Position among the keyframes.
    pub index: u32,
    /// Time of presentation in microseconds, as the container counts; it may start elsewhere than at 0.
    pub pts_us: i64,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// Length of the JPEG in bytes.
    pub len: u64,
    /// Hash of the JPEG.
    pub digest: Digest,
}

/// A keyframe and its picture. Cloning shares the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// What is known of it.
    pub info: Keyframe,
    /// The picture.
    pub jpeg: Bytes,
}

/// The most frames handled at once.
const BATCH_FRAMES: usize = 256;
/// The most bytes of frames handled at once, one larger frame excepted.
const BATCH_BYTES: u64 = 8 << 20;

impl Keyframes {
    /// Bytes of all pictures together.
    pub fn bytes(&self) -> u64 {
        self.frames.iter().map(|frame| frame.len).sum()
    }

    /// As many frames from `start` on as are handled at once; empty at the end.
    pub(crate) fn batch(&self, start: usize) -> &[Keyframe] {
        let rest = self.frames.get(start..).unwrap_or_default();
        &rest[..batch_len(rest.iter().map(|frame| frame.len))]
    }
}

impl Frame {
    /// The frame, if `jpeg` is the picture that `info` describes.
    pub(crate) fn verified(info: Keyframe, jpeg: Bytes) -> Option<Self> {
        (jpeg.len() as u64 == info.len && Digest::of(&jpeg) == info.digest).then_some(Self { info, jpeg })
    }

    /// The key of the frame at `index` of the keyframes under `parent`.
    pub(crate) fn key(parent: &Key, index: u32) -> Result<Key> {
        parent.child("frame").part(index).build()
    }
}

/// How many of these are handled at once: at least one, if there is one.
pub(crate) fn batch_len(lens: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0u64;
    let fits = |(at, len): &(usize, u64)| {
        bytes = bytes.saturating_add(*len);
        *at == 0 || (*at < BATCH_FRAMES && bytes <= BATCH_BYTES)
    };
    lens.enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_in_frames_and_bytes_and_never_stuck() {
        assert_eq!(batch_len([].into_iter()), 0);
        assert_eq!(batch_len([u64::MAX, 1].into_iter()), 1);
        assert_eq!(batch_len(std::iter::repeat_n(1, 1000)), BATCH_FRAMES);
        assert_eq!(batch_len(std::iter::repeat_n(BATCH_BYTES / 4, 10)), 4);
    }
}
