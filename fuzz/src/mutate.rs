//! Inputs made from others by changes that tend to matter. The same seed makes the same inputs.

/// Numbers and marks that readers trip over.
const TOKENS: [&[u8]; 34] = [
    b"0",
    b"-1",
    b"1e9",
    b"18446744073709551615",
    b"18446744073709551616",
    b"4294967295",
    b"99999999999999999999999999",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0",
    b"\0\0\0\0",
    b"\r\n",
    b"\n",
    b"\t",
    b" ",
    b"%00",
    b"%2",
    b"%",
    b"\"",
    b"\\",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    "\u{feff}".as_bytes(),
    "\u{130}".as_bytes(),
    b"../",
    b"<",
    b"&#x110000;",
    b"{",
    b"[",
    b"*",
    b"?",
    b"\xdd\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
];
/// The longest input that is made, in bytes.
const LONGEST: usize = 16 << 10;

/// Makes inputs from others.
#[derive(Debug, Clone)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// One whose inputs follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// One of `seeds` with one to eight changes, some of which join it with another; empty when there are none.
    pub fn next_of(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one_of(seeds).cloned().unwrap_or_default();
        for _ in 0..=self.below(8) {
            let donor = self.one_of(seeds).cloned().unwrap_or_default();
            self.change(&mut input, &donor);
            input.truncate(LONGEST);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, donor: &[u8]) {
        let (from, to) = self.range(input.len());
        match self.below(8) {
            0 if from < input.len() => input[from] ^= 1 << self.below(8),
            1 if from < input.len() => input[from] = self.below(256) as u8,
            2 => drop(input.drain(from..to)),
            3 => {
                let part = input[from..to].to_vec();
                input.splice(to..to, part.repeat(1 + self.below(16)));
            }
            4 => {
                let token = TOKENS[self.below(TOKENS.len())];
                input.splice(from..to, token.iter().copied());
            }
            5 => {
                let (first, last) = self.range(donor.len());
                input.splice(from..to, donor[first..last].iter().copied());
            }
            6 => input.truncate(to),
            _ => {
                let token = TOKENS[self.below(TOKENS.len())];
                input.splice(from..from, token.iter().copied());
            }
        }
    }

    /// A part of so many bytes, mostly a short one.
    fn range(&mut self, len: usize) -> (usize, usize) {
        let from = self.below(len + 1);
        let most = if self.below(4) == 0 { len } else { 8 };
        (from, (from + self.below(most + 1)).min(len))
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() { None } else { all.get(self.below(all.len())) }
    }

    /// A number below `end`, which is not zero: `SplitMix64`.
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize % end
    }
}
