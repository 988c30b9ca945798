//! `Policy`: which entry goes when there is no room, decided without keys, values, clocks or locks.

mod agd;
pub(crate) mod column;
mod custom;
mod fifo;
mod gdsf;
mod hits;
mod kind;
mod lru;
mod queues;
mod s3fifo;
mod sieve;
mod sketch;
mod slru;
mod ticks;
mod tinylfu;

use std::fmt::Debug;
use std::time::Duration;

pub use agd::Agd;
pub use custom::CustomPolicy;
pub use fifo::Fifo;
pub use gdsf::Gdsf;
pub use kind::PolicyKind;
pub use lru::Lru;
pub use s3fifo::S3Fifo;
pub use sieve::Sieve;
pub use slru::Slru;
pub use tinylfu::TinyLfu;

/// Entries that one eviction spares because they were hit, or moves for other reasons, at most; then the next one goes,
/// hit or not.
///
/// An eviction runs under an exclusive lock. Without a bound, one that comes after all of a million entries were hit
/// looks at all of them. Where this many of those next in line were hit, which of them goes matters little.
pub(crate) const CHANCES: usize = 256;

/// A place in a catalog, reused after its entry left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// The place as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a policy may know of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Hash of the key, to recognise one that comes back.
    pub hash: u64,
    /// What the entry costs of the capacity.
    pub weight: u64,
    /// Wall time that making the value again takes.
    pub cost: Duration,
}

/// Decides which entry goes when there is no room.
///
/// The owner adds up weights and calls [`evict`](Self::evict) until there is room again; a policy only orders.
/// All methods are synchronous, never block, and take amortised constant or logarithmic time. No call looks at more
/// than some hundred entries, however many were hit before it; except that [`Lru`] and [`Slru`], whose orders are
/// exact, have to look at all that were hit since, and that tables grow.
///
/// # Laws
/// * `evict` names a resident slot and forgets it; it answers `None` exactly when nothing is resident. The newest
///   slot is a legal answer: the newcomer is refused admission.
/// * `insert` of a resident slot and `touch`, `update` or `remove` of an absent one change nothing.
/// * `touch` and `update` change no residency; `touch` may run concurrently with other `touch`es.
/// * What a policy remembers of evicted entries is bounded by the number of residents that there were at the peak.
/// * After `clear` it behaves as newly made with the same capacity.
pub trait Policy: Debug + Send + Sync {
    /// Notes a new resident.
    fn insert(&mut self, slot: Slot, facts: Facts);

    /// Notes a hit.
    fn touch(&self, slot: Slot);

    /// Notes that the value of a resident was replaced by one of the same weight, which counts as a hit. Policies that
    /// look at the cost have to learn the new one; for the others this is a hit.
    fn update(&mut self, slot: Slot, facts: Facts) {
        let _ = facts;
        self.touch(slot);
    }

    /// Forgets a resident, without a trace: it left for other reasons than capacity.
    fn remove(&mut self, slot: Slot);

    /// Chooses the next victim and forgets it as a resident.
    fn evict(&mut self) -> Option<Slot>;

    /// Notes a new capacity, in the unit of weights: where only the number of entries is bounded, this is that number,
    /// and each entry weighs 1. It evicts nothing by itself.
    fn resize(&mut self, capacity: u64);

    /// Forgets everything.
    fn clear(&mut self);

    /// Number of residents.
    fn len(&self) -> usize;

    /// Whether nothing is resident.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
