//! The tests of the object store tier.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

mod addresses;
mod conformance;
mod fake;
mod faults;
mod options;
mod races;
mod real;
mod s3s;
mod sweeps;
mod tls;
