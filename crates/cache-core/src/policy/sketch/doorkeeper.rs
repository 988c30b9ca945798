//! `Doorkeeper`: who knocks for the first time.

/// Bits set for each key.
const PROBES: usize = 2;

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

    /// Whether the key of a mixed hash was admitted before, or looks like others that were.
    #[inline]
    pub(super) fn knows(&self, mixed: u64) -> bool {
        self.places(mixed).into_iter().all(|(word, bit)| self.0[word] & bit != 0)
    }

    /// Admits the key of a mixed hash; whether it was known.
    #[inline]
    pub(super) fn admit(&mut self, mixed: u64) -> bool {
        let mut known = true;
        for (word, bit) in self.places(mixed) {
            known &= self.0[word] & bit != 0;
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

    #[inline]
    fn places(&self, mixed: u64) -> [(usize, u64); PROBES] {
        let mask = self.0.len() as u64 - 1;
        // Another product than the sketch's, lest both err about the same keys.
        let bits = mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        std::array::from_fn(|probe| {
            let bits = bits.rotate_right(probe as u32 * 32);
            ((bits & mask) as usize, 1 << (bits >> 58))
        })
    }
}
