//! The `reelcache` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::run()
}
