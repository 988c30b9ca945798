//! `Descriptions`: what pictures of a source show, in words.

use serde::{Deserialize, Serialize};

use crate::{Kind, Segment, Span};

/// What pictures of a source show, in words, in the order of time.
///
/// Schema 1: a list of times in microseconds and texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Descriptions {
    /// One for each picture that was described.
    pub descriptions: Vec<Description>,
}

/// What one picture shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The time of the picture in microseconds, as the container counts.
    pub pts_us: i64,
    /// What it shows.
    pub text: String,
}

impl Descriptions {
    /// These descriptions.
    pub const fn new(descriptions: Vec<Description>) -> Self {
        Self { descriptions }
    }
}

impl Kind for Descriptions {
    const NAME: &'static str = "descriptions";
    const SCHEMA: u32 = 1;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        Self { descriptions: parts.into_iter().flat_map(|(_, part)| part.descriptions).collect() }
    }

    fn within(&self, span: Span) -> Self {
        Self { descriptions: self.descriptions.iter().filter(|one| span.contains(one.pts_us)).cloned().collect() }
    }

    fn count(&self) -> u64 {
        self.descriptions.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.descriptions.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
}
