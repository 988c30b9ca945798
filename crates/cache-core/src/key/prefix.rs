//! `KeyPrefix`: selects a key and everything below it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Key;

/// Selects every key whose leading segments are those of the prefix: `video:a` selects `video:a` and
/// `video:a:x`, not `video:ab`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyPrefix(pub(super) Arc<str>);

impl KeyPrefix {
    /// Selects every key.
    pub fn all() -> Self {
        Self(Arc::from(""))
    }

    /// Selects `key` and every key below it.
    pub fn below(key: &Key) -> Self {
        Self(key.text.clone())
    }

    /// Whether `key` is selected.
    pub fn matches(&self, key: &Key) -> bool {
        self.matches_str(key.as_str())
    }

    /// Whether the key that prints as `text` is selected.
    pub fn matches_str(&self, text: &str) -> bool {
        match text.strip_prefix(&*self.0) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with(':'),
            None => false,
        }
    }

    /// Whether every key is selected.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The text that every selected key starts with. Sorted stores begin a range here; not every key with this
    /// start is selected.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for KeyPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::all());
        }
        Key::parse(&text).map(|key| Self::below(&key)).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPrefix({})", self.0)
    }
}
