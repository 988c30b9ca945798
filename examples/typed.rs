//! Typed read-through: the loader runs once, however many callers ask.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::time::Duration;

use cache_core::{DAY, HOUR, Key, ttl};
use cache_mem::MemBackend;
use cache_tiered::{Cache, Tiered};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Song {
    title: String,
    seconds: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).build()?;
    let songs = Cache::<Song>::builder("songs").lifetime(ttl(2 * HOUR).stale(DAY)).near(10_000).tiers(tiers).build()?;
    let key = Key::of("song").part("https://example.org/watch?v=1").build()?;

    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (songs, key) = (songs.clone(), key.clone());
            tokio::spawn(async move {
                songs
                    .get_or_load(&key, |_load| async {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        Ok::<_, std::io::Error>(Song { title: "Harbour".to_owned(), seconds: 215 })
                    })
                    .await
            })
        })
        .collect();
    for caller in callers {
        let hit = caller.await??;
        println!("{:?} from {}", hit.value, hit.origin);
    }
    songs.close().await?;
    Ok(())
}
