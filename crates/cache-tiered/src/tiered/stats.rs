//! Figures of a stack and of each of its tiers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::Usage;
use futures_util::future::join_all;
use serde::Serialize;

use super::Tiered;
use super::tier::Tier;

/// Figures of a stack since it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TieredStats {
    /// Name of the stack.
    pub name: Arc<str>,
    /// Its tiers, the nearest first.
    pub tiers: Vec<TierStats>,
    /// Copies of lower tiers' entries to nearer ones.
    pub promotions: PromotionStats,
}

/// Figures of one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TierStats {
    /// Its name.
    pub name: Arc<str>,
    /// Whether its entries outlive the process.
    pub durable: bool,
    /// Whether other processes see the same entries.
    pub shared: bool,
    /// The longest body that it is given, in bytes.
    pub max_body: u64,
    /// What it holds; `None` when it did not say.
    pub usage: Option<Usage>,
    /// How often it answered what to reads, by [name](cache_core::Outcome::name).
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Puts that failed.
    pub puts_failed: u64,
    /// Removes that failed.
    pub removes_failed: u64,
    /// Entries copied here from lower tiers.
    pub promoted: u64,
    /// Keys that are not served from here because a write failed.
    pub suspects: u64,
    /// Entries that wait to be written in the background.
    pub backlog: u64,
    /// Entries not written in the background because there was no room; they are among those to be recovered.
    pub backlog_dropped: u64,
    /// What it has missed.
    pub recovery: RecoveryStats,
}

/// Figures of what a tier has missed and was given later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecoveryStats {
    /// Waiting until the tier works again.
    pub queued: u64,
    /// Done again.
    pub replayed: u64,
    /// Puts not done again because no other tier has the body any more.
    pub lost: u64,
    /// Not queued because too many were waiting: nothing out of date is served for that.
    pub dropped: u64,
}

/// Figures of promotions. One entry counts once, however many tiers it is copied to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PromotionStats {
    /// Waiting, repairs included.
    pub queued: u64,
    /// Done.
    pub done: u64,
    /// Not done because too many were waiting, repairs included.
    pub dropped: u64,
    /// Not done because the key was written meanwhile.
    pub overtaken: u64,
    /// Not done because a tier failed.
    pub failed: u64,
}

impl Tiered {
    /// The figures of now. Asks each tier for its usage; cancelling it has no effect.
    pub async fn stats(&self) -> TieredStats {
        let queue = &self.0.queue;
        TieredStats {
            name: self.0.info.name.clone(),
            tiers: join_all(self.0.tiers.iter().map(Tier::stats)).await,
            promotions: PromotionStats {
                queued: queue.len() as u64,
                done: read(&queue.done),
                dropped: read(&queue.dropped),
                overtaken: read(&queue.overtaken),
                failed: read(&queue.failed),
            },
        }
    }
}

impl Tier {
    async fn stats(&self) -> TierStats {
        TierStats {
            name: self.name().clone(),
            durable: self.info.durable,
            shared: self.info.shared,
            max_body: self.info.max_body,
            usage: self.usage().await.ok(),
            outcomes: self.outcomes.snapshot().into_iter().collect(),
            puts_failed: read(&self.puts_failed),
            removes_failed: read(&self.removes_failed),
            promoted: read(&self.promoted),
            suspects: self.suspects.len() as u64,
            backlog: self.backlog.len() as u64,
            backlog_dropped: read(&self.backlog.dropped),
            recovery: RecoveryStats {
                queued: self.recovery.len() as u64,
                replayed: read(&self.recovery.replayed),
                lost: read(&self.recovery.lost),
                dropped: read(&self.recovery.dropped),
            },
        }
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
