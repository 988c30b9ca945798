//! The tests of the object store tier.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod addresses;
mod conformance;
mod fake;
mod faults;
mod races;
mod real;
mod s3s;
mod sweeps;
