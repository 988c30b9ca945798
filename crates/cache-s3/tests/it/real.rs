//! Tests against `SeaweedFS`, a real S3 server: that of `REELCACHE_TEST_S3`, or one of this process.

mod weed;

use cache_s3::{ObjectBackend, ObjectConfig};
use cache_testkit::{Fixture, conformance};

conformance!(seaweedfs, |bench| async move {
    let config = ObjectConfig::parse(&weed::url().await?)?.clock(bench.clock).max_body(8 << 20);
    Ok(Fixture::new(ObjectBackend::open(config).await?))
});
