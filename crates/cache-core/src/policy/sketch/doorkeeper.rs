//! `Doorkeeper`: who knocks for the first time.

use super::mix;

/// Bits set for each key.
const PROBES: u32 = 2;

/// A Bloom filter with 32 to 64 bits for each key that its owner holds.
#[derive(Debug)]
pub(super) struct Doorkeeper(Vec<u64>);

impl Doorkeeper {
    pub(super) fn new() -> Self {
        Self(vec![0; 4])
    }

    /// Makes room for `keys`. Who was known stays known.
    pub(super) fn reserve(&mut self, keys: usize) {
        while self.0.len() * 2 < keys {
            // A key's place is its hash modulo the length: in twice the length its bits are in both halves.
            self.0.extend_from_within(..);
        }
    }

    /// Whether `hash` was admitted before, or looks like others that were.
    pub(super) fn knows(&self, hash: u64) -> bool {
        self.places(hash).all(|(word, bit)| self.0[word] & bit != 0)
    }

    /// Admits `hash`; whether it was known.
    pub(super) fn admit(&mut self, hash: u64) -> bool {
        let known = self.knows(hash);
        for (word, bit) in self.places(hash) {
            self.0[word] |= bit;
        }
        known
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * 8
    }

    fn places(&self, hash: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let mask = self.0.len() as u64 - 1;
        // Another product than the sketch's, lest both err about the same keys.
        let mixed = mix(hash).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        (0..PROBES).map(move |probe| {
            let bits = mixed.rotate_right(probe * 32);
            ((bits & mask) as usize, 1 << (bits >> 58))
        })
    }
}
