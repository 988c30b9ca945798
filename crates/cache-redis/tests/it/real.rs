//! What needs a real server.

mod backplane;
mod conformance;
mod failover;
mod fleet;
mod leases;
mod older;
mod opening;
mod outages;
mod support;
mod values;
