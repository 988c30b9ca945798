//! What is there and what is missing of several stages, and whether what is there is right.

use std::sync::Arc;

use cache_core::{Backend, Result};

use super::ArtifactCache;
use crate::compute::{Held, look};
use crate::part;
use crate::resolved::Resolved;
use crate::video::Video;
use crate::{AnyStage, Coverage, Digest, Plan, Source, Span};

/// What is missing of one stage.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Missing {
    /// Name of the kind.
    pub kind: &'static str,
    /// What of it is there.
    pub coverage: Coverage,
    /// What is not, as stretches of time; all of it is [`Span::ALL`] where nothing is known of the source.
    pub gaps: Vec<Span>,
}

/// What was verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Parts that are as they were computed.
    pub parts: u64,
    /// Bodies whose bytes hash to what was computed.
    pub bodies: u64,
    /// Bytes of these bodies.
    pub bytes: u64,
    /// Bundles that are not there any more.
    pub gone: u64,
    /// Bundles and parts that are not what was computed, or cannot be read. They were removed.
    pub damaged: u64,
}

impl ArtifactCache {
    /// What `plan` would compute for `source`: the stages of which something is missing. Computes nothing.
    ///
    /// Of a file that was never seen, and of which nothing can be there, only the fingerprint is taken. Costs the same
    /// for each source, however many there are.
    ///
    /// # Errors
    /// Those of fingerprinting; `Invalid` for a recipe without an identity.
    pub async fn missing(&self, source: &Source, plan: &Plan) -> Result<Vec<Missing>> {
        let video = Video::look(&self.0, source).await?;
        let mut missing = Vec::new();
        for stage in &plan.stages {
            let (resolved, coverage) = self.coverage_of(&video, stage.clone(), &plan.selection).await?;
            if !coverage.complete {
                let gaps = if video.probe.is_some() { coverage.gaps() } else { vec![Span::ALL] };
                missing.push(Missing { kind: resolved.kind.name, coverage, gaps });
            }
        }
        Ok(missing)
    }

    /// Reads all that is there of `stage` for `source`, bodies included, and removes what is not as it was computed: the
    /// next run computes that again. Holds a bundle at a time in memory.
    ///
    /// # Errors
    /// Those of fingerprinting and of removing.
    pub async fn verify(&self, source: &Source, stage: Arc<dyn AnyStage>) -> Result<Verified> {
        let video = Video::look(&self.0, source).await?;
        let mut verified = Verified::default();
        if video.probe.is_none() {
            return Ok(verified);
        }
        let resolved = Resolved::resolve(&self.0, &video, stage).await?;
        for segment in resolved.axis.segments() {
            let key = resolved.part_key(segment.index)?;
            let is_there = self.0.tiers.stat(&key).await.ok().flatten().is_some();
            let snapshot = look(&self.0, &resolved, &crate::Selection::all().span(segment.span)).await?;
            let held = snapshot.held.iter().flatten().find(|held| held.segment == segment);
            match held.filter(|held| resolved.stage.reads(&held.bytes)) {
                Some(held) => {
                    verified.parts += 1;
                    self.verify_bundles(&resolved, held, &mut verified).await?;
                }
                None if is_there => {
                    self.0.tiers.remove(&key).await?;
                    verified.damaged += 1;
                }
                None => {}
            }
        }
        Ok(verified)
    }

    async fn verify_bundles(&self, resolved: &Resolved, held: &Held, verified: &mut Verified) -> Result<()> {
        for (number, bundle) in (0..).zip(&held.table.bundles) {
            if held.gone.contains(&number) {
                verified.gone += 1;
            } else {
                self.verify_bundle(resolved, held.segment.index, number, bundle, verified).await?;
            }
        }
        Ok(())
    }

    async fn verify_bundle(
        &self,
        resolved: &Resolved,
        segment: u32,
        number: u32,
        bundle: &part::Bundle,
        verified: &mut Verified,
    ) -> Result<()> {
        let key = resolved.bundle_key(segment, number)?;
        // It was there just before: a tier drops what it cannot read.
        let Some(entry) = self.0.tiers.get(&key).await.ok().flatten() else {
            verified.damaged += 1;
            return Ok(());
        };
        let (bodies, bytes) = (bundle.bodies.clone(), entry.body);
        let right = crate::blocking::run(move || {
            let mut rest = &bytes[..];
            let right = bodies.iter().all(|info| {
                let len = usize::try_from(info.len).unwrap_or(usize::MAX);
                let Some((body, after)) = rest.split_at_checked(len) else { return false };
                rest = after;
                Digest::of(body) == info.digest
            });
            Ok(right && rest.is_empty())
        })
        .await?;
        if right {
            verified.bodies += bundle.bodies.len() as u64;
            verified.bytes += bundle.bytes();
        } else {
            self.0.tiers.remove(&key).await?;
            verified.damaged += 1;
        }
        Ok(())
    }
}
