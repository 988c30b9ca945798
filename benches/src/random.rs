//! Chance that is the same in every run.

/// A generator of 64-bit numbers: `SplitMix64`, by Steele, Lea and Flood (OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers follow from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to 1, the latter excluded.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `end`, which is not zero.
    pub const fn below(&mut self, end: u64) -> u64 {
        ((self.next() as u128 * end as u128) >> 64) as u64
    }

    /// A number of the normal distribution around 0 with deviation 1: Box and Muller (1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Spreads the bits of a number over all 64: a hash that no two numbers share.
pub const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Ranks of which the k-th comes in proportion to `1 / k^exponent`.
#[derive(Debug, Clone)]
pub struct Zipf {
    /// How often a rank or one before it comes, by rank.
    sums: Vec<f64>,
}

impl Zipf {
    /// The distribution over `ranks` ranks, of which there is at least one.
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=ranks.max(1)).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        Self { sums: sums.collect() }
    }

    /// A rank, the most frequent one being 0. Logarithmic time.
    pub fn draw(&self, random: &mut Random) -> usize {
        let total = self.sums[self.sums.len() - 1];
        let point = random.unit() * total;
        self.sums.partition_point(|&sum| sum <= point).min(self.sums.len() - 1)
    }
}

/// The numbers below `count` in an order that follows from `seed`.
pub fn shuffled(count: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, random.below(last as u64 + 1) as usize);
    }
    numbers
}
