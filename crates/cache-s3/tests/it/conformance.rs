//! The contract, on every kind of store that runs in process.

use std::time::Duration;

use cache_s3::{ObjectBackend, ObjectConfig};
use cache_testkit::{Fixture, conformance};

use crate::s3s::S3s;

conformance!(memory, |bench| async move {
    let config = ObjectConfig::parse("memory:///media")?.clock(bench.clock);
    Ok(Fixture::new(ObjectBackend::open(config).await?))
});

conformance!(local, |bench| async move {
    let dir = tempfile::tempdir().unwrap();
    let config = ObjectConfig::parse(&format!("file://{}/cache", dir.path().display()))?.clock(bench.clock);
    Ok(Fixture::new(ObjectBackend::open(config).await?).keep(dir))
});

conformance!(s3s, |bench| async move {
    let server = S3s::start().await;
    // Bodies of 64 MiB take such a server long, and add nothing here.
    let config = ObjectConfig::parse(&server.url("media"))?.clock(bench.clock).max_body(8 << 20);
    // The usual limit is not what is looked at, and a machine that builds and tests at once may stand still for as long.
    let config = config.timeout(Duration::from_mins(1));
    Ok(Fixture::new(ObjectBackend::open(config).await?).keep(server))
});
