//! What needs a real server.

mod conformance;
mod failover;
mod opening;
mod outages;
mod support;
mod values;
