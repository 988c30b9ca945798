//! What needs a real server.

mod conformance;
