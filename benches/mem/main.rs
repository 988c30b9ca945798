//! The memory tier beside its peers: throughput by workload, skew and threads, and the latency of single calls.
//!
//! All caches live in one process. Slices are short and every cache has one in each round, in rotated order: what else
//! the machine does hits all alike, so ratios are steadier than figures.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nothing to say")]

mod arena;
#[expect(dead_code, reason = "the heap is measured elsewhere")]
mod contenders;
mod latency;
mod throughput;

use std::process::ExitCode;

use arena::Runner;
use benches::options::{self, Options};
use benches::report::Report;
use cache_core::PolicyKind;
use contenders::{Contender, Foyer, Key, LIMIT, Limit, Value};

/// Reelcache's place among the contenders, and that of the map that never evicts.
const OURS: usize = 0;

fn main() -> ExitCode {
    options::run(measured)
}

fn measured(options: &Options) -> Result<(), String> {
    let policy = match &options.policy {
        Some(name) => name.parse().map_err(|error| format!("{error}"))?,
        None => PolicyKind::default(),
    };
    let mut report = Report::new("mem", options.folder.clone());
    let told = |error| format!("writing the report: {error}");
    throughput::measure(&mut report, options.effort, policy).map_err(told)?;
    latency::measure(&mut report, options.effort, policy);
    report.finish().map_err(told)
}

/// Caches with room for `entries`: ours first, the limit last.
fn contenders(entries: usize, policy: PolicyKind) -> Vec<(&'static str, Box<dyn Runner>)> {
    vec![
        ("Reelcache", Box::new(contenders::reelcache(entries, policy))),
        ("moka", Box::new(<moka::sync::Cache<Key, Value> as Contender>::new(entries))),
        ("mini-moka", Box::new(<mini_moka::sync::Cache<Key, Value> as Contender>::new(entries))),
        ("quick_cache", Box::new(<quick_cache::sync::Cache<Key, Value> as Contender>::new(entries))),
        ("foyer", Box::new(Foyer::new(entries))),
        ("TinyUFO", Box::new(<tinyufo::TinyUfo<Key, Value> as Contender>::new(entries))),
        (LIMIT, Box::new(Limit::new(entries))),
    ]
}

/// `count` keys of 60 bytes that differ in the middle, as keys of one cache do.
fn keys(count: usize) -> Vec<Key> {
    (0..count).map(|number| format!("video:a3f4b2c1d5e6f7:keyframes:id={number:0>10}:max_frames=3000")).collect()
}

/// `count` values of 64 bytes.
fn values(count: usize) -> Vec<Value> {
    (0..count).map(|number| Value::from([number as u8; 64])).collect()
}
