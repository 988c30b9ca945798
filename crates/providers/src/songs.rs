//! `SongCache`: songs, each resolved once.

mod adapter;
mod builder;
mod pages;
mod playlist;
mod resolver;
mod song;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Error, ErrorKind, Result, Swept};
use cache_tiered::{CacheStats, Invalidation, Load, Popularity, PopularityStats, Warmer, Warming};
use futures_util::future::BoxFuture;
use serde::Serialize;

pub use adapter::ProviderSongs;
pub use builder::SongCacheBuilder;
pub use playlist::Playlist;
pub use resolver::SongResolver;
pub use song::Song;

use crate::reports::Reports;
use crate::request::Namespace;
use crate::store::{Batch, Store};
use crate::{Answer, CacheOptions, LinkRequest, Verdict, terms};
use pages::Pages;

/// Songs, each resolved once, for all who ask. Cloning shares it.
///
/// A song is kept for two hours unless the [options](CacheOptions) say otherwise, and never beyond the
/// [validity](crate::Validity) of its stream less its own duration, so that it can be played to its end. Songs and
/// playlists that say that they are [partial](crate::Extent::Partial) are kept shortly, failures not at all.
/// What it does as [`CachedProvider`](crate::CachedProvider), it does in the same way.
///
/// # Popularity
/// Each time that a song is asked for counts. [`warm`](Self::warm) brings the most popular ones up to date;
/// [`save`](Self::save) and [`restore`](Self::restore) carry what is popular over a restart. The songs themselves
/// outlive a restart if one of the tiers does.
///
/// ```
/// # use cache_core::Result;
/// # use cache_mem::MemBackend;
/// # use cache_tiered::Tiered;
/// # use providers::{Link, LinkKind, LinkRequest, Links, Provider, ProviderSongs, SearchPage, SearchQuery, SongCache};
/// # #[derive(Debug)]
/// # struct Example;
/// # #[async_trait::async_trait]
/// # impl Provider for Example {
/// #     fn name(&self) -> &str { "example" }
/// #     async fn search(&self, _query: &SearchQuery) -> Result<SearchPage> { Ok(SearchPage::default()) }
/// #     async fn links(&self, request: &LinkRequest) -> Result<Links> {
/// #         Ok(Links::of([Link::new(format!("{}.opus", request.url()), LinkKind::Audio)]))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let tiers = Tiered::builder().tier(MemBackend::new(16 << 20)).build()?;
/// let songs = SongCache::builder(ProviderSongs::new(Example)).tiers(tiers).build()?;
/// let page = LinkRequest::new("https://example.org/a-song")?;
///
/// let (song, was_cached) = songs.get(&page).await?;
/// assert_eq!((song.stream_url(), was_cached), ("https://example.org/a-song.opus", false));
/// assert!(songs.get(&page).await?.1);
/// # songs.close().await
/// # }
/// ```
pub struct SongCache<R>(Arc<Inner<R>>);

/// Figures of a cache of songs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SongStats {
    /// Songs that were there already, whoever asked how.
    pub hits: u64,
    /// Songs that were resolved, or are about to be.
    pub resolved: u64,
    /// Streams reported to be bad.
    pub reports: u64,
    /// Figures of the cache of songs. The seconds that it saved are what the songs once took to resolve.
    pub cache: CacheStats,
    /// Figures of the cache of playlists.
    pub playlists: CacheStats,
    /// How many songs are known to be popular.
    pub popularity: PopularityStats,
}

struct Inner<R> {
    resolver: R,
    namespace: Namespace,
    songs: Store<Song>,
    playlists: Store<Playlist>,
    options: CacheOptions,
    popularity: Popularity,
    pages: Pages,
    reports: Reports<Song>,
    reported: AtomicU64,
}

impl<R: SongResolver> SongCache<R> {
    /// Starts a cache of what `resolver` resolves.
    pub fn builder(resolver: R) -> SongCacheBuilder<R> {
        SongCacheBuilder::new(resolver)
    }

    /// The song of `page`, and whether it was there already.
    ///
    /// Cancelling it disturbs nobody else.
    ///
    /// # Errors
    /// Those of the resolver, as it gave them, with the key; those of
    /// [`Cache::get_or_load`](cache_tiered::Cache::get_or_load) otherwise.
    pub async fn get(&self, page: &LinkRequest) -> Result<(Arc<Song>, bool)> {
        let key = page.key_in(&self.0.namespace)?;
        let answer = self.0.songs.get(&key, self.loader(page)).await?;
        self.0.pages.note(&key, page);
        Ok(pair(answer))
    }

