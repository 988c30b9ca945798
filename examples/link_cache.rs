//! A cache of links in thirty lines: a page is asked for once, until its links end.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use async_trait::async_trait;
use cache_core::{Clock, HOUR, Result, SystemClock};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use providers::{CachedProvider, Link, LinkKind, LinkRequest, Links, Provider, SearchPage, SearchQuery, Validity};

#[derive(Debug)]
struct Films;

#[async_trait]
impl Provider for Films {
    fn name(&self) -> &'static str {
        "films"
    }
    async fn search(&self, _query: &SearchQuery) -> Result<SearchPage> {
        Ok(SearchPage::default())
    }
    async fn links(&self, page: &LinkRequest) -> Result<Links> {
        let now = SystemClock::new().now();
        let (film, _) = page.url().split_once('?').unwrap_or((page.url(), ""));
        let link = Link::new(format!("{}.mp4", film.to_lowercase()), LinkKind::Video);
        Ok(Links::of([link.with_validity(Validity::ending(now.after(HOUR), now))]))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tiers = Tiered::builder().tier(MemBackend::new(16 << 20)).build()?;
    let films = CachedProvider::builder(Films).tiers(tiers).build()?;
    for page in ["https://films.example/moon?utm_source=feed", "https://FILMS.example/moon"] {
        let answer = films.get(&LinkRequest::new(page)?).await?;
        println!("{answer}: {}", answer.value.links[0].url);
    }
    films.close().await
}
