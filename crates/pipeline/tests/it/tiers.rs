//! Memory over files: where artifacts come from in the next process, and after that.

use std::path::Path;
use std::time::Duration;

use cache_core::Backend;
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use pipeline::{ArtifactCache, ArtifactOptions};

use super::support::{Home, origins, process};

async fn open(dir: &Path) -> (Tiered, ArtifactCache) {
    with_capacity(dir, 1 << 30).await
}

async fn with_capacity(dir: &Path, capacity: u64) -> (Tiered, ArtifactCache) {
    let file = FileBackend::open(FileConfig::new(dir).capacity(capacity)).await.expect("a file tier");
    let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).tier(file).build().expect("tiers");
    let cache = ArtifactCache::new(tiers.clone(), ArtifactOptions::default()).expect("a cache");
    (tiers, cache)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_is_answered_from_files_then_from_memory() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 4);
    let dir = home.path("cache");
    let (tiers, cache) = open(&dir).await;
    let cold = process(&home, &cache, &clip).await;
    assert_eq!(origins(&cold)[1..3], ["loaded"; 2]);
    cache.close().await.unwrap();
    tiers.close().await.unwrap();

    let (tiers, cache) = open(&dir).await;
    let warm = process(&home, &cache, &clip).await;
    assert_eq!(origins(&warm)[1..], ["file"; 3]);
    assert_eq!(warm.keyframes, cold.keyframes);
    tiers.settle(Duration::from_secs(30)).await.unwrap();
    assert_eq!(origins(&process(&home, &cache, &clip).await)[1..], ["memory"; 3]);
    cache.close().await.unwrap();
    tiers.close().await.unwrap();
}
