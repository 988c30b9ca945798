//! `KeyPattern`: selects keys by `*` and `?`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Key, KeyPrefix, escape, too_long};
use crate::{Error, ErrorKind, Result};

/// Selects keys by a glob: `*` stands for any text, separators included, `?` for one character.
///
/// Everything else is the printed form of a key, in which a literal `*` or `?` is written `%2A` or `%3F`.
/// Matching takes at most pattern length times key length steps; it never backtracks further than the last `*`.
///
/// ```
/// # use cache_core::{Key, KeyPattern};
/// let pattern: KeyPattern = "video:*:keyframes".parse()?;
/// assert!(pattern.matches(&Key::of("video").part("a3f4").part("keyframes").build()?));
/// # Ok::<(), cache_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyPattern(Arc<str>);

impl KeyPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the pattern is empty, longer than [`Key::MAX_BYTES`] or could match no key,
    /// because it holds a character that keys print escaped.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "a pattern needs at least one character: `*` selects all"));
        }
        if text.len() > Key::MAX_BYTES {
            return Err(too_long(text.len()));
        }
        if text.split(['*', '?']).any(|literal| escape::check(literal).is_err()) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the pattern {text:?} can match no key: `%` and control characters are written as %XX"),
            ));
        }
        Ok(Self(Arc::from(text)))
    }

    /// Whether `key` is selected.
    pub fn matches(&self, key: &Key) -> bool {
        glob(&self.0, key.as_str())
    }

    /// The longest prefix, in whole segments, that every selected key has: where a scan starts.
    pub fn prefix(&self) -> KeyPrefix {
        let Some(wild) = self.0.find(['*', '?']) else {
            return KeyPrefix(self.0.clone());
        };
        let whole = self.0[..wild].rfind(':').unwrap_or(0);
        KeyPrefix(Arc::from(&self.0[..whole]))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Greedy matching with one resume point: the last `*` seen takes one more character on each mismatch.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern_rest, mut text_rest) = (pattern, text);
    let mut resume: Option<(&str, &str)> = None;
    loop {
        let mut pattern_chars = pattern_rest.chars();
        let mut text_chars = text_rest.chars();
        match (pattern_chars.next(), text_chars.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern_rest = pattern_chars.as_str();
                resume = Some((pattern_rest, text_rest));
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                pattern_rest = pattern_chars.as_str();
                text_rest = text_chars.as_str();
                continue;
            }
            _ => {}
        }
        let Some((after_star, taken)) = resume else { return false };
        let mut longer = taken.chars();
        if longer.next().is_none() {
            return false;
        }
        resume = Some((after_star, longer.as_str()));
        (pattern_rest, text_rest) = (after_star, longer.as_str());
    }
}

impl FromStr for KeyPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl Serialize for KeyPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPattern({})", self.0)
    }
}
