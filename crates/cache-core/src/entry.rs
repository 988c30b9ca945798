//! `Entry`: meta and body of one key.

mod envelope;

use bytes::Bytes;

use crate::{Error, ErrorKind, Meta, Result};

/// Meta and body of one key. Cloning shares the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What is known of the body.
    pub meta: Meta,
    /// The bytes themselves, at most [`Entry::MAX_BODY`].
    pub body: Bytes,
}

impl Entry {
    /// The longest body, in bytes. Larger values are split into segments by their owner.
    pub const MAX_BODY: u64 = 64 << 20;

    /// An entry.
    pub fn new(meta: Meta, body: impl Into<Bytes>) -> Self {
        Self { meta, body: body.into() }
    }

    /// Length of the body in bytes.
    pub fn len(&self) -> u64 {
        self.body.len() as u64
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Refuses a body above `max` bytes: the first thing a backend's `put` does.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`].
    pub fn check_body(&self, max: u64) -> Result<()> {
        let max = max.min(Self::MAX_BODY);
        if self.len() <= max {
            return Ok(());
        }
        let len = self.len();
        Err(Error::new(ErrorKind::TooLarge, format!("a body of {len} bytes exceeds the {max} that this backend holds")))
    }
}
