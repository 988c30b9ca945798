//! Tests of providers, their links and songs over tiers that count and fail.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod batches;
mod cached;
mod checks;
mod crowd;
mod hosts;
mod http;
mod kit;
mod link_checks;
mod real;
mod registry;
mod reports;
mod sites;
mod songs;
mod tables;
mod upstream;
mod validity;
mod warming;
