//! The loads of a run: what happens when an artifact is in no tier.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Backend, Entry, Error, Key, Meta, Result, Stamp};

use crate::artifacts::Shared;
use crate::keyframes::{Extracted, Extraction};
use crate::source::SourceState;
use crate::{Ffmpeg, Frame, Keyframes, Probe};

/// An extraction that this run did itself: its frames are at hand whether or not a tier keeps them.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) extracted: Extracted,
    /// At least how many frames were not stored, are gone already, or end with the process though a tier is durable.
    pub(super) not_kept: u64,
    /// Why the last of those that were not stored was not.
    pub(super) refusal: Option<Error>,
}

/// Describes the source, which must still be the one that was fingerprinted.
pub(super) async fn probe(ffmpeg: &Ffmpeg, path: &Path, state: SourceState) -> Result<Probe> {
    let probe = ffmpeg.probe(path).await;
    state.confirm(path, "probed").await?;
    probe
}

/// Extracts the keyframes and writes each frame to the tiers. The list of them is returned to be written last, so
/// that whoever finds it finds the frames.
pub(super) async fn keyframes(
    shared: &Arc<Shared>,
    job: &Extraction,
    parent: &Key,
    probe: &Probe,
) -> Result<(Keyframes, Fresh)> {
    let stamp = shared.tiers.stamps().tick();
    let turn = shared.turn().await?;
    let started = Instant::now();
    let extracted = job.run(&shared.options.ffmpeg, probe, &shared.options.scratch).await?;
    drop(turn);
    let cost = started.elapsed() / u32::try_from(extracted.len()).unwrap_or(u32::MAX).max(1);
    let writer = Writer { shared, parent, stamp, cost };
    let mut keyframes = Keyframes::default();
    let (mut refused, mut refusal) = (HashSet::new(), None);
    loop {
        let batch = extracted.batch(keyframes.frames.len()).await?;
        if batch.is_empty() {
            break;
        }
        keyframes.frames.extend(batch.iter().map(|frame| frame.info));
        for (index, error) in writer.write(batch).await? {
            refused.insert(index);
            refusal = Some(error);
        }
    }
    let stored = (0..).take(keyframes.frames.len()).filter(|index| !refused.contains(index));
    let absent = refused.len() as u64 + writer.count_absent(stored).await?;
    let not_kept = absent.max(writer.count_fleeting(keyframes.frames.len() as u64).await);
    Ok((keyframes, Fresh { extracted, not_kept, refusal }))
}

struct Writer<'a> {
    shared: &'a Shared,
    parent: &'a Key,
    stamp: Stamp,
    /// Wall time that one frame took.
    cost: Duration,
}

impl Writer<'_> {
    /// Writes a batch; the frames that were not stored, which is no failure of the load.
    async fn write(&self, batch: Vec<Frame>) -> Result<Vec<(u32, Error)>> {
        let indices: Vec<u32> = batch.iter().map(|frame| frame.info.index).collect();
        let mut entries = Vec::with_capacity(batch.len());
        for frame in batch {
            entries.push((Frame::key(self.parent, frame.info.index)?, self.entry(frame)));
        }
        let answers = self.shared.tiers.put_many(entries).await;
        Ok(indices.into_iter().zip(answers).filter_map(|(index, answer)| Some((index, answer.err()?))).collect())
    }

    fn entry(&self, frame: Frame) -> Entry {
        let mut meta =
            Meta::new(self.stamp, self.shared.tiers.clock().now()).with_lifetime(self.shared.options.lifetime);
        meta.cost = self.cost;
        meta.content_type = Some("image/jpeg".into());
        meta.etag = Some(frame.info.digest.to_string().into());
        Entry::new(meta, frame.jpeg)
    }

    /// How many frames of those stored cannot be found all the same. A tier that fails counts as one without them.
    async fn count_absent(&self, stored: impl Iterator<Item = u32>) -> Result<u64> {
        let mut absent = 0;
        for index in stored {
            let found = self.shared.tiers.stat(&Frame::key(self.parent, index)?).await;
            absent += u64::from(!matches!(found, Ok(Some(_))));
        }
        Ok(absent)
    }

    /// How many of `frames` frames no durable tier can hold, by the number of its entries; 0 where no tier is durable
    /// or one does not tell.
    async fn count_fleeting(&self, frames: u64) -> u64 {
        let tiers = self.shared.tiers.stats().await.tiers;
        let durable = tiers.iter().filter(|tier| tier.durable);
        let held = durable.map(|tier| Some(tier.usage?.entries)).reduce(|a, b| a?.checked_add(b?)).flatten();
        held.map_or(0, |held| frames.saturating_sub(held))
    }
}
