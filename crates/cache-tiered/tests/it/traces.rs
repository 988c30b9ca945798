//! What a subscriber of `tracing` sees of a load.

use std::fmt;
use std::sync::Arc;

use cache_core::Error;
use cache_testkit::eventually;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::kit::{Bed, LONG, key};

/// Writes down the names and fields of spans.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Visit for Notes {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.lock().push(format!("{field}={value:?}"));
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("cache_tiered")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.lock().push(span.metadata().name().to_owned());
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Set in a process of its own: what other tests of one process do decides which spans there are.
const ALONE: &str = "REELCACHE_TRACES_ALONE";

#[test]
fn a_load_and_the_calls_of_the_tiers_are_spans_with_cache_tier_and_outcome() {
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(look());
    }
    let name = "traces::a_load_and_the_calls_of_the_tiers_are_spans_with_cache_tier_and_outcome";
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    let run = alone.args(["--exact", name]).env(ALONE, "1").output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

async fn look() {
    let notes = Notes::default();
    let _guard = tracing::subscriber::set_default(notes.clone());
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    cache.get_or_load(&key("a"), |_| async { Ok::<_, Error>("made".to_owned()) }).await.unwrap();
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
    let seen = notes.0.lock().join(" ");
    for part in [
        "flight cache=strings key=a",
        "outcome=\"loaded\"",
        "tier tier=near",
        "operation=\"get\"",
        "outcome=\"answered\"",
        "outcome=\"miss\"",
    ] {
        assert!(seen.contains(part), "{part} is not in: {seen}");
    }
}
