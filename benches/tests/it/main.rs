//! Tests of what the benchmarks share.

mod chance;
mod command_line;
mod optimum;
mod policies;
mod report;
mod traces;
