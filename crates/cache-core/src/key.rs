//! `Key`: the hierarchical, injective name of an entry.

mod builder;
mod escape;
mod pattern;
mod prefix;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

pub use builder::KeyBuilder;
pub use pattern::KeyPattern;
pub use prefix::KeyPrefix;

use crate::{Error, ErrorKind, Result};

/// The name of an entry: parts and parameters, joined by `:`, with user text escaped.
///
/// Two different lists of parts and parameters never print the same text, so equality of keys is equality of
/// what they were built from. Cloning is one atomic increment; the hash is computed once.
///
/// ```
/// # use cache_core::Key;
/// let key = Key::of("video").part("a3f4b2c1").part("keyframes").param("max_frames", 3000).param("threshold", 0.999).build()?;
/// assert_eq!(key.as_str(), "video:a3f4b2c1:keyframes:max_frames=3000:threshold=0.999");
/// assert_ne!(Key::of("a").part("b").build()?, Key::of("a:b").build()?);
/// # Ok::<(), cache_core::Error>(())
/// ```
///
/// The text is 1 to [`Key::MAX_BYTES`] bytes of UTF-8 without control characters. Backends that need names of
/// files or objects derive them from a cryptographic hash of the text and compare the full key on every read.
#[derive(Clone)]
pub struct Key {
    text: Arc<str>,
    hash: u64,
}

impl Key {
    /// The longest key, in bytes of its printed form.
    pub const MAX_BYTES: usize = 1024;

    /// Starts a key with its first part.
    pub fn of(part: impl fmt::Display) -> KeyBuilder {
        KeyBuilder::new().part(part)
    }

    /// Starts a key below this one: its parts and parameters follow those of `self`.
    pub fn child(&self, part: impl fmt::Display) -> KeyBuilder {
        KeyBuilder::below(self).part(part)
    }

    /// Reads the printed form back: `Key::parse(key.as_str()) == key`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the text is empty, too long, or not what a [`KeyBuilder`] prints.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "a key needs at least one character"));
        }
        if text.len() > Self::MAX_BYTES {
            return Err(too_long(text.len()));
        }
        if let Err(at) = escape::check(text) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("a key has an unescaped character at byte {at}: build it with Key::of"),
            ));
        }
        check_order(text)?;
        Ok(Self::from_canonical(text))
    }

    fn from_canonical(text: &str) -> Self {
        Self { text: Arc::from(text), hash: xxh3_64(text.as_bytes()) }
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it was built from, in its order: parts as they were given, parameters as `name=value`.
    ///
    /// ```
    /// # use cache_core::Key;
    /// let key = Key::of("links").part("https://films.example/?a=1").param("lang", "en").build()?;
    /// assert!(key.segments().eq(["links", "https://films.example/?a=1", "lang=en"]));
    /// # Ok::<(), cache_core::Error>(())
    /// ```
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.text.split(':').map(escape::undo)
    }

    /// XXH3-64 of the printed form: the same in every process. It places a key, it never identifies one.
    pub fn hash64(&self) -> u64 {
        self.hash
    }
}

/// Checks what a builder guarantees of segments: a part comes first, and parameters that follow each other are sorted
/// by name, none given twice.
fn check_order(text: &str) -> Result<()> {
    let wrong = |segment: &str| {
        let message = format!("the key segment {segment:?} is not where Key::of puts it: build the key with Key::of");
        Error::new(ErrorKind::Invalid, message)
    };
    let mut before = None;
    for (at, segment) in text.split(':').enumerate() {
        let name = segment.split_once('=').map(|(name, _)| name);
        let misplaced = match name {
            Some(name) => at == 0 || segment.matches('=').count() > 1 || before.is_some_and(|before| before >= name),
            None => false,
        };
        if misplaced {
            return Err(wrong(segment));
        }
        before = name;
    }
    Ok(())
}

fn too_long(len: usize) -> Error {
    let max = Key::MAX_BYTES;
    Error::new(ErrorKind::Invalid, format!("a key of {len} bytes exceeds the {max} allowed: hash the long part first"))
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The text, not its hash: that one is the same in every process, so keys of a stranger's making could be
        // aimed at one bucket of a map.
        self.text.hash(state);
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.text)
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
