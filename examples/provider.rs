//! Three sites behind one cache: search is always fresh, links are kept by site and page, a dead link is told and replaced.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::Result;
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use providers::{
    CacheOptions, Link, LinkKind, LinkRequest, Links, Provider, Registry, SearchPage, SearchQuery, SearchResult,
};

/// A made-up site, which counts how often it is asked. A real one is asked with [`providers::http::Fetch`].
#[derive(Debug)]
struct Site {
    name: &'static str,
    asked: AtomicU32,
}

impl Site {
    const fn new(name: &'static str) -> Self {
        Self { name, asked: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Provider for Site {
    fn name(&self) -> &str {
        self.name
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        let url = format!("https://{}.example/{}", self.name, query.text);
        Ok(SearchPage::of([SearchResult::new(format!("{} at {}", query.text, self.name), url)]))
    }

    async fn links(&self, page: &LinkRequest) -> Result<Links> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Links::of([Link::new(format!("{}/{asked}.mp4", page.url()), LinkKind::Video)]))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tiers = Tiered::builder().tier(MemBackend::new(16 << 20)).build()?;
    // Reports of links that came a moment ago ask nobody again, unless they may.
    let options = CacheOptions::default().report_gap(Duration::ZERO);
    let mut sites = Registry::builder(tiers);
    for name in ["films", "clips", "talks"] {
        sites = sites.provider_with(Site::new(name), options.clone());
    }
    let sites = sites.build()?;

    for site in sites.providers() {
        let found = site.search(&SearchQuery::new("moon")).await?;
        let page = LinkRequest::new(&found.results[0].url)?;
        for _ in 0..2 {
            let answer = site.get(&page).await?;
            println!("{} {answer}: {}", site.name(), answer.value.links[0].url);
        }
    }
    let (films, page) = (sites.get("films")?, LinkRequest::new("https://films.example/moon")?);
    let dead = films.get(&page).await?.value.links[0].url.clone();
    println!("dead: {dead}, instead: {}", films.report_bad(&page, &dead).await?.value.links[0].url);
    sites.close().await
}
