//! The tests of the SQLite tier.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod budget;
mod conformance;
mod damage;
mod faults;
mod flips;
mod model;
mod process;
mod sharing;
mod support;
