//! `Answer`: a value that was found or loaded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Freshness;
use cache_tiered::{Hit, Origin};

/// A value that was found or loaded. Cloning shares it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer<V> {
    /// The value.
    pub value: Arc<V>,
    /// Where it came from.
    pub origin: Origin,
    /// How long ago it was complete.
    pub age: Duration,
    /// What the value once took to load, less the time that this answer took; zero for the caller that loaded it.
    pub saved: Duration,
    /// Whether the value is fresh or only stands in for one.
    pub freshness: Freshness,
}

impl<V> Answer<V> {
    /// Whether it was there already: neither loaded for this call nor by a load that this call waited for.
    pub fn was_cached(&self) -> bool {
        !matches!(self.origin, Origin::Loaded | Origin::Revalidated | Origin::Joined)
    }
}

impl<V> Clone for Answer<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), origin: self.origin.clone(), ..*self }
    }
}

impl<V> From<Hit<V>> for Answer<V> {
    fn from(Hit { value, origin, age, saved, freshness, .. }: Hit<V>) -> Self {
        Self { value, origin, age, saved, freshness }
    }
}

/// The origin in one word, as [`Origin::name`].
impl<V> fmt::Display for Answer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin.name())
    }
}
