//! `Secrets`: how keys are hashed unless the user says otherwise.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::fast::{FoldHasher, SeedableRandomState};

/// Hashes under secrets: some drawn once for the process, one for each value of this type. The operating system is the
/// source of their randomness.
///
/// This is foldhash, a folded multiplication for each 16 bytes of key. It keeps apart keys that were chosen without
/// knowledge of the secrets. It is not cryptographic: where somebody may both choose keys and time answers finely
/// enough to learn of collisions, [`RandomState`] is the safe choice, and the slower one.
#[derive(Clone)]
pub struct Secrets(SeedableRandomState);

impl Secrets {
    /// A new secret.
    pub fn new() -> Self {
        static SHARED: OnceLock<SharedSeed> = OnceLock::new();
        let shared = SHARED.get_or_init(|| SharedSeed::from_u64(drawn()));
        Self(SeedableRandomState::with_seed(drawn(), shared))
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildHasher for Secrets {
    type Hasher = FoldHasher<'static>;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Random bits: the standard library draws keys for a hash, and the hash of nothing under them tells nothing of them.
fn drawn() -> u64 {
    RandomState::new().hash_one(())
}
