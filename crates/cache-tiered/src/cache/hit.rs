//! `Hit`: a value served, with where it came from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Freshness, Timestamp};

/// A value served. Cloning shares it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Hit<V> {
    /// The value.
    pub value: Arc<V>,
    /// Where it came from.
    pub origin: Origin,
    /// When it was complete, by the clock of whoever loaded it.
    pub created: Timestamp,
    /// How long ago that is, to within a quarter of a second; zero while the clock is behind it.
    pub age: Duration,
    /// What the value once took to load, less the time that this answer took; zero for the caller that loaded it.
    pub saved: Duration,
    /// Whether the value is fresh or only stands in. What was loaded for this call is fresh by definition.
    pub freshness: Freshness,
}

impl<V> Clone for Hit<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), origin: self.origin.clone(), ..*self }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The near tier: held decoded in this process.
    Near,
    /// A tier of the stack below.
    Tier {
        /// Its position, 0 for the nearest.
        index: usize,
        /// Its name.
        name: Arc<str>,
    },
    /// A load that this call started.
    Loaded,
    /// A load that this call started, which found the value before still right.
    Revalidated,
    /// A load that another call had started. For a [refresh](crate::Cache::refresh), also one in another process.
    Joined,
}

impl Origin {
    /// One word for reports: `"near"`, the tier's name, `"loaded"`, `"revalidated"` or `"joined"`.
    pub fn name(&self) -> &str {
        match self {
            Self::Near => "near",
            Self::Tier { name, .. } => name,
            Self::Loaded => "loaded",
            Self::Revalidated => "revalidated",
            Self::Joined => "joined",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
