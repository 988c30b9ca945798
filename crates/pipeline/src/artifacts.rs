//! `ArtifactCache`: artifacts of videos, computed once and found again by content.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::{DAY, Error, ErrorKind, Lifetime, Result, ttl};
use cache_tiered::{Cache, Codec, Tiered};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::run::Run;
use crate::{Ffmpeg, Fingerprinter, KeyframeParams, Keyframes, Probe, Report};

/// Artifacts of videos: computed once, found again by the content of the video. Cloning shares everything.
#[derive(Debug, Clone)]
pub struct ArtifactCache(Arc<Shared>);

/// How an [`ArtifactCache`] works.
#[derive(Debug, Clone)]
pub struct ArtifactOptions {
    /// The programs that read media files.
    pub ffmpeg: Ffmpeg,
    /// How long artifacts are kept; 7 days unless set.
    pub lifetime: Lifetime,
    /// Where frames are written while they are extracted; the system's temporary directory unless set.
    pub scratch: PathBuf,
    /// The most extractions at a time; 2 unless set.
    pub max_extractions: usize,
}

impl Default for ArtifactOptions {
    fn default() -> Self {
        Self { ffmpeg: Ffmpeg::from_env(), lifetime: ttl(7 * DAY), scratch: std::env::temp_dir(), max_extractions: 2 }
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tiers: Tiered,
    pub(crate) options: ArtifactOptions,
    pub(crate) fingerprints: Fingerprinter,
    pub(crate) probes: Cache<Probe>,
    pub(crate) keyframes: Cache<Keyframes>,
    extractions: Semaphore,
}

/// The first part of every key of an artifact.
pub(crate) const VIDEO: &str = "video";
/// Values held decoded in the process, of each kind.
const NEAR: u64 = 256;

impl ArtifactCache {
    /// A cache of artifacts in `tiers`.
    ///
    /// # Errors
    /// `Invalid` when no extraction is allowed at a time.
    pub fn new(tiers: Tiered, options: ArtifactOptions) -> Result<Self> {
        if options.max_extractions == 0 || options.max_extractions > Semaphore::MAX_PERMITS {
            return Err(Error::new(ErrorKind::Invalid, "max_extractions is out of range: give at least 1"));
        }
        Ok(Self(Arc::new(Shared {
            fingerprints: Fingerprinter::new(tiers.clone())?,
            probes: stage(&tiers, &options)?,
            keyframes: stage(&tiers, &options)?,
            extractions: Semaphore::new(options.max_extractions),
            tiers,
            options,
        })))
    }

    /// The fingerprints of sources.
    pub fn fingerprints(&self) -> &Fingerprinter {
        &self.0.fingerprints
    }

    /// Finds or computes the keyframes of the video at `path`; the frames are then read from the [`Run`].
    ///
    /// One extraction serves all callers of the same content and parameters. Cancelling it ends this caller's part
    /// at once; an extraction that has begun is detached and ends as the tiers' loads do.
    ///
    /// # Errors
    /// `Invalid` for a path that is no readable video, and for parameters out of range; see
    /// [`is_tool_missing`](crate::is_tool_missing) for programs that are not installed. An error is never cached.
    pub async fn open(&self, path: &Path, params: &KeyframeParams) -> Result<Run> {
        Run::open(self.0.clone(), path, params).await
    }

    /// [`open`](Self::open), then reads and verifies every frame, in bounded memory.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`Run::next_frames`].
    pub async fn process(&self, path: &Path, params: &KeyframeParams) -> Result<Report> {
        let mut run = self.open(path, params).await?;
        while run.next_frames().await?.is_some() {}
        Ok(run.into_report())
    }

    /// Stops what runs and waits until what was computed is stored; then every call fails. The tiers stay open.
    ///
    /// An answer may come before its list of keyframes is stored: without this, a process that ends at once may have
    /// to compute it again. Cancelling it leaves stores under way.
    ///
    /// # Errors
    /// When the stores take longer than half a minute.
    pub async fn close(&self) -> Result<()> {
        self.0.keyframes.close().await?;
        self.0.probes.close().await?;
        self.0.fingerprints.close().await
    }
}

/// The typed cache of one stage. All stages share the first part of their keys, so that one prefix selects
/// everything of a video; the names of the stages tell them apart.
fn stage<V>(tiers: &Tiered, options: &ArtifactOptions) -> Result<Cache<V>>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Cache::builder(VIDEO)
        .lifetime(options.lifetime)
        .near(NEAR)
        .schema(1)
        .codec(Codec::MessagePack)
        // The programs have limits of their own; a load may have to wait for its turn.
        .deadline(DAY)
        .tiers(tiers.clone())
        .build()
}

impl Shared {
    /// Waits for a turn to extract. Its wait ends because every extraction has a time limit.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        self.extractions.acquire().await.map_err(|_| Error::new(ErrorKind::Closed, "the artifact cache is closed"))
    }
}
