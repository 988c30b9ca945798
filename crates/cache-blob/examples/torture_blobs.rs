//! The model-based test of blobs at length: `cargo run --release -p cache-blob --example torture_blobs -- [CASES] [SEED]`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test at length")]

#[path = "../tests/it/model.rs"]
mod model;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/origin.rs"]
mod origin;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/support.rs"]
mod support;

use std::io::Write;
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let mut number = |or: u64| numbers.next().and_then(Result::ok).unwrap_or(or);
    let (cases, seed) = (number(5_000), number(1));
    let start = Instant::now();
    model::run(u32::try_from(cases).unwrap_or(u32::MAX), seed);
    let took = start.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{cases} cases of seed {seed}: every read equals the reference ({took:.1} s)")
}
