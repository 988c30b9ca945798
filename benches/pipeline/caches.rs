//! `Opened`: a cache of artifacts over one tier.

use std::path::Path;

use cache_core::Backend;
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use pipeline::{ArtifactCache, ArtifactOptions};

/// Room for everything that is measured.
const CAPACITY: u64 = 16 << 30;

/// A cache of artifacts, and its tiers.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) cache: ArtifactCache,
    pub(crate) tiers: Tiered,
}

impl Opened {
    /// In memory alone.
    pub(crate) fn in_memory(options: ArtifactOptions) -> Self {
        Self::over(Tiered::builder().tier(MemBackend::new(CAPACITY)).build().expect("tiers"), options)
    }

    /// In files in `dir` alone.
    pub(crate) async fn in_files(dir: &Path, options: ArtifactOptions) -> Self {
        Self::over(Tiered::builder().tier(files(dir).await).build().expect("tiers"), options)
    }

    /// In files in `dir`, with `memory` bytes of memory above them.
    pub(crate) async fn in_both(dir: &Path, memory: u64, options: ArtifactOptions) -> Self {
        let tiers = Tiered::builder().tier(MemBackend::new(memory)).tier(files(dir).await).build();
        Self::over(tiers.expect("tiers"), options)
    }

    fn over(tiers: Tiered, options: ArtifactOptions) -> Self {
        let cache = ArtifactCache::new(tiers.clone(), options).expect("a cache of artifacts");
        Self { cache, tiers }
    }

    pub(crate) async fn close(self) {
        self.cache.close().await.expect("an end in order");
        self.tiers.close().await.expect("an end in order");
    }
}

async fn files(dir: &Path) -> FileBackend {
    FileBackend::open(FileConfig::new(dir).capacity(CAPACITY)).await.expect("an open directory")
}
