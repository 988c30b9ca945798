//! `Bench`: what a backend under test is opened with, and `Fixture`: what its maker hands back.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use cache_core::{Limits, ManualClock, Stamp, Timestamp};

/// What a maker opens a fresh, empty backend with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bench {
    /// The clock that decides about expiry; it stands still until a rule moves it.
    pub clock: Arc<ManualClock>,
    /// The budget that a bounded backend is to have. One that cannot be that small takes its least instead: the
    /// rules go by what [`usage`](cache_core::Backend::usage) reports.
    pub limits: Limits,
}

impl Bench {
    /// Where the clock of a bench stands at first: the start of 2026, a realistic instant.
    pub const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    /// A bench whose clock stands at [`Bench::START`].
    pub fn new(conditions: Conditions) -> Self {
        Self { clock: Arc::new(ManualClock::new(Self::START)), limits: conditions.limits() }
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new(Conditions::Standard)
    }
}

/// What a rule needs around the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conditions {
    /// Room for everything that the rule puts; one thread.
    Standard,
    /// Room for several bodies of the greatest length.
    Roomy,
    /// Little room, so that the rule can fill it.
    Tight,
    /// As `Standard`, with two worker threads.
    Parallel,
}

impl Conditions {
    /// The budget of a backend under these conditions.
    pub const fn limits(self) -> Limits {
        match self {
            Self::Standard | Self::Parallel => Limits::weight(64 << 20).and_entries(10_000),
            Self::Roomy => Limits::weight(512 << 20).and_entries(10_000),
            Self::Tight => Limits::weight(8 << 20).and_entries(100),
        }
    }
}

/// A backend and what has to outlive it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fixture<B, G = ()> {
    /// The backend, fresh and empty.
    pub backend: B,
    /// Dropped after the backend, e.g. its temporary directory.
    pub guard: G,
    /// What hands out the stamps of a backend that [notes removes](Self::notes_removes).
    pub stamps: Option<Stamps>,
}

/// A source of stamps.
#[derive(Clone)]
pub struct Stamps(Arc<dyn Fn() -> Stamp + Send + Sync>);

impl<B> Fixture<B> {
    /// A backend that needs nothing else.
    pub const fn new(backend: B) -> Self {
        Self { backend, guard: (), stamps: None }
    }
}

impl<B, G> Fixture<B, G> {
    /// Keeps `guard` until the test is over and the backend is gone.
    #[must_use]
    pub fn keep<H>(self, guard: H) -> Fixture<B, H> {
        Fixture { backend: self.backend, guard, stamps: self.stamps }
    }

    /// Says that the backend notes each remove, by a stamp of its own, for others that share what it holds: a stack
    /// with a shared tier does. Such a backend has a clock that its callers take their stamps from: `stamps`. What was
    /// stamped before a remove loses to it, and usage may count one short entry for each key removed and not put again.
    #[must_use]
    pub fn notes_removes(mut self, stamps: impl Fn() -> Stamp + Send + Sync + 'static) -> Self {
        self.stamps = Some(Stamps::new(stamps));
        self
    }
}

impl Stamps {
    /// The stamps that `tick` hands out.
    pub fn new(tick: impl Fn() -> Stamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tick))
    }

    /// A stamp newer than all before.
    #[must_use]
    pub fn tick(&self) -> Stamp {
        (self.0)()
    }
}

impl fmt::Debug for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamps")
    }
}

/// What a maker returns: the backend on its fixture, or why there is none.
pub type Opened<B, G = ()> = Result<Fixture<B, G>, Box<dyn StdError + Send + Sync>>;
