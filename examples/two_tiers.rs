//! Memory over file: what one process stores, the next one finds.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::time::Duration;

use cache_core::{Backend, Entry, Error, HOUR, Key, Meta, ttl};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::Tiered;

async fn open(dir: &std::path::Path) -> Result<Tiered, Error> {
    let file = FileBackend::open(FileConfig::new(dir).capacity(1 << 30)).await?;
    Tiered::builder().tier(MemBackend::new(64 << 20)).tier(file).build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let key = Key::of("poster").part("tt0133093").build()?;

    let tiers = open(dir.path()).await?;
    let meta = Meta::new(tiers.stamps().tick(), tiers.clock().now()).with_lifetime(ttl(2 * HOUR));
    tiers.put(&key, Entry::new(meta, vec![0; 100_000])).await?;
    tiers.close().await?;

    let tiers = open(dir.path()).await?;
    for _ in 0..2 {
        println!("{:?}", tiers.lookup(&key).await.outcomes);
        tiers.settle(Duration::from_secs(5)).await?;
    }
    tiers.close().await?;
    Ok(())
}
