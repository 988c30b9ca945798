//! `Text`: a key that is hashed by its text.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use cache_core::Key;

/// A [`Key`] that hashes its whole text with the hasher given.
///
/// A key's own hash is the same in every process, so who chooses keys could choose many of the same hash; the cache's
/// hasher is keyed at random.
#[derive(Debug, Clone)]
pub(super) struct Text(pub(super) Key);

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Text {}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}
