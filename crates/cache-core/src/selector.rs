//! `Selector` and `Mark`: which entries an invalidation means, and how it stays in force.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Key, KeyPattern, KeyPrefix, Meta, Result, Stamp};

/// Which entries an invalidation means.
///
/// ```
/// # use cache_core::{Key, Selector};
/// let key = Key::of("video").part("a3f4").build()?;
/// assert!(Selector::tag("holiday").selects(&key, &["holiday".into()]));
/// assert!(Selector::Pattern("video:*".parse()?).selects(&key, &[]));
/// # Ok::<(), cache_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Selector {
    /// The entry of one key.
    #[serde(rename = "k")]
    Key(Key),
    /// Every entry below a prefix.
    #[serde(rename = "p")]
    Prefix(KeyPrefix),
    /// Every entry whose key matches a pattern.
    #[serde(rename = "g")]
    Pattern(KeyPattern),
    /// Every entry below a prefix that carries a tag.
    #[serde(rename = "t")]
    Tag {
        /// The tag.
        #[serde(rename = "t")]
        tag: Arc<str>,
        /// Where it counts.
        #[serde(rename = "w")]
        within: KeyPrefix,
    },
}

impl Selector {
    /// Every entry.
    pub fn all() -> Self {
        Self::Prefix(KeyPrefix::all())
    }

    /// Every entry that carries `tag`.
    pub fn tag(tag: impl Into<Arc<str>>) -> Self {
        Self::Tag { tag: tag.into(), within: KeyPrefix::all() }
    }

    /// Whether the entry of `key` with these tags is meant.
    pub fn selects(&self, key: &Key, tags: &[Arc<str>]) -> bool {
        match self {
            Self::Key(selected) => selected == key,
            Self::Prefix(prefix) => prefix.matches(key),
            Self::Pattern(pattern) => pattern.matches(key),
            Self::Tag { tag, within } => tags.contains(tag) && within.matches(key),
        }
    }

    /// Whether it selects an entry of `key` if that has the right tags, which nobody knows yet.
    pub fn may_select(&self, key: &Key) -> bool {
        match self {
            Self::Tag { within, .. } => within.matches(key),
            selector => selector.selects(key, &[]),
        }
    }

    /// The longest prefix that every selected key has: where a scan starts.
    pub fn prefix(&self) -> KeyPrefix {
        match self {
            Self::Key(key) => KeyPrefix::below(key),
            Self::Prefix(prefix) | Self::Tag { within: prefix, .. } => prefix.clone(),
            Self::Pattern(pattern) => pattern.prefix(),
        }
    }

    /// The same selection of the keys below `root`: what it means to somebody whose keys all begin with that.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a key or pattern becomes longer than
    /// [`Key::MAX_BYTES`].
    pub fn below(&self, root: &Key) -> Result<Self> {
        let nested = |text: &str| if text.is_empty() { root.to_string() } else { format!("{root}:{text}") };
        Ok(match self {
            Self::Key(key) => Self::Key(Key::parse(&nested(key.as_str()))?),
            Self::Prefix(prefix) => Self::Prefix(KeyPrefix::below(&Key::parse(&nested(prefix.as_str()))?)),
            Self::Pattern(pattern) => Self::Pattern(KeyPattern::parse(&nested(pattern.as_str()))?),
            Self::Tag { tag, within } => {
                let within = KeyPrefix::below(&Key::parse(&nested(within.as_str()))?);
                Self::Tag { tag: tag.clone(), within }
            }
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "the key {key}"),
            Self::Prefix(prefix) if prefix.is_all() => f.write_str("everything"),
            Self::Prefix(prefix) => write!(f, "everything below {prefix}"),
            Self::Pattern(pattern) => write!(f, "the pattern {pattern}"),
            Self::Tag { tag, within } if within.is_all() => write!(f, "the tag {tag:?}"),
            Self::Tag { tag, within } => write!(f, "the tag {tag:?} below {within}"),
        }
    }
}

/// An invalidation: what is selected and has an older stamp is out of date, wherever it is found.
///
/// Because a value's stamp is taken when its load starts, a mark reaches every load that began before it, however
/// late that ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// What it selects.
    #[serde(rename = "w")]
    pub selector: Selector,
    /// Entries with an older stamp are out of date.
    #[serde(rename = "s")]
    pub stamp: Stamp,
}

impl Mark {
    /// Whether the entry of `key` with this meta is out of date.
    pub fn covers(&self, key: &Key, meta: &Meta) -> bool {
        meta.stamp < self.stamp && self.selector.selects(key, &meta.tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn selectors() -> Vec<Selector> {
        vec![
            Selector::Key(key("a:b")),
            Selector::Prefix(KeyPrefix::below(&key("a"))),
            Selector::Pattern("a:*".parse().unwrap()),
            Selector::tag("x"),
            Selector::all(),
        ]
    }

    #[test]
    fn every_selector_selects_what_it_names() {
        let tags = ["x".into()];
        for selector in selectors() {
            assert!(selector.selects(&key("a:b"), &tags), "{selector}");
        }
        let selecting =
            |key: &Key, tags: &[Arc<str>]| selectors().iter().filter(|selector| selector.selects(key, tags)).count();
        assert_eq!(selecting(&key("b"), &[]), 1, "only the one for everything");
        assert_eq!(selecting(&key("a:c"), &[]), 3);
    }

    #[test]
    fn a_tag_may_select_every_key_within() {
        let within = KeyPrefix::below(&key("a"));
        let tag = Selector::Tag { tag: "x".into(), within };
        assert!(tag.may_select(&key("a:b")) && !tag.may_select(&key("b")));
        assert!(Selector::Key(key("a")).may_select(&key("a")) && !Selector::Key(key("a")).may_select(&key("a:b")));
    }

    #[test]
    fn a_selector_below_a_root_selects_the_same_keys_there_and_none_elsewhere() {
        let tags = ["x".into()];
        for selector in selectors() {
            let below = selector.below(&key("root")).unwrap();
            assert!(below.selects(&key("root:a:b"), &tags), "{below}");
            assert!(!below.selects(&key("a:b"), &tags), "{below}");
            assert!(!below.selects(&key("roots:a:b"), &tags), "{below}");
            assert!(below.prefix().matches(&key("root:a:b")));
        }
    }

    #[test]
    fn a_selector_survives_its_encoding() {
        for selector in selectors() {
            let mark = Mark { selector, stamp: Stamp::from_u64(7) };
            let bytes = rmp_serde::to_vec_named(&mark).unwrap();
            assert_eq!(rmp_serde::from_slice::<Mark>(&bytes).unwrap(), mark);
        }
    }

    #[test]
    fn a_mark_covers_older_stamps_only() {
        let mark = Mark { selector: Selector::all(), stamp: Stamp::from_u64(7) };
        let covered = |stamp| mark.covers(&key("a"), &Meta::new(Stamp::from_u64(stamp), Timestamp::EPOCH));
        assert!(covered(6) && !covered(7) && !covered(8));
    }
}
