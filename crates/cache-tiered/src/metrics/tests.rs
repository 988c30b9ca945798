//! The table, its page in the docs and what is published agree.

use std::collections::{BTreeMap, BTreeSet};

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use cache_core::{Backend, Outcome};
use cache_mem::MemBackend;
use parking_lot::Mutex;
use std::sync::Arc;

use super::table::{Kind, Metric};
use super::*;
use crate::{Cache, Origin, Tiered};

const PAGE: &str = include_str!("../../../../docs/metrics.md");

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Listener {
    described: Mutex<BTreeMap<String, Description>>,
    series: Mutex<Vec<(Kind, Key, Arc<Value>)>>,
}

type Description = (Kind, Option<Unit>, String);

/// The last number that a series was given.
#[derive(Debug, Default)]
struct Value(Mutex<f64>);

impl Listener {
    fn describe(&self, kind: Kind, name: &KeyName, unit: Option<Unit>, meaning: &SharedString) {
        self.described.lock().insert(name.as_str().to_owned(), (kind, unit, meaning.to_string()));
    }

    fn register(&self, kind: Kind, key: &Key) -> Arc<Value> {
        let value = Arc::new(Value::default());
        self.series.lock().push((kind, key.clone(), value.clone()));
        value
    }

    /// The value of a series, printed as `name{label="value"}`.
    fn value(&self, series: &str) -> Option<f64> {
        self.series.lock().iter().find(|(_, key, _)| print(key) == series).map(|(_, _, value)| *value.0.lock())
    }
}

impl Recorder for Listener {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.describe(Kind::Counter, &name, unit, &meaning);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.describe(Kind::Gauge, &name, unit, &meaning);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.describe(Kind::Histogram, &name, unit, &meaning);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(Kind::Counter, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(Kind::Gauge, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(Kind::Histogram, key))
    }
}

impl CounterFn for Value {
    fn increment(&self, value: u64) {
        *self.0.lock() += value as f64;
    }

    fn absolute(&self, value: u64) {
        *self.0.lock() = value as f64;
    }
}

impl GaugeFn for Value {
    fn increment(&self, value: f64) {
        *self.0.lock() += value;
    }

    fn decrement(&self, value: f64) {
        *self.0.lock() -= value;
    }

    fn set(&self, value: f64) {
        *self.0.lock() = value;
    }
}

impl HistogramFn for Value {
    fn record(&self, value: f64) {
        *self.0.lock() = value;
    }
}

fn print(key: &Key) -> String {
    let labels = key.labels().map(|label| format!("{}={:?}", label.key(), label.value()));
    format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","))
}

fn row(metric: &Metric) -> String {
    let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    let kind = format!("{:?}", metric.kind).to_lowercase();
    format!("| `{}` | {kind} | {labels} | {} |", metric.name, metric.meaning)
}

/// What is published of a stack of two tiers and a cache that were used a little.
async fn published() -> Listener {
    let [near, far] = ["near", "far"].map(|name| Arc::new(MemBackend::builder(1 << 20).name(name).build()));
    let tiers = Tiered::builder().name("media").tier(near).tier(far.clone()).build().unwrap();
    let cache = Cache::<String>::builder("songs").near(0).tiers(tiers.clone()).build().unwrap();
    let key = cache_core::Key::parse("a").unwrap();
    let ask = || {
        cache.get_or_load(&key, |_| async {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>("la".to_owned())
        })
    };
    let (led, joined) = tokio::join!(ask(), ask());
    assert_eq!((led.unwrap().origin, joined.unwrap().origin), (Origin::Loaded, Origin::Joined));
    for _ in 0..2 {
        ask().await.unwrap();
    }
    cache.close().await.unwrap();
    let stats = (cache.stats(), tiers.stats().await);
    far.close().await.unwrap();
    let after = tiers.stats().await;
    let listener = Listener::default();
    with_local_recorder(&listener, || {
        describe();
        publish_cache(&stats.0);
        publish_tiers(&stats.1);
        load_ended("songs", LoadEnd::TimedOut, Duration::from_millis(1_500));
    });
    let down = Listener::default();
    with_local_recorder(&down, || publish_tiers(&after));
    assert_eq!(down.value("reelcache_tier_up{stack=\"media\",tier=\"far\"}"), Some(0.0));
    assert_eq!(down.value("reelcache_entries{stack=\"media\",tier=\"far\"}"), None);
    listener
}

