//! Prints what keys and cached links cost, side by side with a bare hit of the near tier.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cache_core::{Key, Result};
use cache_mem::MemBackend;
use cache_tiered::{Cache, Load, Tiered};
use providers::{CachedProvider, Canonical, Link, LinkKind, LinkRequest, Links, Provider, SearchPage, SearchQuery};

/// Rounds, of which the median counts.
const ROUNDS: usize = 501;
/// Calls of one round: so few that most rounds are not interrupted on a busy machine.
const CALLS: u32 = 500;

#[derive(Debug)]
struct Example;

#[async_trait]
impl Provider for Example {
    #[expect(clippy::unnecessary_literal_bound, reason = "the trait wants it so")]
    fn name(&self) -> &str {
        "example"
    }

    async fn search(&self, _query: &SearchQuery) -> Result<SearchPage> {
        Ok(SearchPage::default())
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        Ok(Links::of([Link::new(request.url(), LinkKind::Video)]))
    }
}

const ADDRESSES: [(&str, &str); 4] = [
    ("youtube", "https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=PL0123456789&utm_source=feed"),
    ("archive", "https://archive.org/details/demo-moon-1969"),
    ("page", "https://example.org/videos/2026/moon-landing?b=2&a=1&utm_source=feed#top"),
    ("magnet", "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&dn=a"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).build()?;
    let provider = CachedProvider::builder(Example).tiers(tiers.clone()).build()?;
    let bare = Cache::<Links>::builder("bare").tiers(tiers).build()?;
    for (name, url) in ADDRESSES {
        let request = LinkRequest::new(url)?;
        provider.get(&request).await?;
        let key = Key::of("example").part("").part(request.canonical()).build()?;
        let load = |_: Load| async { Ok::<_, std::io::Error>(Links::default()) };
        bare.get_or_load(&key, load).await?;

        let mut spans = [const { Vec::new() }; 5];
        for _ in 0..ROUNDS {
            spans[0].push(timed(|| drop(black_box(Canonical::of(black_box(url))))));
            spans[1].push(timed(|| drop(black_box(request_with_key(black_box(url), &provider)))));
            spans[2].push(timed_async(async || drop(black_box(bare.get_or_load(&key, load).await))).await);
            spans[3].push(timed_async(async || drop(black_box(provider.get(&request).await))).await);
            let fresh = async || match LinkRequest::new(black_box(url)) {
                Ok(request) => drop(black_box(provider.get(&request).await)),
                Err(error) => drop(error),
            };
            spans[4].push(timed_async(fresh).await);
        }
        let [canonical, keyed, bare, kept, anew] = spans.map(median);
        println!(
            "{name:>8}: canonical {canonical:.0} ns, with key {keyed:.0} ns; bare hit {bare:.0} ns, links of a request that \
             is kept {kept:.0} ns ({:.2} x), of one made anew {anew:.0} ns ({:.2} x a bare hit with its key)",
            kept / bare,
            anew / (bare + keyed),
        );
    }
    provider.close().await?;
    bare.close().await
}

/// Makes a request and its key.
fn request_with_key(url: &str, provider: &CachedProvider<Example>) -> Result<Key> {
    provider.key(&LinkRequest::new(url)?)
}

fn timed(mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..CALLS).for_each(|_| call());
    per_call(began.elapsed())
}

async fn timed_async(mut call: impl AsyncFnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        call().await;
    }
    per_call(began.elapsed())
}

fn per_call(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut spans: Vec<f64>) -> f64 {
    spans.sort_by(f64::total_cmp);
    spans[spans.len() / 2]
}
