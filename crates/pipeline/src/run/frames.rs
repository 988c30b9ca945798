//! Frames read in batches: from this run's own extraction, or else from the tiers.

use std::sync::Arc;

use cache_core::Result;

use super::Run;
use crate::origin::LOADED;
use crate::{Frame, Keyframe, blocking};

/// A frame and the name of what gave it.
pub(super) type Found = (Frame, Arc<str>);

impl Run {
    /// The frames of `batch`; `None` when not all of them are there as they were computed.
    pub(super) async fn fetch(&self, batch: &[Keyframe]) -> Result<Option<Vec<Found>>> {
        match &self.fresh {
            Some(fresh) => {
                let frames = fresh.extracted.batch(self.next).await?;
                let loaded: Arc<str> = LOADED.into();
                let as_computed = frames.iter().map(|frame| &frame.info).eq(batch);
                Ok(as_computed.then(|| frames.into_iter().map(|frame| (frame, loaded.clone())).collect()))
            }
            None => self.fetch_cached(batch).await,
        }
    }

    async fn fetch_cached(&self, batch: &[Keyframe]) -> Result<Option<Vec<Found>>> {
        let keys = batch.iter().map(|info| Frame::key(&self.parent, info.index)).collect::<Result<Vec<_>>>()?;
        let answers = self.shared.tiers.lookup_many(&keys).await;
        let batch = batch.to_vec();
        blocking::run(move || {
            let verified = batch.into_iter().zip(answers).map(|(info, answer)| {
                let found = answer.found?;
                Some((Frame::verified(info, found.entry.body)?, found.name))
            });
            Ok(verified.collect())
        })
        .await
    }

    pub(super) fn counted(&mut self, found: Vec<Found>) -> Vec<Frame> {
        let count = |(frame, origin): Found| {
            self.frames.count(&origin, frame.info.len);
            frame
        };
        found.into_iter().map(count).collect()
    }
}
