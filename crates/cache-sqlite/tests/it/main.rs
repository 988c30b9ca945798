//! The tests of the SQLite tier.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

mod budget;
mod conformance;
mod damage;
mod faults;
mod flips;
mod model;
mod process;
mod sharing;
mod support;
