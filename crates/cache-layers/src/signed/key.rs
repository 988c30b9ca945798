//! `SigningKey`: what those who believe each other share.

use std::fmt;

use cache_core::{Error, ErrorKind, Result};

/// The key of a [`Signed`](super::Signed) backend. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// The fewest bytes of a secret.
    pub const MIN_LEN: usize = 16;

    /// The key of `secret`, which is as hard to guess as it is: bytes of a random source are best.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] below [`MIN_LEN`](Self::MIN_LEN) bytes.
    pub fn of(secret: &[u8]) -> Result<Self> {
        if secret.len() < Self::MIN_LEN {
            let message = format!(
                "the secret that entries are signed with has {} bytes: use {} or more",
                secret.len(),
                Self::MIN_LEN
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(Self(blake3::derive_key("reelcache 2026-11-22 signed entries", secret)))
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}
