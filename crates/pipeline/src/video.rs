//! `Video`: a source as it was when the work on it began.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Error, ErrorKind, Key, Result};
use cache_tiered::Hit;

use crate::fingerprint::Fingerprinted;
use crate::origin::stage_error;
use crate::shared::{OLD, Shared, VIDEO};
use crate::{Axis, Probe, Source};

/// A source as it was when the work on it began.
#[derive(Debug)]
pub(crate) struct Video {
    pub(crate) source: Source,
    pub(crate) print: Fingerprinted,
    /// What it is; `None` when that is not known and was not to be found out.
    pub(crate) probe: Option<Hit<Probe>>,
    pub(crate) probe_took: Duration,
    /// What all keys of its artifacts begin with.
    pub(crate) root: Key,
}

impl Video {
    /// Fingerprints and probes `source`.
    pub(crate) async fn open(shared: &Shared, source: &Source) -> Result<Arc<Self>> {
        if matches!(source, Source::Kept(_)) {
            let message = format!("{source} is not at hand: nothing can be computed of it");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut video = Self::look(shared, source).await?;
        if video.probe.is_none() {
            let started = Instant::now();
            video.probe = Some(video.load_probe(shared).await?);
            video.probe_took += started.elapsed();
        }
        Ok(Arc::new(video))
    }

    /// Fingerprints `source`, and finds what is known of it: runs no program.
    pub(crate) async fn look(shared: &Shared, source: &Source) -> Result<Self> {
        let print = shared.fingerprints.fingerprint(source).await?;
        let root = Key::of(VIDEO).part(print.fingerprint).build()?;
        let started = Instant::now();
        let probe = shared.probes.get(&probe_key(&print)?).await?;
        Ok(Self { source: source.clone(), print, probe, probe_took: started.elapsed(), root })
    }

    /// Fails unless the source is still as it was fingerprinted. `during` says what would have gone wrong.
    pub(crate) async fn confirm(&self, shared: &Shared, during: &str) -> Result<()> {
        shared.fingerprints.confirm(&self.source, &self.print, during).await
    }

    /// Stores what it is anew when that is old. What was removed meanwhile stays so.
    pub(crate) async fn renew(&self, shared: &Shared) -> Result<()> {
        let key = probe_key(&self.print)?;
        match shared.probes.get(&key).await? {
            Some(found) if found.age > OLD => shared.probes.put(&key, Probe::clone(&found.value)).await,
            _ => Ok(()),
        }
    }

    /// What it is.
    pub(crate) fn probe_or_error(&self) -> Result<Arc<Probe>> {
        let unknown = || Error::new(ErrorKind::Internal, format!("{} has not been probed", self.source));
        self.probe.as_ref().map(|hit| hit.value.clone()).ok_or_else(unknown)
    }

    /// Its time axis, in pieces of `segment`.
    pub(crate) fn axis(&self, segment: Option<Duration>) -> Axis {
        let probe = self.probe.as_ref().map(|hit| &*hit.value);
        let start_us = probe.and_then(|probe| probe.start_us).unwrap_or_default();
        Axis::new(start_us, probe.and_then(|probe| probe.duration), segment)
    }

    async fn load_probe(&self, shared: &Shared) -> Result<Hit<Probe>> {
        let (ffmpeg, source, print) = (shared.options.ffmpeg.clone(), self.source.clone(), self.print.clone());
        let fingerprints = shared.fingerprints.clone();
        let load = move |_| async move {
            let probe = ffmpeg.probe(&source).await;
            fingerprints.confirm(&source, &print, "probed").await?;
            probe
        };
        shared.probes.get_or_load(&probe_key(&self.print)?, load).await.map_err(stage_error)
    }
}

fn probe_key(print: &Fingerprinted) -> Result<Key> {
    Key::of(print.fingerprint).part("probe").param("v", 2).build()
}
