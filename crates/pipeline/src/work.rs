//! `Work`: what a stage is asked to compute, and what it may use.

use std::sync::Arc;

use cache_core::{Error, ErrorKind, Result};

use crate::output::Job;
use crate::part;
use crate::resolved::Resolved;
use crate::{Artifact, Axis, Ffmpeg, Kind, Probe, Segment, Selection, Source, Span, compute};

/// What a stage is asked to compute, and what it may use. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Work {
    job: Arc<Job>,
    probe: Arc<Probe>,
}

/// Parts that are looked for on either side.
const NEAR: usize = 8;

impl Work {
    pub(crate) fn new(job: Job, probe: Arc<Probe>) -> Self {
        Self { job: Arc::new(job), probe }
    }

    /// What the artifact is made from.
    pub fn source(&self) -> &Source {
        &self.job.video.source
    }

    /// What the source is.
    pub fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }

    /// The time axis of the source in the segments of this stage.
    pub fn axis(&self) -> &Axis {
        &self.job.resolved.axis
    }

    /// The segments to compute: next to each other and in order, at least one. Just one with
    /// [`Pass::Each`](crate::Pass::Each).
    pub fn segments(&self) -> &[Segment] {
        &self.job.segments
    }

    /// Whether just a piece of one segment is wanted: then the only one of [`segments`](Self::segments) is as short as
    /// the piece, and nothing before or after it is to be given. That is asked of
    /// [`divisible`](crate::Recipe::divisible) stages alone.
    pub fn piece(&self) -> Option<Span> {
        self.job.piece.as_ref().map(|piece| piece.segment.span)
    }

    /// From the start of the first segment to the end of the last.
    pub fn span(&self) -> Span {
        let start_us = self.job.segments.first().map_or(0, |segment| segment.span.start_us);
        Span { start_us, end_us: self.job.segments.last().map_or(start_us, |segment| segment.span.end_us) }
    }

    /// The programs that read media files.
    pub fn ffmpeg(&self) -> &Ffmpeg {
        &self.job.shared.options.ffmpeg
    }

    /// The input of kind `K`, as far as it lies in `span`; the segments' own and some seconds around it, say. What of
    /// it is missing is computed first.
    ///
    /// # Errors
    /// `Invalid` when the recipe names no input of this kind; otherwise those of the input's stage.
    pub async fn input<K: Kind>(&self, span: Span) -> Result<Artifact<K>> {
        let input = self.find(K::NAME)?;
        let selection = Selection::all().span(span);
        let snapshot = compute::ensure(&self.job.shared, &self.job.video, &input, &selection).await?;
        Artifact::assemble(self.job.shared.clone(), input, &snapshot, &selection)
    }

    /// A part of this artifact that is there already, one near the segments: what is computed is to go with it.
    ///
    /// # Errors
    /// When a key is too long.
    pub(crate) async fn beside<K: Kind>(&self) -> Result<Option<K>> {
        let (job, count) = (&self.job, self.axis().count());
        let (first, last) = (self.segments().first(), self.segments().last());
        let before = (0..first.map_or(0, |segment| segment.index)).rev().take(NEAR);
        let after = (last.map_or(0, |segment| segment.index) + 1..count).take(NEAR);
        let keys = before.chain(after).map(|index| job.resolved.part_key(index)).collect::<Result<Vec<_>>>()?;
        let found = job.shared.tiers.lookup_many(&keys).await;
        Ok(found.into_iter().filter_map(|found| found.found).find_map(|found| part::value(&found.entry.body)))
    }

    fn find(&self, kind: &str) -> Result<Arc<Resolved>> {
        self.job.resolved.inputs.iter().find(|input| input.kind.name == kind).cloned().ok_or_else(|| {
            let message = format!("the stage of {} has no input of kind {kind}", self.job.resolved.kind.name);
            Error::new(ErrorKind::Invalid, message)
        })
    }
}
