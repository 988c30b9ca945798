//! The transcript as a kind of artifact.

use super::{Piece, Transcript, stitch};
use crate::{Kind, Segment, Span};

/// Parts keep what was heard around their segments, and are stitched when they are read.
impl Kind for Transcript {
    const NAME: &'static str = "transcript";
    const SCHEMA: u32 = Self::SCHEMA;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        let piece = |(segment, transcript): (Segment, Self)| Piece { own: milliseconds(segment.span), transcript };
        stitch(parts.into_iter().map(piece).collect())
    }

    /// The segments that are heard at some time in `span`, whole.
    fn within(&self, span: Span) -> Self {
        let (start_ms, end_ms) = milliseconds(span);
        let is_heard = |start: i64, end: i64| start < end_ms && start_ms < end.max(start.saturating_add(1));
        let heard = self.segments.iter().filter(|segment| is_heard(segment.start_ms, segment.end_ms));
        Self {
            language: self.language.clone(),
            start_ms: self.start_ms.max(start_ms),
            end_ms: self.end_ms.min(end_ms),
            segments: heard.cloned().collect(),
        }
    }

    fn count(&self) -> u64 {
        self.segments.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.segments.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
}

/// `span` in whole milliseconds, rounded so that stretches that meet still do.
pub(super) const fn milliseconds(span: Span) -> (i64, i64) {
    (span.start_us.div_euclid(1_000), span.end_us.div_euclid(1_000))
}
