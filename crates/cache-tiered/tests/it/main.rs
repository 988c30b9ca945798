//! Integration tests of cache-tiered.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod ahead;
mod batches;
mod behaviour;
mod classes;
mod codec;
mod conformance;
mod doubt;
mod doubt_order;
mod drops;
mod fences;
mod fleet;
mod fleet_refresh;
mod freshness;
mod freshness_table;
mod invalidation;
mod jobs;
mod kit;
mod kit_fleet;
mod kit_pair;
mod linear;
mod loads;
mod marks;
mod newest;
mod news;
mod overload;
mod policies;
mod popularity;
mod promotion;
mod races;
mod rash;
mod reads;
mod recovery;
mod refresh;
mod routing;
mod shared;
mod standby;
mod stores;
mod sweeper;
mod tier_races;
mod traces;
mod warmer;
mod writes;
