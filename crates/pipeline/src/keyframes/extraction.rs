//! `Extraction`: one run of ffmpeg, and its frames on disk until it is dropped.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};

use super::{Frame, Keyframe, KeyframeParams, batch_len, jpeg};
use crate::scratch::Scratch;
use crate::source::{SourceState, refuse, shown};
use crate::{Digest, Ffmpeg, Probe, blocking};

/// What an extraction works on.
#[derive(Debug, Clone)]
pub(crate) struct Extraction {
    pub(crate) path: PathBuf,
    /// The state in which the source was fingerprinted.
    pub(crate) state: SourceState,
    pub(crate) params: KeyframeParams,
}

/// The frames of one extraction, in the order of the stream, on disk until this is dropped.
#[derive(Debug)]
pub(crate) struct Extracted {
    scratch: Scratch,
    /// Time in microseconds and length of each frame's file.
    files: Vec<(i64, u64)>,
}

impl Extraction {
    /// Runs ffmpeg. Dropping the future kills it and removes what it wrote.
    ///
    /// # Errors
    /// When the video cannot be decoded, has no keyframes, or was changed meanwhile.
    pub(crate) async fn run(&self, ffmpeg: &Ffmpeg, probe: &Probe, scratch_parent: &Path) -> Result<Extracted> {
        let parent = scratch_parent.to_owned();
        let scratch = blocking::run(move || Scratch::create(&parent)).await?;
        let outcome = ffmpeg.extract(&self.path, probe, &self.params, &scratch).await;
        // Before looking at the outcome: a change explains a failure better than the decoder does.
        self.state.confirm(&self.path, "processed").await?;
        let mut times = outcome?;
        times.truncate(self.params.max_frames as usize);
        let extracted = blocking::run(move || {
            let with_len = |(at, pts_us)| Ok((pts_us, len(&file(scratch.path(), at))?));
            let files = times.into_iter().enumerate().map(with_len).collect::<Result<_>>()?;
            Ok(Extracted { scratch, files })
        })
        .await?;
        if extracted.files.is_empty() {
            return Err(refuse(&self.path, "has no keyframe that can be decoded: is it complete?"));
        }
        Ok(extracted)
    }
}

impl Extracted {
    /// How many frames there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// As many frames from `start` on as are handled at once; empty at the end.
    pub(crate) async fn batch(&self, start: usize) -> Result<Vec<Frame>> {
        let rest = self.files.get(start..).unwrap_or_default();
        let files = rest[..batch_len(rest.iter().map(|(_, len)| *len))].to_vec();
        let folder = self.scratch.path().to_owned();
        let numbered = (start..).zip(files);
        blocking::run(move || numbered.map(|(at, (pts_us, _))| read(&file(&folder, at), at, pts_us)).collect()).await
    }
}

fn file(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("{at}.jpg"))
}

fn len(path: &Path) -> Result<u64> {
    std::fs::metadata(path).map(|meta| meta.len()).map_err(|error| cannot_read(path, &error))
}

fn read(path: &Path, at: usize, pts_us: i64) -> Result<Frame> {
    let jpeg = Bytes::from(std::fs::read(path).map_err(|error| cannot_read(path, &error))?);
    let Some((width, height)) = jpeg::dimensions(&jpeg) else {
        let path = shown(path);
        let message =
            format!("ffmpeg wrote {path}, which is no complete JPEG: is the disk of the scratch directory full?");
        return Err(Error::new(ErrorKind::Unavailable, message));
    };
    let index = u32::try_from(at).unwrap_or(u32::MAX);
    let info = Keyframe { index, pts_us, width, height, len: jpeg.len() as u64, digest: Digest::of(&jpeg) };
    Ok(Frame { info, jpeg })
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the frame {} of ffmpeg cannot be read: {error}", shown(path)))
}
