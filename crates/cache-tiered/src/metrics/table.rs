//! The table of all metrics: names, kinds, units, labels and meanings.

use std::time::Duration;

use ::metrics::{Key, Label, Level, Metadata, Recorder, Unit, with_recorder};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric: a family of series that differ in the values of its labels.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    pub(super) labels: &'static [&'static str],
    pub(super) meaning: &'static str,
}

static METADATA: Metadata<'_> = Metadata::new(env!("CARGO_PKG_NAME"), Level::INFO, None);

/// Declares each metric, and the list of all.
macro_rules! table {
    ($($metric:ident = $kind:ident $name:literal [$($label:literal),*] $unit:ident $meaning:literal;)*) => {
        $(pub(super) static $metric: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            meaning: $meaning,
        };)*

        /// Every metric.
        pub(super) static ALL: &[&Metric] = &[$(&$metric),*];
    };
}

table! {
    REQUESTS = Counter "reelcache_requests_total" ["cache", "result"] Count
        "Where answers came from, and lookups in all tiers that found nothing";
    LOADS = Counter "reelcache_loads_total" ["cache"] Count
        "Loads begun";
    LOAD_FAILURES = Counter "reelcache_load_failures_total" ["cache"] Count
        "Loads that ended without a value";
    LOADS_STOPPED = Counter "reelcache_loads_stopped_total" ["cache", "reason"] Count
        "Loads stopped before their end, and results discarded for a lost lease";
    REVALIDATED = Counter "reelcache_revalidated_total" ["cache"] Count
        "Loads that found the value before still right";
    REFRESHES = Counter "reelcache_refreshes_total" ["cache"] Count
        "Loads begun behind a value that was served meanwhile";
    IMPATIENT = Counter "reelcache_impatient_total" ["cache"] Count
        "Callers that left because a load or its store, or the look for marks at the start, took longer than they wait";
    REPEATED_FAILURES = Counter "reelcache_repeated_failures_total" ["cache"] Count
        "Failures told again without a load";
    ELSEWHERE = Counter "reelcache_elsewhere_total" ["cache"] Count
        "Loads that waited for the load of another process";
    LOAD_SECONDS = Counter "reelcache_load_seconds_total" ["cache"] Seconds
        "Wall time of all loads that ended, whole seconds";
    SAVED_SECONDS = Counter "reelcache_saved_seconds_total" ["cache"] Seconds
        "Wall time of loads that hits and joins saved, whole seconds";
    LOAD_DURATION = Histogram "reelcache_load_duration_seconds" ["cache", "result"] Seconds
        "How long loads took";
    UNDECODABLE = Counter "reelcache_undecodable_total" ["cache"] Count
        "Entries found that are no value of the cache's type, schema and codec";
    SUPERSEDED = Counter "reelcache_superseded_total" ["cache"] Count
        "Loaded values not kept because the key was written during the load";
    STORE_FAILURES = Counter "reelcache_store_failures_total" ["cache"] Count
        "Loaded values that the tiers did not store";
    INFLIGHT_LOADS = Gauge "reelcache_inflight_loads" ["cache"] Count
        "Loads, stores and writes under way";
    NEAR_ENTRIES = Gauge "reelcache_near_entries" ["cache"] Count
        "Values held decoded in the near tier";
    TIER_READS = Counter "reelcache_tier_reads_total" ["stack", "tier", "result"] Count
        "How a tier answered reads";
    TIER_WRITE_FAILURES = Counter "reelcache_tier_write_failures_total" ["stack", "tier", "operation"] Count
        "Writes that a tier failed";
    TIER_PROMOTIONS = Counter "reelcache_tier_promotions_total" ["stack", "tier"] Count
        "Entries copied to a tier from lower ones";
    PROMOTIONS = Counter "reelcache_promotions_total" ["stack", "result"] Count
        "Promotions that ended; one entry counts once, however many tiers it is copied to";
    EVICTIONS = Counter "reelcache_evictions_total" ["stack", "tier", "reason"] Count
        "Entries that a tier dropped by itself";
    TIER_UP = Gauge "reelcache_tier_up" ["stack", "tier"] Count
        "1 when the tier said what it holds, 0 when it failed to";
    ENTRIES = Gauge "reelcache_entries" ["stack", "tier"] Count
        "Entries that a tier holds, expired ones included until they are swept";
    WEIGHT = Gauge "reelcache_weight_bytes" ["stack", "tier"] Bytes
        "Weight of the entries of a tier";
    CAPACITY = Gauge "reelcache_capacity_bytes" ["stack", "tier"] Bytes
        "Budget for the weight, where the tier has one";
    BACKLOG = Gauge "reelcache_backlog" ["stack", "tier"] Count
        "Entries that wait to be written to a tier in the background";
    BACKLOG_DROPPED = Counter "reelcache_backlog_dropped_total" ["stack", "tier"] Count
        "Entries not written to a tier in the background for want of room";
    RECOVERY_QUEUED = Gauge "reelcache_recovery_queued" ["stack", "tier"] Count
        "Writes that a tier missed and that wait until it works again";
    RECOVERED = Counter "reelcache_recovered_total" ["stack", "tier", "result"] Count
        "What became of the writes that a tier missed";
    SUSPECTS = Gauge "reelcache_suspects" ["stack", "tier"] Count
        "Keys not served from a tier because a write failed there";
    QUEUED_PROMOTIONS = Gauge "reelcache_queued_promotions" ["stack"] Count
        "Promotions and repairs that wait";
}

impl Metric {
    /// Sets a counter to the count of now; `values` are those of the labels, in their order.
    pub(super) fn count<const N: usize>(&self, values: [&str; N], count: u64) {
        with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA).absolute(count));
    }

    /// Sets a counter to whole seconds: those of the facade count in whole numbers.
    pub(super) fn seconds<const N: usize>(&self, values: [&str; N], seconds: f64) {
        self.count(values, Duration::try_from_secs_f64(seconds).map_or(0, |span| span.as_secs()));
    }

    /// Sets a gauge.
    pub(super) fn gauge<const N: usize>(&self, values: [&str; N], value: u64) {
        with_recorder(|recorder| recorder.register_gauge(&self.key(values), &METADATA).set(value as f64));
    }

    /// Adds one observation to a histogram of seconds.
    pub(super) fn observe<const N: usize>(&self, values: [&str; N], span: Duration) {
        with_recorder(|recorder| recorder.register_histogram(&self.key(values), &METADATA).record(span.as_secs_f64()));
    }

    /// Tells `recorder` the unit and the meaning.
    pub(super) fn describe(&self, recorder: &dyn Recorder) {
        let (name, unit, meaning) = (self.name.into(), Some(self.unit), self.meaning.into());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, unit, meaning),
            Kind::Gauge => recorder.describe_gauge(name, unit, meaning),
            Kind::Histogram => recorder.describe_histogram(name, unit, meaning),
        }
    }

    fn key<const N: usize>(&self, values: [&str; N]) -> Key {
        let labels = self.labels.iter().zip(values).map(|(name, value)| Label::new(*name, value.to_owned()));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }
}
