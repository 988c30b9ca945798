//! `Sketch`: how often keys were asked for lately, in a few bits for each.

mod doorkeeper;

use doorkeeper::Doorkeeper;

/// Rows of the count-min sketch: words of a block.
const ROWS: usize = 4;
/// Counts are kept in four bits.
pub(super) const MAX_COUNT: u8 = 15;
/// Bits of a counter.
const WIDTH: u32 = 4;
const LOW_BITS: u64 = 0x7777_7777_7777_7777;

/// Counters that lie together: sixteen of each row.
type Block = [u64; ROWS];

/// A count-min sketch of four-bit counters that are halved once in a while, so that the past fades.
///
/// It has as many words of sixteen counters as its owner asks for, and up to a quarter more. The counters of a key lie
/// in one block of four words, so that it takes one wait for memory to find them. After Cormode and Muthukrishnan, "An
/// improved data stream summary" (2005), aged as by Einziger, Friedman and Manes, "`TinyLFU`: a highly efficient cache
/// admission policy" (2017), in blocks as by Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom
/// filters" (2007).
#[derive(Debug)]
pub(super) struct Sketch {
    blocks: Vec<Block>,
    /// Keys counted once since the last halving, which most keys never pass.
    once: Doorkeeper,
    /// Additions until the next halving.
    left: usize,
    /// Additions between two halvings, for each word.
    period: usize,
}

impl Sketch {
    pub(super) fn new(period: usize) -> Self {
        let blocks = vec![Block::default(); 2];
        Self { left: period * blocks.len() * ROWS, blocks, once: Doorkeeper::new(), period }
    }

    /// Grows to `words` at least. What was counted stays counted.
    pub(super) fn reserve(&mut self, words: usize) {
        self.once.reserve(words);
        let old = self.blocks.len();
        if old * ROWS < words {
            let new = (words + words / 4).div_ceil(ROWS);
            // A key's block is its hash scaled to the length: what is one new block came from one or two old ones, and
            // the bits of both together are an upper bound of either.
            let from = |block: usize| {
                let [one, other] = [block * old / new, ((block + 1) * old - 1) / new].map(|block| self.blocks[block]);
                std::array::from_fn(|row| one[row] | other[row])
            };
            self.blocks = (0..new).map(from).collect();
            self.left += self.period * (new - old) * ROWS;
        }
    }

    /// About as many as the additions of `hash` that have not faded; hardly ever less.
    #[inline]
    pub(super) fn count(&self, hash: u64) -> u8 {
        let mixed = mix(hash);
        let counted = lowest(&self.blocks[self.block(mixed)], shifts(mixed)) as u8;
        (counted + u8::from(self.once.knows(mixed))).min(MAX_COUNT)
    }

    /// Counts an addition of `hash`; what [`count`](Self::count) says then.
    #[inline]
    pub(super) fn note(&mut self, hash: u64) -> u8 {
        self.add(hash, 1);
        self.count(hash)
    }

    /// Counts `times` additions of `hash`.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, times: u8) {
        let mixed = mix(hash);
        for _ in 0..times {
            if self.once.admit(mixed) {
                let block = self.block(mixed);
                raise(&mut self.blocks[block], shifts(mixed));
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
        self.blocks.capacity() * size_of::<Block>() + self.once.bytes()
    }

    #[cold]
    fn age(&mut self) {
        for word in self.blocks.as_flattened_mut() {
            *word = *word >> 1 & LOW_BITS;
        }
        self.once.clear();
        self.left = self.period * self.blocks.len() * ROWS / 2;
    }

    /// The block of the key of a mixed hash: by its lower half.
    #[inline]
    fn block(&self, mixed: u64) -> usize {
        ((u64::from(mixed as u32) * self.blocks.len() as u64) >> u32::BITS) as usize
    }
}

/// Spreads a hash, of which no part is promised to be even.
pub(super) const fn mix(hash: u64) -> u64 {
    let mixed = (hash ^ hash >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ mixed >> 32
}

/// Where in each word of its block the key of a mixed hash has its counter: by its upper half.
#[inline]
fn shifts(mixed: u64) -> [u32; ROWS] {
    std::array::from_fn(|row| (mixed >> (u32::BITS + WIDTH * row as u32)) as u32 % (u64::BITS / WIDTH) * WIDTH)
}

#[inline]
fn lowest(block: &Block, shifts: [u32; ROWS]) -> u64 {
    let counts: [u64; ROWS] = std::array::from_fn(|row| block[row] >> shifts[row] & u64::from(MAX_COUNT));
    counts.into_iter().fold(u64::MAX, u64::min)
}

#[inline]
fn raise(block: &mut Block, shifts: [u32; ROWS]) {
    let count = lowest(block, shifts);
    if count == u64::from(MAX_COUNT) {
        return;
    }
    for (word, shift) in block.iter_mut().zip(shifts) {
        // Only the lowest counters rise: the others are too high already, for the sake of other keys.
        *word += u64::from(*word >> shift & u64::from(MAX_COUNT) == count) << shift;
    }
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
