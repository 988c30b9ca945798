//! `Refused`: versions of which nothing may be read again, though it may still be kept.

use std::collections::VecDeque;

use cache_core::Key;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_128;

use crate::manifest::Manifest;

/// Versions that are remembered. What was kept of the older ones was dropped long ago.
const MOST: usize = 1_024;

/// The latest versions that ended because they were not what was told. What is kept of them is dropped segment by
/// segment, while the next version is being read.
#[derive(Debug, Default)]
pub(crate) struct Refused(Mutex<VecDeque<u128>>);

impl Refused {
    pub(crate) fn note(&self, key: &Key, manifest: &Manifest) {
        let name = name(key, manifest);
        let mut names = self.0.lock();
        if names.len() >= MOST {
            names.pop_front();
        }
        names.push_back(name);
    }

    pub(crate) fn has(&self, key: &Key, manifest: &Manifest) -> bool {
        let names = self.0.lock();
        !names.is_empty() && names.contains(&name(key, manifest))
    }
}

/// Names a version of one key.
fn name(key: &Key, manifest: &Manifest) -> u128 {
    manifest.identity ^ xxh3_128(key.as_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Description;

    #[test]
    fn the_latest_are_remembered_for_their_keys() {
        let refused = Refused::default();
        let key = |number: usize| Key::of("film").part(number as u64).build().unwrap();
        let manifest = Manifest::new(&Description::new().validator("1"), 4_096, 0);
        for number in 0..=MOST {
            assert!(!refused.has(&key(number), &manifest));
            refused.note(&key(number), &manifest);
        }
        assert!(!refused.has(&key(0), &manifest));
        assert!((1..=MOST).all(|number| refused.has(&key(number), &manifest)));
        assert!(!refused.has(&key(1), &manifest.renamed(1)));
    }
}
