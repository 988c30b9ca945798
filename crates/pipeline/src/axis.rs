//! `Axis`: the time axis of a source, cut into segments.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A half-open stretch of time in microseconds, as the container of the source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first microsecond inside.
    pub start_us: i64,
    /// The first microsecond after it.
    pub end_us: i64,
}

/// One piece of the axis: what is computed, kept and evicted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Segment {
    /// Its position on the axis, from 0.
    pub index: u32,
    /// Its time. What a source has before its first segment belongs to that, what it has after the last to that one.
    pub span: Span,
}

/// The time axis of a source, cut into segments of one length; the last may be shorter.
///
/// A source of unknown length is one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    whole: Span,
    /// Length of a segment; at least 1.
    step_us: i64,
}

/// The most segments of a source; longer ones are cut into longer pieces.
const MOST_SEGMENTS: i64 = 10_000;

impl Span {
    /// All of time.
    pub const ALL: Self = Self { start_us: i64::MIN, end_us: i64::MAX };

    /// From `start` to `end` microseconds; empty when they are the wrong way round.
    pub const fn new(start_us: i64, end_us: i64) -> Self {
        Self { start_us, end_us }
    }

    /// Whether `at_us` is inside.
    pub const fn contains(self, at_us: i64) -> bool {
        self.start_us <= at_us && at_us < self.end_us
    }

    /// Whether some instant is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start_us < other.end_us && other.start_us < self.end_us
    }

    /// What is in both; empty when nothing is.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let start_us = self.start_us.max(other.start_us);
        Self { start_us, end_us: self.end_us.min(other.end_us).max(start_us) }
    }

    /// It, and `around` before and after it; an empty one stays so.
    #[must_use]
    pub fn widened(self, around: Duration) -> Self {
        let around_us = i64::try_from(around.as_micros()).unwrap_or(i64::MAX);
        if self.len_us() == 0 {
            return self;
        }
        Self::new(self.start_us.saturating_sub(around_us), self.end_us.saturating_add(around_us))
    }

    /// Its length in microseconds.
    pub const fn len_us(self) -> u64 {
        if self.start_us < self.end_us { self.end_us.abs_diff(self.start_us) } else { 0 }
    }
}

impl Axis {
    /// The axis that begins at `start_us` and is `duration` long, in pieces of `segment`. Without a duration or a
    /// length of segments it is one piece.
    pub fn new(start_us: i64, duration: Option<Duration>, segment: Option<Duration>) -> Self {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let Some(len) = duration.map(micros).filter(|len| *len > 0) else {
            return Self { whole: Span::new(start_us, start_us.saturating_add(1)), step_us: 1 };
        };
        let step =
            segment.map_or(len, micros).clamp(1, len).max(len.div_euclid(MOST_SEGMENTS).saturating_add(1).min(len));
        Self { whole: Span::new(start_us, start_us.saturating_add(len)), step_us: step }
    }

    /// All of it.
    pub const fn whole(&self) -> Span {
        self.whole
    }

    /// How many segments there are; at least one.
    pub fn count(&self) -> u32 {
        let len = self.whole.end_us.saturating_sub(self.whole.start_us);
        let whole = len / self.step_us + i64::from(len % self.step_us != 0);
        u32::try_from(whole.max(1)).unwrap_or(u32::MAX)
    }

    /// The segment at `index`; the last one for an index beyond it.
    pub fn segment(&self, index: u32) -> Segment {
        let index = index.min(self.count() - 1);
        let start_us = self.whole.start_us.saturating_add(i64::from(index).saturating_mul(self.step_us));
        let end_us = start_us.saturating_add(self.step_us).min(self.whole.end_us);
        Segment { index, span: Span { start_us, end_us } }
    }

    /// The position of the segment that `at_us` belongs to, be it before or after the axis.
    pub fn index_of(&self, at_us: i64) -> u32 {
        let passed = at_us.saturating_sub(self.whole.start_us).max(0) / self.step_us;
        u32::try_from(passed).unwrap_or(u32::MAX).min(self.count() - 1)
    }

    /// The positions of the segments that hold what is in `span`; none for an empty span.
    pub fn indices(&self, span: Span) -> Range<u32> {
        if span.len_us() == 0 {
            return 0..0;
        }
        self.index_of(span.start_us)..self.index_of(span.end_us.saturating_sub(1)) + 1
    }

    /// All segments in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        (0..self.count()).map(|index| self.segment(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn segments_cover_the_axis_without_gap_or_overlap() {
        for seconds in [1, 59, 60, 61, 7200, 1_000_000] {
            let axis = Axis::new(-80_000, Some(Duration::from_secs(seconds)), Some(Duration::from_mins(1)));
            let all: Vec<_> = axis.segments().collect();
            assert_eq!(all[0].span.start_us, -80_000);
            assert!(all.windows(2).all(|pair| pair[0].span.end_us == pair[1].span.start_us));
            assert_eq!(all[all.len() - 1].span, Span { end_us: axis.whole().end_us, ..all[all.len() - 1].span });
            for segment in &all {
                assert_eq!(axis.index_of(segment.span.start_us), segment.index);
                assert_eq!(axis.index_of(segment.span.end_us - 1), segment.index);
                assert_eq!(axis.indices(segment.span), segment.index..segment.index + 1);
            }
        }
    }

    #[test]
    fn what_is_outside_belongs_to_the_first_or_last_segment() {
        let axis = Axis::new(0, Some(Duration::from_secs(90)), Some(Duration::from_mins(1)));
        assert_eq!((axis.index_of(i64::MIN), axis.index_of(i64::MAX)), (0, 1));
        assert_eq!(axis.indices(Span::ALL), 0..2);
        assert_eq!(axis.indices(Span::new(70 * SECOND, 80 * SECOND)), 1..2);
        assert_eq!(axis.indices(Span::new(5, 5)), 0..0);
    }

    #[test]
    fn an_unknown_or_absurd_length_is_bounded() {
        assert_eq!(Axis::new(5, None, Some(Duration::from_mins(1))).count(), 1);
        assert_eq!(Axis::new(0, Some(Duration::ZERO), None).count(), 1);
        let absurd = Axis::new(0, Some(Duration::MAX), Some(Duration::from_secs(1)));
        assert!(absurd.count() <= 10_001, "{}", absurd.count());
    }
}
