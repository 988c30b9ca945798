//! `Run`: one video on its way through the stages, its frames handed out in batches.

mod frames;
mod load;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cache_core::{Error, ErrorKind, Key, Result};
use cache_tiered::Hit;

use crate::artifacts::{Shared, VIDEO};
use crate::fingerprint::Fingerprinted;
use crate::keyframes::Extraction;
use crate::origin::{LOADED, name_of, stage_error};
use crate::report::StageReport;
use crate::{Frame, KeyframeParams, Keyframes, Probe, Report};
use load::Fresh;

/// One video on its way through the stages.
///
/// Dropping it is safe at any time. Frames that were extracted for it stay on disk, in the scratch directory,
/// until it is dropped.
#[derive(Debug)]
pub struct Run {
    shared: Arc<Shared>,
    job: Extraction,
    /// The key of the keyframes in their cache.
    key: Key,
    /// The key of the keyframes in the tiers, above those of the frames.
    parent: Key,
    source: Fingerprinted,
    probe: Arc<Probe>,
    keyframes: Arc<Keyframes>,
    /// The extraction, when this run did it itself.
    fresh: Option<Fresh>,
    /// How often the keyframes were computed again because frames were gone.
    recomputed: u32,
    next: usize,
    stages: [StageReport; 3],
    frames: StageReport,
}

impl Run {
    pub(crate) async fn open(shared: Arc<Shared>, path: &Path, params: &KeyframeParams) -> Result<Self> {
        params.validate()?;
        let source = shared.fingerprints.fingerprint(path).await?;
        let identified = StageReport {
            bytes: source.len,
            ..StageReport::of_one("fingerprint", source.origin.clone(), source.took, source.saved)
        };
        let started = Instant::now();
        let probe = probe(&shared, path, &source).await?;
        let probed = StageReport::of_one("probe", name_of(&probe.origin), started.elapsed(), probe.saved);
        let mut run = Self {
            job: Extraction { path: path.to_owned(), state: source.state, params: *params },
            key: params.key(Key::of(source.fingerprint))?,
            parent: params.key(Key::of(VIDEO).part(source.fingerprint))?,
            probe: probe.value,
            keyframes: Arc::default(),
            fresh: None,
            recomputed: 0,
            next: 0,
            stages: [identified, probed, StageReport::of_many("keyframes")],
            frames: StageReport::of_many("frames"),
            shared,
            source,
        };
        run.find_keyframes().await?;
        Ok(run)
    }

    /// What the video is.
    pub fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }

    /// The keyframes. They are replaced when frames are found to be gone and have to be computed again.
    pub fn keyframes(&self) -> &Arc<Keyframes> {
        &self.keyframes
    }

    /// The next frames in order, verified; `None` at the end.
    ///
    /// A batch is at most 256 frames and about 8 MiB, read with one request to the tiers. When frames are gone
    /// (evicted, damaged), the keyframes are computed again; should that give other frames, which takes another
    /// version of ffmpeg, the batches start over at index 0. Cancelling it loses nothing: the next call goes on.
    ///
    /// # Errors
    /// When frames are gone and cannot be computed again.
    pub async fn next_frames(&mut self) -> Result<Option<Vec<Frame>>> {
        loop {
            let started = Instant::now();
            let batch = self.keyframes.batch(self.next).to_vec();
            if batch.is_empty() {
                return Ok(None);
            }
            let found = self.fetch(&batch).await?;
            self.frames.took += started.elapsed();
            if let Some(found) = found {
                self.next += found.len();
                return Ok(Some(self.counted(found)));
            }
            self.recompute().await?;
        }
    }

    /// What became of the run so far.
    pub fn into_report(self) -> Report {
        let [fingerprint, probe, keyframes] = self.stages;
        Report {
            source: self.job.path,
            len: self.source.len,
            fingerprint: self.source.fingerprint,
            probe: self.probe,
            keyframes: self.keyframes,
            stages: vec![fingerprint, probe, keyframes, self.frames],
            not_kept: self.fresh.as_ref().map_or(0, |fresh| fresh.not_kept),
            refusal: self.fresh.and_then(|fresh| fresh.refusal),
        }
    }

    async fn find_keyframes(&mut self) -> Result<()> {
        let started = Instant::now();
        let slot = Slot::default();
        let load = self.loader(&slot);
        let hit = self.shared.keyframes.get_or_load(&self.key, move |_| load).await.map_err(stage_error)?;
        self.adopt(hit, &slot, started);
        Ok(())
    }

    /// Frames are gone. At first all callers share one new load; one that still cannot get its frames, because no
    /// tier holds them, extracts for itself.
    async fn recompute(&mut self) -> Result<()> {
        let started = Instant::now();
        let before = self.keyframes.clone();
        if self.recomputed == MAX_RECOMPUTED {
            return Err(Error::new(ErrorKind::Unavailable, "the frames keep disappearing while they are read")
                .with_key(&self.parent));
        }
        self.recomputed += 1;
        if self.recomputed == 1 {
            let slot = Slot::default();
            let load = self.loader(&slot);
            let hit = self.shared.keyframes.refresh(&self.key, move |_| load).await.map_err(stage_error)?;
            self.adopt(hit, &slot, started);
        } else {
            let (keyframes, fresh) = load::keyframes(&self.shared, &self.job, &self.parent, &self.probe).await?;
            self.keyframes = Arc::new(keyframes);
            self.fresh = Some(fresh);
            self.answered(LOADED.into(), Duration::ZERO, started);
        }
        if self.keyframes != before {
            self.next = 0;
            self.frames = StageReport::of_many("frames");
        }
        Ok(())
    }

    /// The load of the keyframes, which leaves its extraction in `slot`.
    fn loader(&self, slot: &Slot) -> impl Future<Output = Result<Keyframes>> + Send + 'static {
        let (shared, job, parent) = (self.shared.clone(), self.job.clone(), self.parent.clone());
        let (probe, slot) = (self.probe.clone(), slot.clone());
        async move {
            let (keyframes, fresh) = load::keyframes(&shared, &job, &parent, &probe).await?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
            Ok(keyframes)
        }
    }

    fn adopt(&mut self, hit: Hit<Keyframes>, slot: &Slot, started: Instant) {
        self.answered(name_of(&hit.origin), hit.saved, started);
        self.keyframes = hit.value;
        self.fresh = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn answered(&mut self, origin: Arc<str>, saved: Duration, started: Instant) {
        let took = self.stages[2].took + started.elapsed();
        self.stages[2] = StageReport::of_one("keyframes", origin, took, saved);
    }
}

/// Once together with others, once alone.
const MAX_RECOMPUTED: u32 = 2;

/// Where a load leaves its extraction for the caller that led it.
type Slot = Arc<Mutex<Option<Fresh>>>;

async fn probe(shared: &Arc<Shared>, path: &Path, source: &Fingerprinted) -> Result<Hit<Probe>> {
    let key = Key::of(source.fingerprint).part("probe").param("v", 1).build()?;
    let (ffmpeg, path, state) = (shared.options.ffmpeg.clone(), path.to_owned(), source.state);
    let load = move |_| async move { load::probe(&ffmpeg, &path, state).await };
    shared.probes.get_or_load(&key, load).await.map_err(stage_error)
}
