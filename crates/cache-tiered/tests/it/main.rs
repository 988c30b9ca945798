//! Integration tests of cache-tiered.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod codec;
mod conformance;
mod freshness;
mod invalidation;
mod kit;
mod loads;
mod newest;
mod promotion;
mod rash;
mod reads;
mod stores;
mod writes;
