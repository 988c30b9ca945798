//! `Descriptions`: what is seen in frames of a video.

#[cfg(feature = "endpoint")]
mod base64;
#[cfg(feature = "endpoint")]
mod chat;
mod stage;

use serde::{Deserialize, Serialize};

pub use stage::Describer;

use crate::{Kind, Segment, Span};

/// What is seen in frames of a video, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptions {
    /// The descriptions in the order of the frames; frames without anything to tell have none.
    pub descriptions: Vec<Description>,
}

/// What is seen in one frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Time of the frame in microseconds, as the container counts.
    pub pts_us: i64,
    /// The description; not empty.
    pub text: String,
}

impl Kind for Descriptions {
    const NAME: &'static str = "descriptions";
    const SCHEMA: u32 = 1;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        Self { descriptions: parts.into_iter().flat_map(|(_, part)| part.descriptions).collect() }
    }

    fn within(&self, span: Span) -> Self {
        let inside = self.descriptions.iter().filter(|description| span.contains(description.pts_us));
        Self { descriptions: inside.cloned().collect() }
    }

    fn count(&self) -> u64 {
        self.descriptions.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.descriptions.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
}
