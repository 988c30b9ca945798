//! `SeaweedFS`: found in the environment, or started once for all tests of this process.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Error};

use cache_testkit::servers::SeaweedFs;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// Names a server with a bucket by an URL with all its options, for runs where each test is a process of its own.
const VARIABLE: &str = "REELCACHE_TEST_S3";

/// The server of this process. Nothing drops it: it ends with the process.
static STARTED: OnceCell<(SeaweedFs, tempfile::TempDir)> = OnceCell::const_new();

/// A URL below a prefix that nobody else uses.
pub(crate) async fn url() -> io::Result<String> {
    let base = match env::var(VARIABLE) {
        Ok(url) => url,
        Err(_) => STARTED.get_or_try_init(start).await?.0.url(),
    };
    let (place, options) = base.split_once('?').unwrap_or((&base, ""));
    let (place, run) = (place.trim_end_matches('/'), RandomState::new().hash_one(place));
    Ok(format!("{place}/{run:016x}?{options}"))
}

async fn start() -> io::Result<(SeaweedFs, tempfile::TempDir)> {
    let dir = tempfile::tempdir()?;
    let started = spawn_blocking(move || SeaweedFs::start(dir.path()).map(|server| (server, dir))).await;
    started.map_err(Error::other)?
}
