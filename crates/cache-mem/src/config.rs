//! `MemBackendBuilder`: how a memory backend is set up.

use std::sync::Arc;

use cache_core::{Clock, Entry, EvictionListener, Key, PolicyKind, SystemClock};

use crate::MemBackend;
use crate::backend::{ENTRY_OVERHEAD, META_TEXT};

/// Sets up a [`MemBackend`].
#[derive(Debug)]
#[must_use = "a builder is not a backend until it is built"]
pub struct MemBackendBuilder {
    pub(crate) name: Arc<str>,
    pub(crate) capacity: u64,
    pub(crate) entries: u64,
    pub(crate) max_body: u64,
    pub(crate) policy: PolicyKind,
    pub(crate) shards: Option<usize>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listener: Option<Arc<dyn EvictionListener>>,
}

impl MemBackendBuilder {
    pub(crate) fn new(capacity: u64) -> Self {
        Self {
            name: Arc::from("memory"),
            capacity,
            entries: u64::MAX,
            max_body: Entry::MAX_BODY,
            policy: PolicyKind::default(),
            shards: None,
            clock: Arc::new(SystemClock::new()),
            listener: None,
        }
    }

    /// Sets the name in statistics and errors. The default is `"memory"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Bounds the number of entries as well. Zero holds nothing.
    pub fn entries(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }

    /// Sets the longest body taken, in bytes. It is lowered to what the capacity holds together with the longest key
    /// and 1 KiB of text in the meta; `info().max_body` tells the outcome. The default is [`Entry::MAX_BODY`].
    ///
    /// A shorter one allows more shards, which serve more threads.
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Chooses who leaves when there is no room. The default is [`PolicyKind::Agd`].
    pub fn policy(mut self, policy: PolicyKind) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the number of shards, lowered where a share would not hold the longest entry. See
    /// [`MemCacheBuilder::shards`](crate::MemCacheBuilder::shards) for the default.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Sets the source of time. The default is a [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets who hears which entries the policy chose to drop, and which expired. Nobody does, unless set.
    pub fn listener(mut self, listener: Arc<dyn EvictionListener>) -> Self {
        self.listener = Some(listener);
        self
    }

    /// The backend.
    pub fn build(self) -> MemBackend {
        MemBackend::from_config(self)
    }

    /// The longest body that an empty backend admits under any legal key.
    pub(crate) fn admitted_body(&self) -> u64 {
        self.max_body.min(Entry::MAX_BODY).min(self.capacity.saturating_sub(ALLOWANCE))
    }

    /// The heaviest entry with such a body.
    pub(crate) fn max_weight(&self) -> u64 {
        self.admitted_body() + ALLOWANCE
    }
}

/// What an entry weighs besides its body, at most.
const ALLOWANCE: u64 = ENTRY_OVERHEAD + Key::MAX_BYTES as u64 + META_TEXT;
