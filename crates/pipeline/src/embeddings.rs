//! `Embeddings`: vectors that a model makes of stretches of a source.

use serde::{Deserialize, Serialize};

use crate::{BodyRef, Kind, Segment, Span};

/// Vectors that a model makes of stretches of a source, in the order of time. The numbers themselves are bodies.
///
/// Schema 1: a list of spans, each with the number of dimensions, how numbers are stored, and the body that they are
/// in, little-endian, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Embeddings {
    /// One for each stretch.
    pub embeddings: Vec<Embedding>,
}

/// The vector of one stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedding {
    /// What it is the vector of.
    pub span: Span,
    /// How many numbers it has.
    pub dimensions: u32,
    /// How they are stored.
    pub numbers: Numbers,
    /// Where they are.
    pub body: BodyRef,
}

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Numbers {
    /// As 32-bit floating-point numbers.
    F32,
    /// As 16-bit floating-point numbers: half the bytes, and some of the precision.
    F16,
}

impl Embeddings {
    /// These vectors.
    pub const fn new(embeddings: Vec<Embedding>) -> Self {
        Self { embeddings }
    }
}

impl Kind for Embeddings {
    const NAME: &'static str = "embeddings";
    const SCHEMA: u32 = 1;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        Self { embeddings: parts.into_iter().flat_map(|(_, part)| part.embeddings).collect() }
    }

    fn within(&self, span: Span) -> Self {
        Self { embeddings: self.embeddings.iter().copied().filter(|one| span.contains(one.span.start_us)).collect() }
    }

    fn count(&self) -> u64 {
        self.embeddings.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.embeddings.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }

    fn bodies(&self) -> Vec<BodyRef> {
        self.embeddings.iter().map(|one| one.body).collect()
    }
}