    /// The songs of all `pages`, one answer for each, in their order: what is there in one read of each tier, the rest
    /// resolved, as many at once as the [options](CacheOptions::at_once) say. One that fails leaves the others alone.
    pub async fn get_many(&self, pages: &[LinkRequest]) -> Vec<Result<(Arc<Song>, bool)>> {
        let inner = &self.0;
        let (provider, at_once) = (inner.resolver.name(), inner.options.at_once);
        let batch = Batch { provider, namespace: &inner.namespace, requests: pages, at_once };
        let answers = inner.songs.get_many(&batch, |page| self.loader(page)).await;
        for (page, _) in pages.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()) {
            // Without a key there is no answer.
            _ = page.key_in(&inner.namespace).map(|key| inner.pages.note(&key, page));
        }
        answers.into_iter().map(|answer| answer.map(pair)).collect()
    }

    /// What is in the playlist of `page`: identities, none of them resolved.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn playlist(&self, page: &LinkRequest) -> Result<Arc<Playlist>> {
        let key = page.key_in(&self.0.namespace)?;
        let (inner, page) = (self.0.clone(), page.clone());
        let loader = move |load: Load| async move {
            let playlist = inner.resolver.playlist(&page).await?;
            terms::weigh(&load, playlist.entries.is_empty(), playlist.extent);
            Ok(playlist)
        };
        self.0.playlists.get(&key, loader).await.map(|answer| answer.value)
    }

    /// The songs of the entries in `range` of `playlist`, the one of `page`, as far as it goes, as
    /// [`get_many`](Self::get_many): for the account and with the parameters of `page`. Entries whose address is none
    /// are errors.
    pub async fn resolve(
        &self,
        page: &LinkRequest,
        playlist: &Playlist,
        range: Range<usize>,
    ) -> Vec<Result<(Arc<Song>, bool)>> {
        let end = range.end.min(playlist.entries.len());
        let entries = playlist.entries.get(range.start.min(end)..end).unwrap_or_default();
        let pages: Vec<Result<LinkRequest>> = entries.iter().map(|entry| page.elsewhere(&entry.url)).collect();
        let good: Vec<LinkRequest> = pages.iter().flatten().cloned().collect();
        let mut songs = self.get_many(&good).await.into_iter();
        let missing = || Err(Error::new(ErrorKind::Internal, "a song of the batch has no answer"));
        pages.into_iter().map(|page| page.and_then(|_| songs.next().unwrap_or_else(missing))).collect()
    }

    /// Says that the stream `url` of the song of `page` does not work; what is to be used instead. As
    /// [`CachedProvider::report_bad`](crate::CachedProvider::report_bad).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn report_bad(&self, page: &LinkRequest, url: &str) -> Result<Arc<Song>> {
        let inner = &self.0;
        inner.reported.fetch_add(1, Ordering::Relaxed);
        let key = page.key_in(&inner.namespace)?;
        let (gap, is_bad) = (inner.options.report_gap, |song: &Song| song.stream.url == url);
        let replace = || inner.songs.replace(&key, gap, is_bad, self.loader(page));
        let answer = inner.reports.once(&key, url, is_bad, replace).await?;
        // Others may have had it first.
        let answer =
            if inner.songs.is_over(&answer) { inner.songs.get(&key, self.loader(page)).await? } else { answer };
        inner.songs.unended(inner.resolver.name(), answer).map(|answer| answer.value)
    }

    /// Says with which status of HTTP the stream `url` was answered. As
    /// [`CachedProvider::report_status`](crate::CachedProvider::report_status).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn report_status(&self, page: &LinkRequest, url: &str, status: u16) -> Result<Option<Arc<Song>>> {
        match Verdict::of_status(status) {
            Verdict::Bad => self.report_bad(page, url).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The `n` songs asked for most, the most popular first, with their scores.
    pub fn popular(&self, n: usize) -> Vec<(LinkRequest, f64)> {
        self.0.pages.top(n).into_iter().map(|(_, page, score)| (page, score)).collect()
    }

    /// Brings the `n` most popular songs up to date, the most popular first, at the pace of `warmer`; fresh ones are left
    /// alone. Dropping the answer ends it.
    ///
    /// # Errors
    /// As [`Warmer::start`].
    pub fn warm(&self, warmer: &Warmer, n: usize) -> Result<Warming> {
        let inner = self.0.clone();
        let keys = inner.pages.top(n).into_iter().map(|(key, ..)| key);
        warmer.start_cache(self.0.songs.cache(), keys, move |load| {
            let inner = inner.clone();
            async move {
                let page = inner.pages.get(load.key()).ok_or_else(forgotten)?;
                inner.load(&load, &page).await
            }
        })
    }

    /// Keeps in the tiers what is popular, for [`restore`](Self::restore).
    ///
    /// # Errors
    /// Those of the tiers.
    pub async fn save(&self) -> Result<()> {
        let inner = &self.0;
        inner.pages.save(inner.songs.tiers(), inner.namespace.root()).await?;
        let key = pages::popularity_key(inner.namespace.root())?;
        inner.popularity.store(inner.songs.tiers(), &key).await
    }

    /// Adds what [`save`](Self::save) kept in the tiers, decayed by the time between; how many songs that were. What
    /// cannot be read adds nothing.
    pub async fn restore(&self) -> usize {
        let inner = &self.0;
        let Ok(key) = pages::popularity_key(inner.namespace.root()) else { return 0 };
        let restored = inner.popularity.load(inner.songs.tiers(), &key).await;
        // After it, so that the pages of what is popular find room.
        inner.pages.restore(inner.songs.tiers(), &inner.namespace).await;
        restored
    }

    /// Makes all songs and playlists of this resolver out of date; how many were there, songs first.
    ///
    /// # Errors
    /// As [`Cache::invalidate`](cache_tiered::Cache::invalidate).
    pub async fn clear(&self) -> Result<(Invalidation, Invalidation)> {
        let root = self.0.namespace.root();
        Ok((self.0.songs.clear(root).await?, self.0.playlists.clear(root).await?))
    }

    /// Drops what has expired in the tiers, as
    /// [`CachedProvider::remove_expired`](crate::CachedProvider::remove_expired).
    ///
    /// # Errors
    /// As [`Backend::sweep`](cache_core::Backend::sweep).
    pub async fn remove_expired(&self) -> Result<Swept> {
        self.0.songs.remove_expired().await
    }

    /// The figures of now.
    pub fn stats(&self) -> SongStats {
        let inner = &self.0;
        let cache = inner.songs.cache().stats();
        SongStats {
            hits: cache.near_hits + cache.tier_hits + cache.stale,
            resolved: cache.loads - cache.load_failures.min(cache.loads),
            reports: inner.reported.load(Ordering::Relaxed),
            cache,
            playlists: inner.playlists.cache().stats(),
            popularity: inner.popularity.stats(),
        }
    }

    /// Ends the caches; the tiers stay open. What is popular is lost unless it was [saved](Self::save).
    ///
    /// # Errors
    /// As [`Cache::close`](cache_tiered::Cache::close).
    pub async fn close(&self) -> Result<()> {
        let songs = self.0.songs.cache().close().await;
        self.0.playlists.cache().close().await.and(songs)
    }

    fn loader(
        &self,
        page: &LinkRequest,
    ) -> impl FnOnce(Load) -> BoxFuture<'static, Result<Song>> + Send + 'static + use<R> {
        let (inner, page) = (self.0.clone(), page.clone());
        move |load| Box::pin(async move { inner.load(&load, &page).await })
    }
}

impl<R: SongResolver> Inner<R> {
    async fn load(&self, load: &Load, page: &LinkRequest) -> Result<Song> {
        let song = self.resolver.song(page).await?;
        let now = self.songs.clock().now();
        terms::usable(&song.stream, now).map_err(|failure| failure.into_error(self.resolver.name(), "song"))?;
        terms::weigh(load, false, song.extent);
        terms::keep_within(load, song.playable(), now);
        Ok(song)
    }
}

impl<R> Clone for SongCache<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: fmt::Debug> fmt::Debug for SongCache<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SongCache")
            .field("resolver", &self.0.resolver)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

fn pair(answer: Answer<Song>) -> (Arc<Song>, bool) {
    let was_cached = answer.was_cached();
    (answer.value, was_cached)
}

fn forgotten() -> Error {
    Error::new(ErrorKind::Load, "the page of the song is not known any more: it is resolved when it is asked for")
}
