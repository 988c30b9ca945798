//! What needs a real server.

mod backplane;
mod conformance;
mod crowds;
mod failover;
mod fleet;
mod leases;
mod opening;
mod outages;
mod support;
mod values;
