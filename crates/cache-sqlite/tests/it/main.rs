//! The tests of the SQLite tier.

mod conformance;
