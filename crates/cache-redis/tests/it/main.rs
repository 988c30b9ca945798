//! The tests of the Redis tier.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

mod real;
mod servers;
