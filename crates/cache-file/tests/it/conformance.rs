//! The contract, on a directory.

use cache_file::{FileBackend, FileConfig};
use cache_testkit::{Fixture, conformance};

conformance!(file, |bench| async move {
    let dir = tempfile::tempdir().unwrap();
    let config =
        FileConfig::new(dir.path()).clock(bench.clock).capacity(bench.limits.weight).entries(bench.limits.entries);
    Ok(Fixture::new(FileBackend::open(config).await?).keep(dir))
});
