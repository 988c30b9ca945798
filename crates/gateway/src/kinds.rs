//! Which artifacts there are, as the user names them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of artifact. Its name is that of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ArtifactKind {
    Keyframes,
    Transcript,
    Descriptions,
    Embeddings,
}

impl ArtifactKind {
    /// All of them, each after those that it may need.
    pub(crate) const ALL: [Self; 4] = [Self::Keyframes, Self::Transcript, Self::Descriptions, Self::Embeddings];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keyframes => "keyframes",
            Self::Transcript => "transcript",
            Self::Descriptions => "descriptions",
            Self::Embeddings => "embeddings",
        }
    }
}

impl FromStr for ArtifactKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("{text:?} is no kind of artifact: choose from {known}"))
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Kinds of artifacts: at least one, each once, in the order of [`ArtifactKind::ALL`] whatever that of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kinds(Vec<ArtifactKind>);

impl Kinds {
    /// These, if there are any.
    pub(crate) fn of(kinds: impl IntoIterator<Item = ArtifactKind>) -> Option<Self> {
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_unstable();
        kinds.dedup();
        (!kinds.is_empty()).then_some(Self(kinds))
    }

    /// Keyframes alone, which need nothing to be set.
    pub(crate) fn keyframes() -> Self {
        Self(vec![ArtifactKind::Keyframes])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ArtifactKind> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn has(&self, kind: ArtifactKind) -> bool {
        self.0.contains(&kind)
    }
}

impl FromStr for Kinds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = text.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<_>, _>>()?;
        Self::of(kinds).ok_or_else(|| "it names no kind".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_once_and_in_their_order() {
        let read = |text: &str| text.parse::<Kinds>();
        let kinds = read("embeddings, keyframes,embeddings").unwrap();
        assert_eq!(kinds.iter().collect::<Vec<_>>(), [ArtifactKind::Keyframes, ArtifactKind::Embeddings]);
        for wrong in ["", "frames", "keyframes,", "Keyframes"] {
            assert!(read(wrong).unwrap_err().contains("transcript"), "{wrong:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_pipeline() {
        use pipeline::{Descriptions, Embeddings, Keyframes, Kind, Transcript};
        let names = [Keyframes::NAME, Transcript::NAME, Descriptions::NAME, Embeddings::NAME];
        assert_eq!(ArtifactKind::ALL.map(ArtifactKind::name), names);
    }
}
