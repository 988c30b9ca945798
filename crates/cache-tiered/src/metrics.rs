//! Figures published through the `metrics` facade.
//!
//! Nothing is counted here: the snapshots of [`Cache::stats`](crate::Cache::stats) and
//! [`Tiered::stats`](crate::Tiered::stats) are published as absolute counters and gauges, by whoever has a moment for
//! it: a job of a [`Sweeper`](crate::Sweeper), or a scrape. A hit costs nothing more for it. The one exception is the
//! histogram of load durations, recorded at the end of each load.
//!
//! Labels are names of caches, stacks and tiers, and words of fixed sets, never keys. docs/metrics.md lists every
//! metric.
//!
//! ```
//! # use cache_core::{MINUTE, Result};
//! # use cache_mem::MemBackend;
//! # use cache_tiered::{Sweeper, Tiered, metrics};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).build()?;
//! metrics::describe();
//! let publish = {
//!     let tiers = tiers.clone();
//!     move || {
//!         let tiers = tiers.clone();
//!         async move {
//!             metrics::publish_tiers(&tiers.stats().await);
//!             Ok(())
//!         }
//!     }
//! };
//! let sweeper = Sweeper::builder(tiers).period(MINUTE).also("publish", publish).start()?;
//! # sweeper.close().await
//! # }
//! ```

mod table;

use std::time::Duration;

use ::metrics::with_recorder;

use crate::{CacheStats, TierStats, TieredStats};
use table::{
    ALL, BACKLOG, BACKLOG_DROPPED, CAPACITY, ELSEWHERE, ENTRIES, EVICTIONS, IMPATIENT, INFLIGHT_LOADS, LOAD_DURATION,
    LOAD_FAILURES, LOAD_SECONDS, LOADS, LOADS_STOPPED, NEAR_ENTRIES, PROMOTIONS, QUEUED_PROMOTIONS, RECOVERED,
    RECOVERY_QUEUED, REFRESHES, REPEATED_FAILURES, REQUESTS, REVALIDATED, SAVED_SECONDS, STORE_FAILURES, SUPERSEDED,
    SUSPECTS, TIER_PROMOTIONS, TIER_READS, TIER_UP, TIER_WRITE_FAILURES, UNDECODABLE, WEIGHT,
};

/// Tells the recorder units and meanings of all metrics. Once, after it was installed.
pub fn describe() {
    with_recorder(|recorder| ALL.iter().for_each(|metric| metric.describe(recorder)));
}

/// Publishes the figures of a cache. Two caches need different names.
pub fn publish_cache(stats: &CacheStats) {
    let cache = stats.name.as_str();
    REQUESTS.count([cache, "near_hit"], stats.near_hits);
    REQUESTS.count([cache, "tier_hit"], stats.tier_hits);
    REQUESTS.count([cache, "stale"], stats.stale);
    REQUESTS.count([cache, "joined"], stats.joins);
    REQUESTS.count([cache, "miss"], stats.misses);
    LOADS.count([cache], stats.loads);
    LOAD_FAILURES.count([cache], stats.load_failures);
    LOADS_STOPPED.count([cache, "abandoned"], stats.abandoned);
    LOADS_STOPPED.count([cache, "deadline"], stats.timed_out);
    LOADS_STOPPED.count([cache, "lease_lost"], stats.leases_lost);
    REVALIDATED.count([cache], stats.not_modified);
    REFRESHES.count([cache], stats.refreshes);
    IMPATIENT.count([cache], stats.impatient);
    REPEATED_FAILURES.count([cache], stats.repeated_failures);
    ELSEWHERE.count([cache], stats.elsewhere);
    LOAD_SECONDS.seconds([cache], stats.load_seconds);
    SAVED_SECONDS.seconds([cache], stats.seconds_saved);
    UNDECODABLE.count([cache], stats.undecodable);
    SUPERSEDED.count([cache], stats.superseded);
    STORE_FAILURES.count([cache], stats.store_failures);
    INFLIGHT_LOADS.gauge([cache], stats.running);
    NEAR_ENTRIES.gauge([cache], stats.near_entries);
}

/// Publishes the figures of a stack and of its tiers. Two stacks need different names.
pub fn publish_tiers(stats: &TieredStats) {
    let (stack, promotions) = (&*stats.name, &stats.promotions);
    PROMOTIONS.count([stack, "done"], promotions.done);
    PROMOTIONS.count([stack, "dropped"], promotions.dropped);
    PROMOTIONS.count([stack, "overtaken"], promotions.overtaken);
    PROMOTIONS.count([stack, "failed"], promotions.failed);
    QUEUED_PROMOTIONS.gauge([stack], promotions.queued);
    for tier in &stats.tiers {
        publish_tier(stack, tier);
    }
}

fn publish_tier(stack: &str, stats: &TierStats) {
    let tier = &*stats.name;
    for (outcome, count) in &stats.outcomes {
        TIER_READS.count([stack, tier, outcome], *count);
    }
    TIER_WRITE_FAILURES.count([stack, tier, "put"], stats.puts_failed);
    TIER_WRITE_FAILURES.count([stack, tier, "remove"], stats.removes_failed);
    TIER_PROMOTIONS.count([stack, tier], stats.promoted);
    SUSPECTS.gauge([stack, tier], stats.suspects);
    BACKLOG.gauge([stack, tier], stats.backlog);
    BACKLOG_DROPPED.count([stack, tier], stats.backlog_dropped);
    RECOVERY_QUEUED.gauge([stack, tier], stats.recovery.queued);
    RECOVERED.count([stack, tier, "replayed"], stats.recovery.replayed);
    RECOVERED.count([stack, tier, "lost"], stats.recovery.lost);
    RECOVERED.count([stack, tier, "dropped"], stats.recovery.dropped);
    TIER_UP.gauge([stack, tier], u64::from(stats.usage.is_some()));
    let Some(usage) = stats.usage else { return };
    EVICTIONS.count([stack, tier, "capacity"], usage.evicted);
    EVICTIONS.count([stack, tier, "expired"], usage.expired);
    EVICTIONS.count([stack, tier, "corrupt"], usage.corrupt);
    ENTRIES.gauge([stack, tier], usage.entries);
    WEIGHT.gauge([stack, tier], usage.bytes);
    if let Some(capacity) = usage.capacity {
        CAPACITY.gauge([stack, tier], capacity);
    }
}

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadEnd {
    /// With a value.
    Loaded,
    /// With the loader's error.
    Failed,
    /// With the loader's panic.
    Panicked,
    /// At its deadline.
    TimedOut,
    /// Without anybody waiting for it, or with its cache.
    Cancelled,
}

impl LoadEnd {
    const fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Records that a load of `cache` has ended after `span`.
pub(crate) fn load_ended(cache: &str, end: LoadEnd, span: Duration) {
    LOAD_DURATION.observe([cache, end.name()], span);
}

#[cfg(test)]
mod tests;
