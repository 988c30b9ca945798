//! `Metered`: every call is counted once under the result that its caller saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Backend, Clock, ErrorKind, KeyPrefix, MINUTE, ttl};
use cache_layers::Metered;
use cache_testkit::{Fault, Faulty, NaiveModel, Operation, Plan, entry};
use futures_util::{FutureExt, StreamExt};
use metrics::{Counter, CounterFn, Gauge, Histogram, HistogramFn, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;

use crate::kit::{self, faulty, key, millis};

/// Keeps every value by the metric's name and labels.
#[derive(Debug, Default)]
struct Book {
    counts: Mutex<BTreeMap<String, Arc<Count>>>,
    spans: Mutex<BTreeMap<String, Arc<Spans>>>,
    registered: AtomicU64,
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

#[derive(Debug, Default)]
struct Spans(Mutex<Vec<f64>>);

impl CounterFn for Count {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn absolute(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }
}

impl HistogramFn for Spans {
    fn record(&self, span: f64) {
        self.0.lock().push(span);
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &Metadata<'_>) -> Counter {
        self.registered.fetch_add(1, Ordering::Relaxed);
        Counter::from_arc(self.counts.lock().entry(name(key)).or_default().clone())
    }

    fn register_gauge(&self, _: &metrics::Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &metrics::Key, _: &Metadata<'_>) -> Histogram {
        self.registered.fetch_add(1, Ordering::Relaxed);
        Histogram::from_arc(self.spans.lock().entry(name(key)).or_default().clone())
    }
}

fn name(key: &metrics::Key) -> String {
    let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Book {
    /// What was counted above zero, the requests without their common part.
    fn counted(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.lock();
        let counts = counts.iter().map(|(name, count)| (name, count.0.load(Ordering::Relaxed)));
        let short = |name: &str| name.replace("reelcache_calls_total{backend=naive,", "{").replace("reelcache_", "");
        counts.filter(|(_, count)| *count > 0).map(|(name, count)| (short(name), count)).collect()
    }
}

type Inner = Arc<Faulty<NaiveModel>>;

fn metered() -> (Book, Inner, Metered<Inner>) {
    let (book, inner) = (Book::default(), faulty());
    let layer = metrics::with_local_recorder(&book, || Metered::new(inner.clone()).clock(kit::clock()));
    (book, inner, layer)
}

fn expected<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[tokio::test(start_paused = true)]
async fn reads_and_writes_are_counted_by_their_result() {
    let (book, _, layer) = metered();
    let (a, b) = (key("a"), key("b"));
    layer.put(&a, entry(1, "four")).await.unwrap();
    let mut stale = entry(1, "stale");
    stale.meta.created = cache_core::Timestamp::EPOCH;
    stale.meta = stale.meta.with_lifetime(ttl(MINUTE).stale(MINUTE));
    stale.meta.stale_until = kit::clock().now().after(MINUTE);
    let puts = layer.put_many(vec![(b.clone(), stale), (key("c"), entry(1, "c"))]).await;
    assert!(puts.iter().all(Result::is_ok));
    layer.get(&a).await.unwrap();
    layer.get(&b).await.unwrap();
    layer.get(&key("none")).await.unwrap();
    layer.get_many(&[a.clone(), b.clone(), key("none")]).await;
    layer.stat(&a).await.unwrap();
    assert!(layer.remove(&a).await.unwrap());
    assert!(!layer.remove(&a).await.unwrap());
    assert_eq!(layer.scan(&KeyPrefix::all()).count().await, 2);
    layer.usage().await.unwrap();
    layer.close().await.unwrap();
    assert_eq!(
        book.counted(),
        expected([
            ("{op=put,result=ok}", 1),
            ("{op=put_many,result=ok}", 2),
            ("{op=get,result=hit}", 1),
            ("{op=get,result=stale}", 1),
            ("{op=get,result=miss}", 1),
            ("{op=get_many,result=hit}", 1),
            ("{op=get_many,result=stale}", 1),
            ("{op=get_many,result=miss}", 1),
            ("{op=stat,result=hit}", 1),
            ("{op=remove,result=hit}", 1),
            ("{op=remove,result=miss}", 1),
            ("{op=scan,result=ok}", 1),
            ("{op=usage,result=ok}", 1),
            ("{op=close,result=ok}", 1),
            ("bytes_read_total{backend=naive}", 18),
            ("bytes_written_total{backend=naive}", 10),
        ])
    );
}

#[tokio::test]
async fn failures_are_counted_by_their_kind_and_move_no_bytes() {
    let (book, inner, layer) = metered();
    let kinds = [
        (ErrorKind::Corrupt, "{op=put,result=corrupt}"),
        (ErrorKind::Unavailable, "{op=put,result=unavailable}"),
        (ErrorKind::Timeout, "{op=put,result=timeout}"),
        (ErrorKind::TooLarge, "{op=put,result=too_large}"),
        (ErrorKind::BreakerOpen, "{op=put,result=breaker_open}"),
        (ErrorKind::Internal, "{op=put,result=error}"),
    ];
    for (kind, _) in kinds {
        inner.set_plan(Plan::new().all(Fault::Fail(kind)));
        layer.put(&key("a"), entry(1, "x")).await.unwrap_err();
    }
    assert_eq!(book.counted(), expected(kinds.map(|(_, name)| (name, 1))));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_cancelled_and_a_scan_that_is_left_early_is_not() {
    let (book, inner, layer) = metered();
    for name in ["a", "b"] {
        inner.put(&key(name), entry(1, "x")).await.unwrap();
    }
    assert!(layer.scan(&KeyPrefix::all()).next().await.is_some());
    drop(layer.scan(&KeyPrefix::all()));
    inner.set_plan(Plan::new().all(Fault::Hang));
    assert!(layer.get(&key("a")).now_or_never().is_none());
    assert!(layer.scan(&KeyPrefix::all()).next().now_or_never().is_none());
    let counted = [("{op=scan,result=ok}", 1), ("{op=get,result=cancelled}", 1), ("{op=scan,result=cancelled}", 1)];
    assert_eq!(book.counted(), expected(counted));
}

#[tokio::test(start_paused = true)]
async fn durations_are_those_of_the_calls() {
    let (book, inner, layer) = metered();
    inner.set_plan(Plan::new().each(Operation::Get, Fault::Delay(millis(250))));
    layer.get(&key("a")).await.unwrap();
    let spans = book.spans.lock()["reelcache_op_duration_seconds{backend=naive,op=get}"].0.lock().clone();
    assert_eq!(spans, [0.25]);
}

#[tokio::test]
async fn calls_register_nothing() {
    let (book, _, layer) = metered();
    let registered = book.registered.load(Ordering::Relaxed);
    for name in ["a", "b", "c"] {
        layer.put(&key(name), entry(1, "x")).await.unwrap();
        layer.get(&key(name)).await.unwrap();
    }
    assert_eq!(book.registered.load(Ordering::Relaxed), registered);
    assert!(book.counts.lock().keys().chain(book.spans.lock().keys()).all(|name| name.contains("backend=naive")));
}

#[test]
fn the_page_of_the_docs_names_every_metric_and_every_value_of_its_labels() {
    let page = include_str!("../../../../docs/metrics.md");
    let (_, part) = page.split_once("## Calls of single backends").unwrap();
    let (book, _, _layer) = metered();
    let (counts, spans) = (book.counts.lock(), book.spans.lock());
    let mut names = BTreeSet::new();
    for series in counts.keys().chain(spans.keys()) {
        let (metric, labels) = series.strip_suffix('}').unwrap().split_once('{').unwrap();
        names.insert(metric);
        for (label, value) in labels.split(',').map(|label| label.split_once('=').unwrap()) {
            names.insert(label);
            names.extend((label != "backend").then_some(value));
        }
    }
    assert!(names.len() > 25, "{names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !part.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0]);
}
