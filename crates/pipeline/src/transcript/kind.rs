//! The transcript as a kind of artifact.

use super::{Piece, Transcript, stitch};
use crate::{Kind, Segment, Span};

/// Parts keep what was heard around their segments, and are stitched when they are read.
impl Kind for Transcript {
    const NAME: &'static str = "transcript";
    const SCHEMA: u32 = Self::SCHEMA;
    const OVERLAPS: bool = true;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        let piece = |(segment, transcript): (Segment, Self)| Piece { own: milliseconds(segment.span), transcript };
        stitch(parts.into_iter().map(piece).collect())
    }

    /// The segments that begin in `span`, whole.
    fn within(&self, span: Span) -> Self {
        let (start_ms, end_ms) = milliseconds(span);
        let heard = self.segments.iter().filter(|segment| (start_ms..end_ms).contains(&segment.start_ms));
        Self {
            language: self.language.clone(),
            start_ms: self.start_ms.max(start_ms),
            end_ms: self.end_ms.min(end_ms).max(start_ms),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Axis, Utterance};

    fn transcript(starts: Vec<(i64, i64)>) -> Transcript {
        let said = |(start_ms, len): (i64, i64)| Utterance {
            start_ms,
            end_ms: start_ms + len,
            text: format!("at {start_ms}"),
            ..Utterance::default()
        };
        Transcript { language: None, start_ms: 0, end_ms: 60_000, segments: starts.into_iter().map(said).collect() }
    }

    proptest! {
        #[test]
        fn a_part_of_a_part_is_the_part(
            mut starts in prop::collection::vec((0_i64..60_000, 0_i64..9_000), 0..20),
            (a, b) in (0_i64..60_000, 0_i64..60_000),
            (c, d) in (0_i64..20_000, 0_i64..20_000),
        ) {
            starts.sort_unstable();
            let whole = transcript(starts);
            let outer = Span::new(a.min(b) * 1_000, a.max(b) * 1_000);
            let inner = outer.intersection(Span::new(outer.start_us + c * 1_000, outer.end_us - d * 1_000));
            prop_assert_eq!(whole.within(outer).within(inner), whole.within(inner));
        }

        #[test]
        fn what_is_cut_into_segments_is_put_together_again(
            mut starts in prop::collection::vec((0_i64..60_000, 0_i64..9_000), 0..20),
        ) {
            starts.sort_unstable();
            let whole = transcript(starts);
            let seconds = std::time::Duration::from_secs;
            let axis = Axis::new(0, Some(seconds(60)), Some(seconds(7)));
            let parts = axis.segments().map(|segment| (segment, whole.within(segment.span))).collect();
            prop_assert_eq!(Transcript::join(parts), whole);
        }
    }
}
