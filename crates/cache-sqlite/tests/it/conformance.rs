//! The contract, on a file.

use cache_sqlite::{SqliteBackend, SqliteConfig};
use cache_testkit::{Fixture, conformance};

conformance!(sqlite, |bench| async move {
    let dir = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(dir.path().join("cache.db")).clock(bench.clock);
    let config = config.capacity(bench.limits.weight).entries(bench.limits.entries);
    Ok(Fixture::new(SqliteBackend::open(config).await?).keep(dir))
});
