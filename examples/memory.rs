//! A typed, synchronous cache in memory.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::sync::Arc;

use cache_mem::MemCache;

fn main() {
    let cache: MemCache<String, Arc<str>> = MemCache::builder().entries(1_000).build();
    let _ = cache.insert("clip.mp4".to_owned(), Arc::from("a description"));
    println!("{:?}", cache.get("clip.mp4"));
    println!("{:?}", cache.get("other.mp4"));
}
