//! The tests of the file tier.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod budget;
mod conformance;
mod damage;
mod faults;
mod faulty_fs;
mod index_damage;
mod persistence;
mod process;
mod races;
mod support;
