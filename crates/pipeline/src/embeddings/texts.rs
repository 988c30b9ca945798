//! `Texts`: kinds that consist of passages of text.

use std::time::Duration;

use crate::{Descriptions, Kind, Transcript};

/// A kind that consists of passages of text, which embeddings can be made of.
pub trait Texts: Kind {
    /// How far around a stretch of time the texts have to be known, for those of the stretch to be what they are in the
    /// whole: near enough for a part to be put together with its neighbours.
    const AROUND: Duration = Duration::from_secs(1);

    /// The passages in the order of time.
    fn passages(&self) -> Vec<Passage>;
}

/// A passage of text and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// When it begins, in microseconds, as the container counts.
    pub start_us: i64,
    /// When it ends.
    pub end_us: i64,
    /// The text; not empty.
    pub text: String,
}

/// A passage is a segment.
impl Texts for Transcript {
    fn passages(&self) -> Vec<Passage> {
        let micros = |ms: i64| ms.saturating_mul(1_000);
        let segments = self.segments.iter();
        segments
            .map(|said| Passage {
                start_us: micros(said.start_ms),
                end_us: micros(said.end_ms),
                text: said.text.clone(),
            })
            .collect()
    }
}

/// A passage is a description.
impl Texts for Descriptions {
    /// Each belongs to one instant, whatever is next to it.
    const AROUND: Duration = Duration::ZERO;

    fn passages(&self) -> Vec<Passage> {
        let passage =
            |seen: &crate::Description| Passage { start_us: seen.pts_us, end_us: seen.pts_us, text: seen.text.clone() };
        self.descriptions.iter().map(passage).collect()
    }
}
