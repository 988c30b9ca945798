//! Figures of a cache.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::Error;
use parking_lot::Mutex;
use serde::Serialize;

/// Figures of a cache since it was built.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CacheStats {
    /// Name of the cache.
    pub name: String,
    /// Answers from the near tier.
    pub near_hits: u64,
    /// Fresh answers from the tiers below.
    pub tier_hits: u64,
    /// Stale answers.
    pub stale: u64,
    /// Lookups in all tiers that found nothing to serve.
    pub misses: u64,
    /// Loads begun.
    pub loads: u64,
    /// Callers that were served by a load that another had begun.
    pub joins: u64,
    /// Loads that ended without a value.
    pub load_failures: u64,
    /// Loads stopped because nobody waited for them any more.
    pub abandoned: u64,
    /// Loads stopped at their deadline.
    pub timed_out: u64,
    /// Loads that found the value before still right.
    pub not_modified: u64,
    /// Loads begun behind a value that was served meanwhile.
    pub refreshes: u64,
    /// Callers that left because the load or its store, or the look for marks at the start, took longer than they wait.
    pub impatient: u64,
    /// Failures repeated without a load.
    pub repeated_failures: u64,
    /// Loads that waited for the load of another process.
    pub elsewhere: u64,
    /// Loads whose result was discarded because their lease was lost.
    pub leases_lost: u64,
    /// Wall time of all loads that ended.
    pub load_seconds: f64,
    /// Sum of what hits and joins [saved](crate::Hit::saved).
    pub seconds_saved: f64,
    /// Entries found that are no value of this type, schema and codec.
    pub undecodable: u64,
    /// Loaded values not kept, because the key was written or invalidated during the load.
    pub superseded: u64,
    /// Loaded values that the tiers did not store.
    pub store_failures: u64,
    /// The last reason for that.
    pub last_store_error: Option<String>,
    /// Loads, stores and writes under way.
    pub running: u64,
    /// Values in the near tier.
    pub near_entries: u64,
}

/// Counts as they go on.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) near_hits: AtomicU64,
    pub(super) tier_hits: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) joins: AtomicU64,
    pub(super) load_failures: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) not_modified: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) impatient: AtomicU64,
    pub(super) repeated_failures: AtomicU64,
    pub(super) elsewhere: AtomicU64,
    pub(super) leases_lost: AtomicU64,
    loads_ended: AtomicU64,
    load_micros: AtomicU64,
    saved_micros: AtomicU64,
    pub(super) undecodable: AtomicU64,
    pub(super) superseded: AtomicU64,
    store_failures: AtomicU64,
    last_store_error: Mutex<Option<Error>>,
}

impl Counters {
    pub(super) fn loaded_for(&self, span: Duration) {
        count(&self.loads_ended);
        self.load_micros.fetch_add(micros(span), Ordering::Relaxed);
    }

    /// What a load has taken so far, on average.
    pub(super) fn mean_load(&self) -> Duration {
        let loads = read(&self.loads_ended);
        Duration::from_micros(read(&self.load_micros).checked_div(loads).unwrap_or(0))
    }

    pub(super) fn saved(&self, span: Duration) {
        self.saved_micros.fetch_add(micros(span), Ordering::Relaxed);
    }

    pub(super) fn store_failed(&self, error: Error) {
        count(&self.store_failures);
        *self.last_store_error.lock() = Some(error);
    }

    pub(super) fn snapshot(&self) -> CacheStats {
        CacheStats {
            near_hits: read(&self.near_hits),
            tier_hits: read(&self.tier_hits),
            stale: read(&self.stale),
            misses: read(&self.misses),
            loads: read(&self.loads),
            joins: read(&self.joins),
            load_failures: read(&self.load_failures),
            abandoned: read(&self.abandoned),
            timed_out: read(&self.timed_out),
            not_modified: read(&self.not_modified),
            refreshes: read(&self.refreshes),
            impatient: read(&self.impatient),
            repeated_failures: read(&self.repeated_failures),
            elsewhere: read(&self.elsewhere),
            leases_lost: read(&self.leases_lost),
            load_seconds: Duration::from_micros(read(&self.load_micros)).as_secs_f64(),
            seconds_saved: Duration::from_micros(read(&self.saved_micros)).as_secs_f64(),
            undecodable: read(&self.undecodable),
            superseded: read(&self.superseded),
            store_failures: read(&self.store_failures),
            last_store_error: self.last_store_error.lock().as_ref().map(ToString::to_string),
            ..CacheStats::default()
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
