//! What needs a real server.

mod backplane;
mod conformance;
mod crowds;
mod failover;
mod fleet;
mod leases;
mod load;
mod lost_replies;
mod many_keys;
mod older;
mod opening;
mod outages;
mod support;
mod under_load;
mod values;
