//! `Namer`: which object holds which key.

use std::fmt::Write as _;

use cache_core::{Key, KeyPrefix};
use object_store::path::Path;

/// Lengths of the parts of a name below the root, in hexadecimal digits: the first segment of the key, and the key in
/// two parts.
const PARTS: [usize; 3] = [8, 2, 62];

/// Names objects below one root: `ROOT/SSSSSSSS/HH/H…`, where S is from BLAKE3 of the first segment of the key and H of
/// the whole key, in lower-case hexadecimal digits.
///
/// The first part lets a scan below a prefix list the objects of that first segment alone; the second bounds the
/// entries of a directory where objects are files.
#[derive(Debug, Clone)]
pub(crate) struct Namer {
    root: Path,
}

impl Namer {
    pub(crate) fn new(root: Path) -> Self {
        Self { root }
    }

    /// The object of `key`.
    pub(crate) fn of(&self, key: &Key) -> Path {
        let hash = blake3::hash(key.as_str().as_bytes()).to_hex();
        let (shard, rest) = hash.split_at(PARTS[1]);
        self.root.clone().join(segment(key.as_str())).join(shard).join(rest)
    }

    /// What the objects of all keys below `prefix` have in front.
    pub(crate) fn below(&self, prefix: &KeyPrefix) -> Path {
        if prefix.is_all() { self.root.clone() } else { self.root.clone().join(segment(prefix.as_str())) }
    }

    /// Whether `path` is a name that [`of`](Self::of) gives: what else lies there is not touched.
    pub(crate) fn is_ours(&self, path: &Path) -> bool {
        let Some(mut parts) = path.prefix_match(&self.root) else { return false };
        let mut lens = PARTS.iter();
        let fits = |part: &str, len: &usize| {
            part.len() == *len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        parts.all(|part| lens.next().is_some_and(|len| fits(part.as_ref(), len))) && lens.next().is_none()
    }
}

fn segment(key: &str) -> String {
    let first = key.split(':').next().unwrap_or_default();
    let hash = blake3::hash(first.as_bytes());
    hash.as_bytes()[..PARTS[0] / 2].iter().fold(String::with_capacity(PARTS[0]), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namer() -> Namer {
        Namer::new(Path::from("media/cache"))
    }

    #[test]
    fn a_name_is_below_the_prefix_of_its_key_and_below_the_root() {
        let key = Key::of("video").part("a").build().unwrap();
        let name = namer().of(&key);
        for prefix in [KeyPrefix::below(&key), KeyPrefix::below(&Key::parse("video").unwrap()), KeyPrefix::all()] {
            assert!(name.prefix_matches(&namer().below(&prefix)), "{name} below {prefix:?}");
        }
        let other = KeyPrefix::below(&Key::parse("videos").unwrap());
        assert!(!name.prefix_matches(&namer().below(&other)));
    }

    #[test]
    fn only_names_of_keys_are_ours() {
        let name = namer().of(&Key::parse("a:b").unwrap());
        assert!(namer().is_ours(&name));
        for other in [Path::from("other"), Path::from("media/cache/readme.txt"), name.clone().join("x")] {
            assert!(!namer().is_ours(&other), "{other}");
        }
        assert!(!Namer::new(Path::default()).is_ours(&name));
    }

    #[test]
    fn the_name_of_a_key_is_part_of_the_format() {
        let name = Namer::new(Path::default()).of(&Key::parse("video:a").unwrap());
        assert_eq!(name.as_ref().len(), 8 + 1 + 2 + 1 + 62);
    }
}
