//! `Bot`: what a bot does, whatever it talks through.

use std::path::Path;
use std::time::Duration;

use cache_core::{Backend, Result};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::{Tiered, Warmer, Warming};
use providers::{LinkRequest, SongCache, SongResolver};

/// Songs that are brought up to date at the start.
const AT_START: usize = 20;

/// What a bot does. Each answer is a text for whoever asked.
pub(crate) struct Bot<R> {
    songs: SongCache<R>,
    tiers: Tiered,
    /// Of what was popular before it was started; dropped, it ends.
    warming: Warming,
}

impl<R: SongResolver> Bot<R> {
    /// A bot that keeps its songs in memory and in `folder`. What was popular before it was started is brought up to date
    /// behind what it does.
    pub(crate) async fn open(resolver: R, folder: &Path) -> Result<Self> {
        let file = FileBackend::open(FileConfig::new(folder).capacity(1 << 30)).await?;
        let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).tier(file).build()?;
        let songs = SongCache::builder(resolver).tiers(tiers.clone()).build()?;
        songs.restore().await;
        let warming = songs.warm(&warmer(), AT_START)?;
        Ok(Self { songs, tiers, warming })
    }

    /// Plays the songs of `pages`: what a voice channel would be given is the stream and its headers.
    pub(crate) async fn play(&self, pages: &[&str]) -> String {
        let requests: Vec<Result<LinkRequest>> = pages.iter().map(|page| LinkRequest::new(*page)).collect();
        let good: Vec<LinkRequest> = requests.iter().flatten().cloned().collect();
        let mut songs = self.songs.get_many(&good).await.into_iter();
        let said = requests.into_iter().filter_map(|request| match request.map(|_| songs.next()) {
            Err(error) | Ok(Some(Err(error))) => Some(format!("cannot play that: {error}")),
            Ok(Some(Ok((song, was_cached)))) => {
                let how = if was_cached { "cached" } else { "resolved" };
                let seconds = song.duration.unwrap_or_default().as_secs();
                Some(format!("playing {} ({seconds} s, {how}): {}", song.title, song.stream_url()))
            }
            Ok(None) => None,
        });
        said.collect::<Vec<_>>().join("\n")
    }

    /// The figures of the cache, and what is popular.
    pub(crate) fn cache(&self) -> String {
        let stats = self.songs.stats();
        let saved = stats.cache.seconds_saved;
        let figures = format!("{} hits, {} resolved, {saved:.1} s saved", stats.hits, stats.resolved);
        let popular = self.songs.popular(5).into_iter().map(|(page, score)| format!("{score:4.1} {}", page.url()));
        [figures].into_iter().chain(popular).collect::<Vec<_>>().join("\n")
    }

    /// Brings the `n` most popular songs up to date.
    pub(crate) async fn warm_cache(&self, n: usize) -> Result<String> {
        let report = self.songs.warm(&warmer(), n)?.report().await;
        Ok(format!("{} refreshed, {} fresh, {} failed", report.refreshed, report.skipped, report.failed))
    }

    /// Drops what has expired.
    pub(crate) async fn clean_cache(&self) -> Result<String> {
        let swept = self.songs.remove_expired().await?;
        Ok(format!("{} expired removed", swept.expired))
    }

    /// Drops everything.
    pub(crate) async fn clear_cache(&self) -> Result<String> {
        // It would bring back what was popular.
        self.warming.cancel();
        let (songs, _) = self.songs.clear().await?;
        Ok(format!("{} entries cleared in all tiers", songs.entries()))
    }

    /// Ends it. What is popular is kept for the next time.
    pub(crate) async fn close(self) -> Result<()> {
        self.songs.save().await?;
        self.songs.close().await?;
        self.tiers.close().await
    }
}

/// So many songs a second that their sites do not mind.
fn warmer() -> Warmer {
    Warmer::new().rate(5, Duration::from_secs(1)).at_once(2)
}
