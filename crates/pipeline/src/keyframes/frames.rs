//! `Frames`: the pictures of keyframes, read in order and in bounded memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};

use super::{Keyframe, KeyframeStage, Keyframes};
use crate::{Artifact, ArtifactCache, BodyInfo, Kind, Selection, Source};

/// The pictures of keyframes, read in order and in bounded memory. Dropping it is safe at any time.
#[derive(Debug)]
pub struct Frames {
    cache: ArtifactCache,
    source: Source,
    stage: Arc<KeyframeStage>,
    selection: Selection,
    artifact: Artifact<Keyframes>,
    next: usize,
    recomputed: u32,
    read: FramesRead,
}

/// A keyframe and its picture. Cloning shares the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its position among the frames that were asked for.
    pub index: u32,
    /// What is known of it.
    pub info: Keyframe,
    /// The picture.
    pub jpeg: Bytes,
}

/// What was read so far.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FramesRead {
    /// How many frames each tier gave; `"loaded"` those that no tier keeps.
    pub origins: BTreeMap<Arc<str>, u64>,
    /// Bytes of all pictures.
    pub bytes: u64,
    /// Wall time.
    pub took: Duration,
}

/// How often frames may be gone before that is an error.
const MAX_RECOMPUTED: u32 = 3;

impl ArtifactCache {
    /// The pictures of `selection`: what is missing is computed first.
    ///
    /// # Errors
    /// As [`compute`](Self::compute).
    pub async fn frames(&self, source: &Source, stage: &Arc<KeyframeStage>, selection: &Selection) -> Result<Frames> {
        let artifact = self.compute(source, stage, selection).await?;
        Ok(self.frames_of(source, stage, selection, artifact))
    }

    /// The pictures of `artifact`, which was found or computed for these.
    pub fn frames_of(
        &self,
        source: &Source,
        stage: &Arc<KeyframeStage>,
        selection: &Selection,
        artifact: Artifact<Keyframes>,
    ) -> Frames {
        Frames {
            cache: self.clone(),
            source: source.clone(),
            stage: stage.clone(),
            selection: *selection,
            artifact,
            next: 0,
            recomputed: 0,
            read: FramesRead::default(),
        }
    }
}

impl Frames {
    /// The keyframes. They are replaced when some are found to be gone and come out differently.
    pub const fn artifact(&self) -> &Artifact<Keyframes> {
        &self.artifact
    }

    /// What was read so far.
    pub const fn read(&self) -> &FramesRead {
        &self.read
    }

    /// The next frames in order; `None` at the end. About 8 MiB at a time.
    ///
    /// When frames are gone meanwhile, they are computed again; should that give others, the frames start over at index
    /// 0. Cancelling it loses nothing: the next call goes on.
    ///
    /// # Errors
    /// When frames are gone and cannot be computed again.
    pub async fn next(&mut self) -> Result<Option<Vec<Frame>>> {
        loop {
            let began = Instant::now();
            let value = self.artifact.value().clone();
            let rest = value.frames.get(self.next..).unwrap_or_default();
            let bodies = Keyframes { frames: rest.iter().take(MOST).copied().collect() }.bodies();
            let batch = self.artifact.batch(&bodies);
            if batch == 0 {
                return Ok(None);
            }
            let found = self.artifact.try_bodies(&bodies[..batch]).await?;
            self.read.took += began.elapsed();
            if let Some(found) = found {
                return Ok(Some(self.numbered(rest, found)));
            }
            self.recompute().await?;
        }
    }

    fn numbered(&mut self, infos: &[Keyframe], found: Vec<(Bytes, Arc<str>)>) -> Vec<Frame> {
        let first = u32::try_from(self.next).unwrap_or(u32::MAX);
        self.next += found.len();
        let frames = infos.iter().zip(found).zip(first..).map(|((info, (jpeg, origin)), index)| {
            *self.read.origins.entry(origin).or_default() += 1;
            self.read.bytes += jpeg.len() as u64;
            Frame { index, info: *info, jpeg }
        });
        frames.collect()
    }

    async fn recompute(&mut self) -> Result<()> {
        if self.recomputed == MAX_RECOMPUTED {
            return Err(Error::new(ErrorKind::Unavailable, "the frames keep disappearing while they are read"));
        }
        let again = self.cache.compute(&self.source, &self.stage, &self.selection).await?;
        // Only now: who has left meanwhile has not found them gone once more.
        self.recomputed += 1;
        let before = std::mem::replace(&mut self.artifact, again);
        if contents(&before) != contents(&self.artifact) {
            self.next = 0;
            self.read = FramesRead { took: self.read.took, ..FramesRead::default() };
        }
        Ok(())
    }
}

/// What tells the frames of two artifacts apart.
fn contents(artifact: &Artifact<Keyframes>) -> Vec<(Keyframe, Option<BodyInfo>)> {
    artifact.value().frames.iter().map(|frame| (*frame, artifact.info(frame.picture))).collect()
}

/// The most frames handed out at once.
const MOST: usize = 256;
