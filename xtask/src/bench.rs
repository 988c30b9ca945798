//! `cargo xtask bench`: the benchmarks.

use crate::failure::Failure;
use crate::{process, workspace};

/// Runs the benchmarks; `args` reach cargo, and what follows `--` the benchmarks themselves.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    process::run(workspace::cargo(&["bench", "-p", "benches"]).args(args))
}
