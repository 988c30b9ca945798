//! `Sketch`: how often keys were asked for lately, in a few bits for each.

mod doorkeeper;

use doorkeeper::Doorkeeper;

/// Rows of the count-min sketch.
const ROWS: usize = 4;
/// Counters in a word.
const LANES: u32 = 16;
/// Counts are kept in four bits.
pub(super) const MAX_COUNT: u8 = 15;
const LOW_BITS: u64 = 0x7777_7777_7777_7777;

/// A count-min sketch of four-bit counters that are halved once in a while, so that the past fades.
///
/// It has as many words of sixteen counters as its owner asks for, and up to a quarter more. After Cormode and Muthukrishnan, "An improved data stream summary" (2005), aged as by Einziger,
/// Friedman and Manes, "`TinyLFU`: a highly efficient cache admission policy" (2017).
#[derive(Debug)]
pub(super) struct Sketch {
    words: Vec<u64>,
    /// Keys counted once since the last halving, which most keys never pass.
    once: Doorkeeper,
    /// Additions until the next halving.
    left: usize,
    /// Additions between two halvings, for each word.
    period: usize,
}

/// Where a counter is: its word, and its first bit in there.
#[derive(Clone, Copy)]
struct Place {
    word: usize,
    shift: u32,
}

impl Sketch {
    pub(super) fn new(period: usize) -> Self {
        let words = vec![0; 8];
        Self { left: period * words.len(), words, once: Doorkeeper::new(), period }
    }

    /// Grows to `words` at least. What was counted stays counted.
    pub(super) fn reserve(&mut self, words: usize) {
        self.once.reserve(words);
        let old = self.words.len();
        if old < words {
            let new = words + words / 4;
            // A key's word is its hash scaled to the length: what is one new word came from one or two old ones, and
            // the bits of both together are an upper bound of either.
            let from = |word: usize| self.words[word * old / new] | self.words[((word + 1) * old - 1) / new];
            self.words = (0..new).map(from).collect();
            self.left += self.period * (new - old);
        }
    }

    /// About as many as the additions of `hash` that have not faded; hardly ever less.
    pub(super) fn count(&self, hash: u64) -> u8 {
        let mixed = mix(hash);
        (self.lowest(&self.places(mixed)) + u8::from(self.once.knows(mixed))).min(MAX_COUNT)
    }

    /// Counts an addition of `hash`; what [`count`](Self::count) says then.
    pub(super) fn note(&mut self, hash: u64) -> u8 {
        self.add(hash, 1);
        self.count(hash)
    }

    /// Counts `times` additions of `hash`.
    pub(super) fn add(&mut self, hash: u64, times: u8) {
        let mixed = mix(hash);
        let places = self.places(mixed);
        for _ in 0..times {
            if self.once.admit(mixed) {
                self.raise(&places);
            }
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.age();
            }
        }
    }

    /// Bytes allocated.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * 8 + self.once.bytes()
    }

    fn lowest(&self, places: &[Place; ROWS]) -> u8 {
        let counts = places.map(|Place { word, shift }| self.words[word] >> shift & 0xF);
        counts.into_iter().fold(u64::MAX, u64::min) as u8
    }

    fn raise(&mut self, places: &[Place; ROWS]) {
        let count = self.lowest(places);
        if count == MAX_COUNT {
            return;
        }
        for &Place { word, shift } in places {
            // Only the lowest counters rise: the others are too high already, for the sake of other keys.
            if self.words[word] >> shift & 0xF == u64::from(count) {
                self.words[word] += 1 << shift;
            }
        }
    }

    fn age(&mut self) {
        for word in &mut self.words {
            *word = *word >> 1 & LOW_BITS;
        }
        self.once.clear();
        self.left = self.period * self.words.len() / 2;
    }

    /// The counters of the key of a mixed hash.
    #[inline]
    fn places(&self, mixed: u64) -> [Place; ROWS] {
        let words = self.words.len() as u64;
        std::array::from_fn(|row| {
            let bits = mixed.rotate_right(row as u32 * LANES);
            // Each row has lanes of its own.
            let lane = row as u32 * ROWS as u32 + (bits >> 60) as u32 % ROWS as u32;
            Place { word: ((u64::from(bits as u32) * words) >> 32) as usize, shift: lane * (64 / LANES) }
        })
    }
}

/// Spreads a hash, of which no part is promised to be even.
pub(super) const fn mix(hash: u64) -> u64 {
    let mixed = (hash ^ hash >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_growth() {
        let mut sketch = Sketch::new(1_000);
        for key in 0..8_u64 {
            sketch.add(key, 5);
        }
        for words in (8..400).step_by(7) {
            sketch.reserve(words);
        }
        for key in 0..8_u64 {
            assert!(sketch.count(key) >= 5);
        }
    }

    #[test]
    fn the_past_fades() {
        let mut sketch = Sketch::new(4);
        sketch.add(7, 12);
        for key in 100..300 {
            sketch.add(key, 1);
        }
        assert!(sketch.count(7) < 6, "{}", sketch.count(7));
    }

    #[test]
    fn counts_are_bounded() {
        let mut sketch = Sketch::new(1_000);
        sketch.add(7, u8::MAX);
        assert_eq!(sketch.count(7), MAX_COUNT);
    }
}
