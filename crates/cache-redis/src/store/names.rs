//! `Names`: what keys are called on the server.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use cache_core::{Key, KeyPrefix};

/// What keys are called on the server: the prefix and the key behind it.
///
/// Behind the prefix, no key begins with `=`: that is for what is no entry.
#[derive(Debug)]
pub(crate) struct Names {
    prefix: Arc<str>,
}

impl Names {
    pub(crate) fn new(prefix: &Arc<str>) -> Self {
        Self { prefix: prefix.clone() }
    }

    pub(super) fn of(&self, key: &Key) -> Bytes {
        self.joined(&[key.as_str()])
    }

    /// The lease of `key`.
    pub(crate) fn lease(&self, key: &Key) -> Bytes {
        self.joined(&["=lease:", key.as_str()])
    }

    /// The stream of marks.
    pub(crate) fn backplane(&self) -> Bytes {
        self.joined(&["=backplane"])
    }

    /// A place for what is to become the record of `key`, in its slot; `None` where braces choose the slot.
    pub(super) fn stage(&self, key: &Key, number: u64) -> Option<Bytes> {
        let (prefix, text) = (&*self.prefix, key.as_str());
        let braced = prefix.contains(['{', '}']) || text.contains(['{', '}']);
        (!braced).then(|| format!("{prefix}=put:{number:x}{{{prefix}{text}}}").into())
    }

    /// The key that is called `name`; `None` for what belongs to others or is no key.
    pub(super) fn key(&self, name: &[u8]) -> Option<Key> {
        let text = name.strip_prefix(self.prefix.as_bytes())?;
        if text.len() > Key::MAX_BYTES {
            return None;
        }
        Key::parse(std::str::from_utf8(text).ok()?).ok()
    }

    /// The pattern of all names that can be below `prefix`, and of some that are not.
    pub(super) fn pattern(&self, prefix: &KeyPrefix) -> Bytes {
        let mut pattern = BytesMut::new();
        for byte in self.prefix.bytes().chain(prefix.as_str().bytes()) {
            if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^') {
                pattern.put_u8(b'\\');
            }
            pattern.put_u8(byte);
        }
        pattern.put_u8(b'*');
        pattern.freeze()
    }

    fn joined(&self, parts: &[&str]) -> Bytes {
        let mut name = BytesMut::with_capacity(self.prefix.len() + parts.iter().map(|part| part.len()).sum::<usize>());
        name.put_slice(self.prefix.as_bytes());
        for part in parts {
            name.put_slice(part.as_bytes());
        }
        name.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_has_none() {
        let names = Names::new(&"a:".into());
        let key = Key::parse("x:y").unwrap();
        assert_eq!(names.key(&names.of(&key)), Some(key));
        for name in [&b"x:y"[..], b"a:", b"a:=lease:x", b"a:\xff", b"a:x*", &vec![b'a'; 70_000]] {
            assert_eq!(names.key(name), None);
        }
    }

    #[test]
    fn trust_30_a_pattern_takes_no_byte_for_a_wildcard() {
        let names = Names::new(&"a*[b]?\\:".into());
        assert_eq!(names.pattern(&KeyPrefix::all()), r"a\*\[b\]\?\\:*");
    }
}
