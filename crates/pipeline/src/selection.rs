//! `Selection` and `Coverage`: what of an artifact is wanted, and what of that is there.

use crate::{Segment, Span};

/// What of an artifact is wanted: all of it unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Selection {
    pub(crate) span: Span,
    pub(crate) most: Option<u64>,
}

/// Which segments of what is wanted are in the cache, complete with all their bodies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// Segments that are there.
    pub present: Vec<Segment>,
    /// Segments of which nothing is there.
    pub absent: Vec<Segment>,
    /// Segments that are there but for some of their bodies.
    pub partial: Vec<Segment>,
    /// How many segments the source has.
    pub segments: u32,
    /// Whether what is there is all that is wanted.
    pub complete: bool,
}

impl Selection {
    /// All of it.
    pub const fn all() -> Self {
        Self { span: Span::ALL, most: None }
    }

    /// What lies in `span`.
    pub const fn span(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    /// The first `things`, counted from the start of the span: frames, sentences, whatever the kind counts. Only as
    /// many segments are computed as are needed.
    pub const fn most(mut self, things: u64) -> Self {
        self.most = Some(things);
        self
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::all()
    }
}

impl Coverage {
    /// What is absent or partial, as stretches of time next to each other made one.
    pub fn gaps(&self) -> Vec<Span> {
        let mut lacking: Vec<Segment> = self.absent.iter().chain(&self.partial).copied().collect();
        lacking.sort_by_key(|segment| segment.index);
        let mut gaps: Vec<Span> = Vec::new();
        for Segment { span, .. } in lacking {
            match gaps.last_mut() {
                Some(last) if last.end_us == span.start_us => last.end_us = span.end_us,
                _ => gaps.push(span),
            }
        }
        gaps
    }

    /// Whether nothing of it is there.
    pub fn is_nothing(&self) -> bool {
        self.present.is_empty() && self.partial.is_empty()
    }
}
