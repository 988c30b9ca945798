//! The file tier beside other caches on disk: gets and puts, opening, memory, and puts into a full directory.
//!
//! Every contender has a directory of its own on the same file system. Bodies are read from the page cache. Slices are
//! short and every contender has one in each round, in rotated order.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nothing to say")]

mod capacity;
mod contenders;
mod opening;
mod speed;

use std::process::ExitCode;

use benches::options::{self, Options};
use benches::report::Report;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    opening::child().unwrap_or_else(|| options::run(measured))
}

fn measured(options: &Options) -> Result<(), String> {
    let mut report = Report::new("file", options.folder.clone());
    speed::gets(options.effort, &mut report);
    speed::puts(options.effort, &mut report);
    speed::puts_with_power(options.effort, &mut report);
    opening::measured(options.effort, &mut report)?;
    capacity::measured(options.effort, &mut report);
    report.finish().map_err(|error| format!("writing the report: {error}"))
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Bytes that do not compress.
fn bytes_of(len: usize, seed: u64) -> bytes::Bytes {
    let mut random = benches::random::Random::new(seed);
    (0..len.div_ceil(4)).flat_map(|_| (random.below(1 << 32) as u32).to_le_bytes()).take(len).collect()
}
