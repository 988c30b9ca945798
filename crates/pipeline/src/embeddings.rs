//! `Embeddings`: vectors that tell what passages of text are about.

mod answer;
#[cfg(feature = "endpoint")]
mod ask;
mod packed;
mod stage;
mod texts;

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

pub use packed::Precision;
pub use stage::Embedder;
pub use texts::{Passage, Texts};

use crate::{Artifact, BodyRef, Kind, Output, Segment, Span};

/// Vectors that tell what passages of text are about. The numbers themselves are bodies, read with
/// [`vectors`](Self::vectors).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Embeddings {
    /// How many numbers a vector has; 0 when there is none, or when they have different lengths, see
    /// [`vectors`](Self::vectors).
    pub dimensions: u32,
    /// How exactly they are kept.
    pub precision: Precision,
    /// The passages in the order of time.
    pub passages: Vec<Embedded>,
}

/// A passage whose vector is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Embedded {
    /// When it begins, in microseconds, as the container counts.
    pub start_us: i64,
    /// When it ends.
    pub end_us: i64,
    /// Where its vector is, among others.
    pub body: BodyRef,
    /// Which of those it is.
    pub row: u32,
}

/// The most numbers in one body; bodies are read as wholes.
const MOST_NUMBERS: usize = 256 << 10;

impl Embeddings {
    /// Has `out` keep `vectors`, one for each of `passages` and all of one length: the value of the segment whose passages
    /// these are, for stages of your own.
    ///
    /// # Errors
    /// `Invalid` when there is not one vector for each passage, or when their lengths differ; [`ErrorKind::Load`] for a
    /// number that `precision` cannot keep and for a vector of nothing but zeros.
    pub async fn keep(
        passages: &[Passage],
        vectors: &[Vec<f32>],
        precision: Precision,
        out: &mut Output<'_, Self>,
    ) -> Result<Self> {
        let dimensions = vectors.first().map_or(0, Vec::len);
        if passages.len() != vectors.len() || vectors.iter().any(|vector| vector.len() != dimensions) {
            let (texts, count) = (passages.len(), vectors.len());
            let message = format!("{count} vectors for {texts} passages: give one for each, all of one length");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let rows = (MOST_NUMBERS / dimensions.max(1)).max(1);
        let mut kept = Vec::with_capacity(passages.len());
        for (passages, vectors) in passages.chunks(rows).zip(vectors.chunks(rows)) {
            let mut bytes = Vec::with_capacity(vectors.len() * dimensions * precision.bytes());
            vectors.iter().try_for_each(|vector| precision.pack(vector, &mut bytes))?;
            let body = out.body(Bytes::from(bytes)).await?;
            kept.extend((0..).zip(passages).map(|(row, passage)| {
                let Passage { start_us, end_us, .. } = *passage;
                Embedded { start_us, end_us, body, row }
            }));
        }
        let dimensions = u32::try_from(dimensions).unwrap_or(u32::MAX);
        Ok(Self { dimensions, precision, passages: kept })
    }

    /// The vectors of all passages, in their order.
    ///
    /// # Errors
    /// `Corrupt` when numbers were evicted or damaged meanwhile: ask for the artifact again. `Invalid` when they are of
    /// different lengths: the model has become another one without another name or version.
    pub async fn vectors(artifact: &Artifact<Self>) -> Result<Vec<Vec<f32>>> {
        let value = artifact.value();
        if value.dimensions == 0 && !value.passages.is_empty() {
            let message =
                "embeddings of different lengths are of different models: remove them, and tell the model's version";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let bodies = value.bodies();
        let blocks = artifact.bodies(&bodies).await?;
        let vector = |passage: &Embedded| {
            let at = bodies.iter().position(|body| *body == passage.body)?;
            value.row(blocks.get(at)?, passage.row)
        };
        let vectors: Option<Vec<_>> = value.passages.iter().map(vector).collect();
        vectors.ok_or_else(|| Error::new(ErrorKind::Corrupt, "embeddings lack numbers: compute them again"))
    }

    fn row(&self, block: &Bytes, row: u32) -> Option<Vec<f32>> {
        let bytes = self.dimensions as usize * self.precision.bytes();
        let start = (row as usize).checked_mul(bytes)?;
        Some(self.precision.unpack(block.get(start..start.checked_add(bytes)?)?))
    }
}

impl Kind for Embeddings {
    const NAME: &'static str = "embeddings";
    const SCHEMA: u32 = 1;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        let mut whole: Option<Self> = None;
        for (_, part) in parts.into_iter().filter(|(_, part)| !part.passages.is_empty()) {
            let Some(whole) = &mut whole else {
                whole = Some(part);
                continue;
            };
            if whole.dimensions != part.dimensions {
                whole.dimensions = 0;
            }
            whole.passages.extend(part.passages);
        }
        whole.unwrap_or_default()
    }

    fn within(&self, span: Span) -> Self {
        let passages = self.passages.iter().filter(|passage| span.contains(passage.start_us));
        Self { passages: passages.copied().collect(), ..*self }
    }

    fn count(&self) -> u64 {
        self.passages.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.passages.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }

    fn bodies(&self) -> Vec<BodyRef> {
        let mut bodies: Vec<_> = self.passages.iter().map(|passage| passage.body).collect();
        bodies.dedup();
        bodies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn vectors_of_different_lengths_are_not_taken_for_one_another() {
        let part = |index: u32, dimensions: u32| {
            let segment = Segment { index, span: Span::new(i64::from(index), i64::from(index) + 1) };
            let body = BodyRef { segment: index, number: 0 };
            let passage = Embedded { start_us: i64::from(index), end_us: i64::from(index), body, row: 0 };
            let passages = if dimensions > 0 { vec![passage] } else { Vec::new() };
            (segment, Embeddings { dimensions, precision: Precision::Half, passages })
        };
        let joined = Embeddings::join(vec![part(0, 0), part(1, 3), part(2, 0), part(3, 3)]);
        assert_eq!((joined.dimensions, joined.precision, joined.passages.len()), (3, Precision::Half, 2));
        let mixed = Embeddings::join(vec![part(0, 3), part(1, 4), part(2, 3)]);
        assert_eq!((mixed.dimensions, mixed.passages.len()), (0, 3));
    }
}
