//! `TieredBuilder`: how a stack is set up.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cache_core::{Backend, BackendInfo, Clock, Error, ErrorKind, Result, SystemClock};
use tokio::sync::{OnceCell, Semaphore};

use super::backplane::Fleet;
use super::common::Common;
use super::promote::Queue;
use super::tier::Tier;
use super::{Inner, Required, TierOptions, Tiered, Unconfirmed, WRITES};

/// Sets up a [`Tiered`].
#[derive(Debug)]
#[must_use = "a builder is not a stack until it is built"]
pub struct TieredBuilder {
    name: Arc<str>,
    tiers: Vec<(Arc<dyn Backend>, TierOptions)>,
    queue: usize,
    required: Required,
    unconfirmed: Unconfirmed,
    clock: Arc<dyn Clock>,
    node: Option<u8>,
}

impl TieredBuilder {
    pub(super) fn new() -> Self {
        Self {
            name: Arc::from("tiered"),
            tiers: Vec::new(),
            queue: 4096,
            required: Required::Durable,
            unconfirmed: Unconfirmed::Withhold,
            clock: Arc::new(SystemClock::new()),
            node: None,
        }
    }

    /// Sets the name in statistics and errors. The default is `"tiered"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds a tier below those added before, with the default options.
    pub fn tier(self, backend: impl Backend) -> Self {
        self.tier_with(backend, TierOptions::new())
    }

    /// Adds a tier below those added before.
    pub fn tier_with(mut self, backend: impl Backend, options: TierOptions) -> Self {
        self.tiers.push((Arc::new(backend), options));
        self
    }

    /// Bounds the work behind reads that waits: promotions, repairs, and what marks heard or found leave to do. What
    /// is beyond is dropped and counted; each [sweep](Backend::sweep) takes up again what marks have left. The default
    /// is 4,096. Promotions hold at most 256 MiB of bodies together, whatever this bound.
    pub fn queue(mut self, promotions: usize) -> Self {
        self.queue = promotions;
        self
    }

    /// Sets what must have stored an entry for its put to succeed. The default is [`Required::Durable`].
    pub fn require(mut self, required: Required) -> Self {
        self.required = required;
        self
    }

    /// Sets what is done with what nobody can vouch for. The default is [`Unconfirmed::Withhold`].
    pub fn unconfirmed(mut self, unconfirmed: Unconfirmed) -> Self {
        self.unconfirmed = unconfirmed;
        self
    }

    /// Tells this process apart from others that share a tier: two with different numbers never give two writes the same
    /// stamp. The default is a number by chance.
    pub fn node(mut self, number: u8) -> Self {
        self.node = Some(number);
        self
    }

    /// Sets the source of time. The default is a [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The stack.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there is no tier, or when two of them have the same name.
    pub fn build(self) -> Result<Tiered> {
        let invalid = |message| Err(Error::new(ErrorKind::Invalid, message).with_backend(self.name.clone()));
        let common = Arc::new(Common::new(self.clock, self.node.unwrap_or_else(by_chance)));
        let tiers = self.tiers.into_iter().map(|(backend, options)| Tier::new(backend, options, common.clone()));
        let tiers: Vec<Tier> = tiers.collect();
        if tiers.is_empty() {
            return invalid("a stack needs at least one tier".to_owned());
        }
        let mut names = HashSet::new();
        if let Some(twice) = tiers.iter().map(Tier::name).find(|name| !names.insert(*name)) {
            return invalid(format!("two tiers are named {twice}: name one with TierOptions::name"));
        }
        let mut info = BackendInfo::new(self.name.clone());
        info.durable = tiers.iter().any(|tier| tier.info.durable);
        info.shared = tiers.iter().any(|tier| tier.info.shared);
        info.max_body = tiers.iter().map(|tier| tier.info.max_body).max().unwrap_or_default();
        info.native_ttl = tiers.iter().all(|tier| tier.info.native_ttl);
        Ok(Tiered(Arc::new(Inner {
            info,
            tiers,
            common,
            required: self.required,
            unconfirmed: self.unconfirmed,
            ready: AtomicBool::new(false),
            opened: OnceCell::new(),
            fleet: Fleet::default(),
            queue: Queue::new(self.queue),
            writes: Arc::new(Semaphore::new(WRITES as usize)),
            closed: AtomicBool::new(false),
        })))
    }
}

/// Hashers are keyed by chance.
fn by_chance() -> u8 {
    let [number, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    number
}
