//! The `reelcache` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// What is made for a request on one thread is freed on another: the allocator of glibc takes locks for that, which was an
/// eighth of a cached answer's time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    gateway::run()
}
