//! A backend of one's own behind the memory tier: what it keeps, the next process finds.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

mod dir;

use std::convert::Infallible;
use std::sync::Arc;

use cache_core::{HOUR, Key, Result, SystemClock, ttl};
use cache_mem::MemBackend;
use cache_tiered::{Cache, Tiered};

use dir::DirBackend;

async fn ask(path: &std::path::Path) -> Result<()> {
    let dir = DirBackend::open(path, Arc::new(SystemClock::new()))?;
    let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).tier(dir).build()?;
    let titles = Cache::<String>::builder("titles").lifetime(ttl(2 * HOUR)).tiers(tiers).build()?;
    let key = Key::of("song").part("moon").build()?;
    for _ in 0..2 {
        let hit = titles.get_or_load(&key, |_| async { Ok::<_, Infallible>("Moonlight".to_owned()) }).await?;
        println!("{} from {}", hit.value, hit.origin);
    }
    titles.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = tempfile::tempdir()?;
    ask(path.path()).await?;
    ask(path.path()).await?;
    Ok(())
}
