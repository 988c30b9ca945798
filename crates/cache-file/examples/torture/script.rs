//! What is written, as a function of the seed.

use cache_core::{Entry, Key, Meta, Stamp, Timestamp};
use cache_file::FileConfig;

/// Tasks of a child; each has keys of its own and awaits one write after the other.
pub(crate) const WRITERS: usize = 8;
/// Keys of each task.
pub(crate) const KEYS: u64 = 400;

/// A small deterministic generator (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// A directory and the room in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arena {
    /// Room for everything.
    Roomy,
    /// Room for a part.
    Tight,
}

impl Arena {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Roomy => "roomy",
            Self::Tight => "tight",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Roomy, Self::Tight].into_iter().find(|arena| arena.name() == name)
    }

    pub(crate) const fn capacity(self) -> u64 {
        match self {
            Self::Roomy => 1 << 30,
            Self::Tight => 16 << 20,
        }
    }

    pub(crate) fn config(self, dir: impl Into<std::path::PathBuf>) -> FileConfig {
        FileConfig::new(dir).capacity(self.capacity()).volume_len(4 << 20)
    }
}

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Put {
        key: u64,
        version: u64,
    },
    /// Renews what is there with a meta of this version.
    Renew {
        key: u64,
        version: u64,
    },
    Remove {
        key: u64,
    },
}

impl Write {
    pub(crate) const fn key(self) -> u64 {
        match self {
            Self::Put { key, .. } | Self::Renew { key, .. } | Self::Remove { key } => key,
        }
    }
}

/// The writes of one task in one round, without an end.
#[derive(Debug)]
pub(crate) struct Script {
    rng: Rng,
    writer: u64,
    next: u64,
}

impl Script {
    pub(crate) fn new(seed: u64, round: u64, writer: usize) -> Self {
        let mut rng = Rng::new(seed ^ (round << 20) ^ ((writer as u64) << 8));
        rng.next();
        // Versions order like rounds: a later one is a newer stamp.
        Self { rng, writer: writer as u64, next: (round + 1) << 32 }
    }
}

impl Iterator for Script {
    type Item = Write;

    fn next(&mut self) -> Option<Write> {
        self.next += 1;
        let key = self.writer * KEYS + self.rng.below(KEYS);
        Some(match self.rng.below(10) {
            0 => Write::Remove { key },
            1..4 => Write::Renew { key, version: self.next },
            _ => Write::Put { key, version: self.next },
        })
    }
}

pub(crate) fn key(number: u64) -> cache_core::Result<Key> {
    Key::of("torture").part(number).build()
}

/// The one right entry of a key and version: half of them short, some up to 200 KiB.
pub(crate) fn entry(seed: u64, key: u64, version: u64) -> Entry {
    let mut rng = Rng::new(seed ^ key.rotate_left(40) ^ version);
    let len = match rng.below(10) {
        0..5 => rng.below(2 << 10),
        5..8 => rng.below(32 << 10),
        _ => rng.below(200 << 10),
    };
    let mut body = Vec::with_capacity(len as usize + 8);
    while body.len() < len as usize {
        body.extend_from_slice(&rng.next().to_le_bytes());
    }
    body.truncate(len as usize);
    Entry::new(meta(version), body)
}

/// The one right meta of a version.
pub(crate) fn meta(version: u64) -> Meta {
    Meta::new(Stamp::from_u64(version), Timestamp::from_millis(version))
}
