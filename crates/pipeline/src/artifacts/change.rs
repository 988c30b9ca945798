//! Artifacts that were made elsewhere, and artifacts that are to go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cache_core::{Backend, Error, ErrorKind, Key, KeyPrefix, Result, Selector};
use futures_util::TryStreamExt;

use super::ArtifactCache;
use crate::identity::Identity;
use crate::output::{Job, Sink};
use crate::resolved::{Resolved, made_of};
use crate::video::Video;
use crate::{AnyStage, Kind, Output, Selection, Source, Stage};

/// What an invalidation has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// Entries of all tiers together, by kind; those of the source itself count as `"source"`.
    pub entries: BTreeMap<String, u64>,
}

impl Invalidated {
    /// Entries of all kinds together.
    pub fn total(&self) -> u64 {
        self.entries.values().sum()
    }
}

impl ArtifactCache {
    /// Stores `value`, which was made elsewhere, as what `stage` would have computed of all of `source`. A value with
    /// bodies is [written](Self::write) instead.
    ///
    /// # Errors
    /// Those of the source, and of the tiers when none keeps it; `Invalid` for a value with bodies.
    pub async fn set<S: Stage>(&self, source: &Source, stage: &Arc<S>, value: &S::Kind) -> Result<()> {
        if !value.bodies().is_empty() {
            let message = format!("the {} refer to bodies: store them with write", S::Kind::NAME);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.write(source, stage, async |segments, out| {
            for segment in segments {
                let _ = out.part(*segment, &value.within(segment.span)).await?;
            }
            Ok(())
        })
        .await
    }

    /// Stores what `write` gives, as if `stage` had computed it: it is called with all segments of `source`.
    ///
    /// # Errors
    /// Those of the source, of `write`, and of the tiers when they do not keep it.
    pub async fn write<S: Stage>(
        &self,
        source: &Source,
        stage: &Arc<S>,
        write: impl AsyncFnOnce(&[crate::Segment], &mut Output<'_, S::Kind>) -> Result<()>,
    ) -> Result<()> {
        let video = Video::open(&self.0, source).await?;
        let resolved = Resolved::resolve(&self.0, &video, stage.clone()).await?;
        let segments: Vec<_> = resolved.axis.segments().collect();
        let job = Job { shared: self.0.clone(), video, resolved, segments: segments.clone(), most: None, piece: None };
        let mut sink = Sink::new(job, None, None);
        write(&segments, &mut Output::new(&mut sink)).await?;
        let (tally, _) = sink.finish()?;
        tally.refusal.map_or(Ok(()), |refusal| Err(Error::new(ErrorKind::Unavailable, refusal)))
    }

    /// Removes everything that was made of `source`, from every tier; what is being computed of it is not kept. Costs a
    /// look at all that is there of it.
    ///
    /// # Errors
    /// Those of fingerprinting and of [`Tiered::invalidate`](cache_tiered::Tiered::invalidate).
    pub async fn invalidate(&self, source: &Source) -> Result<Invalidated> {
        let video = Video::look(&self.0, source).await?;
        let mut invalidated = Invalidated::default();
        for kind in self.kinds(&video.root, |_| true).await? {
            let below = KeyPrefix::below(&video.root.child(&kind).build()?);
            self.remove(&mut invalidated, kind, Selector::Prefix(below)).await?;
        }
        let all = Selector::Prefix(KeyPrefix::below(&video.root));
        self.remove(&mut invalidated, "source".to_owned(), all).await?;
        Ok(invalidated)
    }

    /// Removes what `stage` has made of `source`, and everything that was made of that, from every tier. Artifacts of
    /// other versions and parameters stay, with what was made of them.
    ///
    /// # Errors
    /// As [`invalidate`](Self::invalidate).
    pub async fn invalidate_stage(&self, source: &Source, stage: Arc<dyn AnyStage>) -> Result<Invalidated> {
        let video = Video::look(&self.0, source).await?;
        let resolved = Resolved::resolve(&self.0, &video, stage).await?;
        let (mut invalidated, tag) = (Invalidated::default(), made_of(&resolved.identity));
        let kind = resolved.kind.name.to_owned();
        self.remove(&mut invalidated, kind.clone(), Selector::Prefix(KeyPrefix::below(&resolved.root))).await?;
        for kind in self.kinds(&video.root, |tags| tags.contains(&tag)).await? {
            let within = KeyPrefix::below(&video.root.child(&kind).build()?);
            self.remove(&mut invalidated, kind, Selector::Tag { tag: tag.clone(), within }).await?;
        }
        // Whatever is under way, of whatever kind.
        let within = KeyPrefix::below(&video.root);
        self.remove(&mut invalidated, kind, Selector::Tag { tag, within }).await?;
        Ok(invalidated)
    }

    /// The kinds of the entries below `root` whose tags are `wanted`.
    async fn kinds(&self, root: &Key, wanted: impl Fn(&[Arc<str>]) -> bool) -> Result<BTreeSet<String>> {
        let below = KeyPrefix::below(root);
        let (mut kinds, mut entries) = (BTreeSet::new(), self.0.tiers.scan(&below));
        while let Some((_, meta)) = entries.try_next().await? {
            if let Some(kind) = meta.tags.first().filter(|_| wanted(&meta.tags)) {
                kinds.insert(kind.to_string());
            }
        }
        Ok(kinds)
    }

    async fn remove(&self, invalidated: &mut Invalidated, kind: String, selector: Selector) -> Result<()> {
        let removed = self.0.tiers.invalidate(&selector).await?;
        *invalidated.entries.entry(kind).or_default() += removed.entries();
        Ok(())
    }

    /// The digest of what `stage` would make of `source`, whose chain [`explain`](Self::explain) tells.
    ///
    /// # Errors
    /// Those of fingerprinting; `Invalid` for a recipe without an identity.
    pub async fn identity(&self, source: &Source, stage: Arc<dyn AnyStage>) -> Result<Identity> {
        let video = Video::look(&self.0, source).await?;
        Ok(Resolved::resolve(&self.0, &video, stage).await?.identity.clone())
    }

    /// Where artifacts of `selection` would have to be computed: as [`coverage`](Self::coverage), of any stage.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn coverage_of(
        &self,
        video: &Video,
        stage: Arc<dyn AnyStage>,
        selection: &Selection,
    ) -> Result<(Arc<Resolved>, crate::Coverage)> {
        let resolved = Resolved::resolve(&self.0, video, stage).await?;
        if video.probe.is_none() {
            return Ok((resolved, crate::Coverage::default()));
        }
        let snapshot = crate::compute::look(&self.0, &resolved, selection).await?;
        let coverage = snapshot.coverage(selection);
        Ok((resolved, coverage))
    }
}
