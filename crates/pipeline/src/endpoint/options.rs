//! `EndpointOptions`: where a model is asked, and within which limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where a model is asked, and within which limits.
///
/// ```
/// # use pipeline::{Endpoint, EndpointOptions};
/// # use std::time::Duration;
/// let options = EndpointOptions::new("http://localhost:8080/v1", "moondream2").at_once(2).attempt(Duration::from_mins(5));
/// let endpoint = Endpoint::new(options)?;
/// # Ok::<(), cache_core::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct EndpointOptions {
    pub(super) base: String,
    pub(super) model: String,
    pub(super) revision: String,
    pub(super) key: Option<Secret>,
    pub(super) at_once: usize,
    /// Between the beginnings of two requests.
    pub(super) gap: Duration,
    pub(super) tries: u32,
    pub(super) connect: Duration,
    pub(super) attempt: Duration,
    pub(super) limit: Duration,
    pub(super) longest_wait: Duration,
    pub(super) max_bytes: usize,
}

/// A key that nothing shows.
#[derive(Clone)]
pub(super) struct Secret(Arc<str>);

impl EndpointOptions {
    /// The model called `model` at `base`, the address that `/embeddings` and `/chat/completions` are appended to.
    pub fn new(base: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            model: model.into(),
            revision: String::new(),
            key: None,
            at_once: 4,
            gap: Duration::ZERO,
            tries: 4,
            connect: Duration::from_secs(10),
            attempt: Duration::from_mins(2),
            limit: Duration::from_mins(10),
            longest_wait: Duration::from_mins(1),
            max_bytes: 32 << 20,
        }
    }

    /// The key, sent as a bearer token.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(Secret(key.into().into()));
        self
    }

    /// What tells apart models that have the same name at different times: a digest, a date. Part of the identity of what
    /// is computed, as the name is.
    pub fn revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = revision.into();
        self
    }

    /// The most requests under way at once, at least 1; 4 unless set.
    pub fn at_once(mut self, most: usize) -> Self {
        self.at_once = most.max(1);
        self
    }

    /// The most requests begun in a minute, evenly spread; without limit unless set, or with 0.
    pub fn per_minute(mut self, most: u32) -> Self {
        self.gap = Duration::from_mins(1).checked_div(most).unwrap_or_default();
        self
    }

    /// How often a request is made at most, at least once; 4 times unless set.
    pub const fn tries(mut self, most: u32) -> Self {
        self.tries = most;
        self
    }

    /// The longest wait for a connection; 10 seconds unless set.
    pub const fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// The longest time from the beginning of a request to the end of its answer; two minutes unless set.
    pub const fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// The longest time for an answer, all tries, pauses and waits for a turn together; ten minutes unless set.
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The longest `Retry-After` that is waited for; a minute unless set.
    pub const fn longest_wait(mut self, limit: Duration) -> Self {
        self.longest_wait = limit;
        self
    }

    /// The longest answer, in bytes; 32 MiB unless set.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }
}

impl Secret {
    pub(super) fn shown(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
