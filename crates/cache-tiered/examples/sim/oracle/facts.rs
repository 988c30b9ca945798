//! What the oracle knows of values, operations and questions.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Selector, Stamp, Timestamp};

/// One life of a node, from start to crash or close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) node: usize,
    pub(crate) number: u64,
}

/// How a value came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Loaded,
    Put,
}

/// A value that somebody has made.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) made: Made,
    /// Whose load or put has made it, and whose loads have confirmed it: copies of each may be about.
    pub(crate) lives: Vec<Life>,
    /// The step at which its load, the last one that confirmed it, or its put began.
    pub(crate) began: u64,
    /// When its load or put was over, on the true clock.
    pub(crate) ended: Option<Duration>,
    pub(crate) tags: Vec<Arc<str>>,
    /// By the clock of who made it; those of all loads that confirmed it.
    pub(crate) stale_until: Timestamp,
    /// It may not be dropped before, for its age.
    pub(crate) kept_until: Timestamp,
    pub(crate) valid_until: Timestamp,
    /// All that it was stored with since its load, the last one that confirmed it, or its put.
    pub(crate) stamps: Vec<Stamp>,
    /// All that it was ever stored with.
    pub(crate) known_stamps: Vec<Stamp>,
    /// Since which step it is in the shared tier.
    pub(crate) shared_at: Option<u64>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Acknowledged,
    Failed,
    /// Its caller has left, or its node has crashed.
    Dropped,
}

/// A write or an invalidation.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) what: String,
    pub(crate) selector: Selector,
    pub(crate) life: Life,
    pub(crate) began: u64,
    pub(crate) ended: Option<(u64, End)>,
    /// Whether no fault struck the lasting tiers of its node meanwhile.
    pub(crate) solid: bool,
    /// The trouble of its node's lasting tiers when it began; `None` when there was one just then.
    pub(crate) calm: Option<u64>,
    pub(crate) stamp: Option<Stamp>,
    /// What it has put.
    pub(crate) value: Option<u64>,
    /// The lives of other nodes that have taken it in, at which step, and under which stamp: it may be told again under a
    /// newer one.
    pub(crate) taken_in: Vec<(Life, u64, Stamp)>,
}

/// How somebody asked for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Get,
    Load,
    Refresh,
    Revalidate,
}

/// A question for a key.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) key: String,
    pub(crate) way: Way,
    pub(crate) life: Life,
    pub(crate) began: u64,
    pub(crate) began_at: Duration,
    /// How long the caller waits at most.
    pub(crate) hard: Option<Duration>,
    /// The trouble of the node's lasting tiers when it began; `None` when there was one just then.
    pub(crate) calm: Option<u64>,
}
