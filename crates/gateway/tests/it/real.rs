//! Stacks over real servers: those that the variables `REELCACHE_TEST_...` name.

mod chain;
mod interface;
mod outages;
mod stacks;

use std::env;

use cache_core::{Clock, SystemClock};

const ADVICE: &str = "tests over several servers need shared ones: `cargo xtask test`, or\n\
    `cargo run -p cache-testkit --example shared_servers -- cargo test -p gateway`";

/// A URL of the shared Redis, with a prefix of its own.
fn redis() -> String {
    format!("{}?prefix={}:", shared("REELCACHE_TEST_REDIS"), unique())
}

/// A URL in the bucket of the shared object store, with a prefix of its own.
fn s3() -> String {
    let url = shared("REELCACHE_TEST_S3");
    let (place, options) = url.split_once('?').expect("options");
    format!("{}/{}?{options}", place.trim_end_matches('/'), unique())
}

fn shared(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: {ADVICE}"))
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("gateway-{}-{}-{number}", std::process::id(), SystemClock::new().now().as_millis())
}