#[test]
fn the_page_of_the_docs_has_a_row_for_every_metric_and_no_other() {
    let rows: Vec<_> = PAGE.lines().filter(|line| line.starts_with("| `reelcache_")).collect();
    assert_eq!(rows, ALL.iter().map(|metric| row(metric)).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_page_of_the_docs_names_every_value_of_a_label() {
    let listener = published().await;
    let series = listener.series.lock();
    let labels = series.iter().flat_map(|(_, key, _)| key.labels());
    let words = labels.filter(|label| !["cache", "stack", "tier"].contains(&label.key())).map(::metrics::Label::value);
    let ends = [LoadEnd::Loaded, LoadEnd::Failed, LoadEnd::Panicked, LoadEnd::TimedOut, LoadEnd::Cancelled];
    let fixed = ends.map(LoadEnd::name).into_iter().chain(Outcome::ALL.map(Outcome::name));
    let missing: Vec<_> = fixed.chain(words).filter(|value| !PAGE.contains(&format!("`{value}`"))).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn names_say_kind_and_unit() {
    for Metric { name, kind, unit, labels, meaning } in ALL {
        assert!(name.starts_with("reelcache_") && !meaning.is_empty() && !meaning.ends_with('.'), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert_eq!(name.contains("_seconds"), *unit == Unit::Seconds, "{name}");
        assert_eq!(name.contains("_bytes"), *unit == Unit::Bytes, "{name}");
        assert!(!labels.contains(&"key"), "{name}");
    }
    assert_eq!(ALL.iter().map(|metric| metric.name).collect::<BTreeSet<_>>().len(), ALL.len());
}

#[tokio::test]
async fn every_metric_is_described_and_published_with_its_kind_and_labels() {
    let listener = published().await;
    for metric in ALL {
        let meaning = metric.meaning.to_owned();
        assert_eq!(listener.described.lock().get(metric.name), Some(&(metric.kind, Some(metric.unit), meaning)));
        let series = listener.series.lock();
        let series: Vec<_> = series.iter().filter(|(_, key, _)| key.name() == metric.name).collect();
        assert!(!series.is_empty(), "{} is not published", metric.name);
        for (kind, key, _) in series {
            let labels: Vec<_> = key.labels().map(::metrics::Label::key).collect();
            assert_eq!((*kind, &*labels), (metric.kind, metric.labels), "{}", print(key));
        }
    }
    assert_eq!(listener.described.lock().len(), ALL.len());
    let names: BTreeSet<_> = listener.series.lock().iter().map(|(_, key, _)| key.name().to_owned()).collect();
    assert_eq!(names.len(), ALL.len(), "nothing else is published");
}

#[tokio::test]
async fn a_series_is_published_once_and_with_its_figure() {
    let listener = published().await;
    let mut series: Vec<_> = listener.series.lock().iter().map(|(_, key, _)| print(key)).collect();
    let all = series.len();
    series.sort();
    series.dedup();
    assert_eq!(series.len(), all);
    for (series, value) in [
        ("reelcache_requests_total{cache=\"songs\",result=\"tier_hit\"}", 2.0),
        ("reelcache_requests_total{cache=\"songs\",result=\"miss\"}", 1.0),
        ("reelcache_requests_total{cache=\"songs\",result=\"joined\"}", 1.0),
        ("reelcache_loads_total{cache=\"songs\"}", 1.0),
        ("reelcache_load_duration_seconds{cache=\"songs\",result=\"timed_out\"}", 1.5),
        ("reelcache_tier_reads_total{stack=\"media\",tier=\"near\",result=\"hit\"}", 2.0),
        ("reelcache_entries{stack=\"media\",tier=\"far\"}", 1.0),
        ("reelcache_capacity_bytes{stack=\"media\",tier=\"near\"}", 1_048_576.0),
        ("reelcache_tier_up{stack=\"media\",tier=\"far\"}", 1.0),
    ] {
        assert_eq!(listener.value(series), Some(value), "{series}");
    }
}

#[tokio::test]
async fn with_nobody_listening_nothing_happens() {
    let cache = Cache::<String>::builder("songs").backend(MemBackend::new(1 << 20)).build().unwrap();
    describe();
    publish_cache(&cache.stats());
    load_ended("songs", LoadEnd::Loaded, Duration::ZERO);
}
