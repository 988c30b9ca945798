//! `SongCacheBuilder`: how a cache of songs is set up.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cache_core::{Error, ErrorKind, HOUR, Lifetime, Result, ttl};
use cache_tiered::{Popularity, Tiered};

use super::pages::Pages;
use super::{Inner, SongCache, SongResolver};
use crate::CacheOptions;
use crate::reports::Reports;
use crate::request::Namespace;
use crate::store::Store;

/// The first part of the keys of songs in the tiers. Another one whenever stored songs would mean something else.
const SONGS: &str = "songs";
/// The same of playlists.
const PLAYLISTS: &str = "playlists";

/// Sets up a [`SongCache`].
#[derive(Debug)]
#[must_use = "a builder is not a cache until it is built"]
pub struct SongCacheBuilder<R> {
    resolver: R,
    options: CacheOptions,
    playlists: Lifetime,
    tiers: Option<Tiered>,
    popularity: Option<Popularity>,
}

impl<R: SongResolver> SongCacheBuilder<R> {
    pub(super) fn new(resolver: R) -> Self {
        let options = CacheOptions::default().lifetime(ttl(2 * HOUR)).at_once(3);
        Self { resolver, options, playlists: ttl(6 * HOUR), tiers: None, popularity: None }
    }

    /// Sets the tiers that songs and playlists are kept in. Others may use them too.
    pub fn tiers(mut self, tiers: Tiered) -> Self {
        self.tiers = Some(tiers);
        self
    }

    /// Sets how songs are kept. The default is for two hours, and three resolved at once.
    pub fn options(mut self, options: CacheOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets how long playlists are kept. The default is six hours.
    pub fn playlists(mut self, lifetime: Lifetime) -> Self {
        self.playlists = lifetime;
        self
    }

    /// Sets where it is counted which songs are asked for. The default is a popularity of its own, of 4,096 songs with a
    /// half-life of a day.
    pub fn popularity(mut self, popularity: Popularity) -> Self {
        self.popularity = Some(popularity);
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without tiers, and when the resolver's name is no part of a key.
    pub fn build(self) -> Result<SongCache<R>> {
        let Self { resolver, options, playlists, tiers, popularity } = self;
        let Some(tiers) = tiers else {
            let message = "a cache of songs needs a place for them: give tiers";
            return Err(Error::new(ErrorKind::Invalid, message).with_backend(resolver.name()));
        };
        let popularity = popularity.unwrap_or_else(|| Popularity::builder().clock(tiers.clock().clone()).build());
        let namespace = Namespace::new(resolver.name(), resolver.version())?;
        let listed = options.clone().lifetime(playlists);
        let songs = Store::open(SONGS, resolver.name(), tiers.clone(), &options, Some(popularity.clone()))?;
        let playlists = Store::open(PLAYLISTS, resolver.name(), tiers, &listed, None)?;
        Ok(SongCache(Arc::new(Inner {
            resolver,
            namespace,
            songs,
            playlists,
            options,
            pages: Pages::new(popularity.clone()),
            popularity,
            reports: Reports::new(),
            reported: AtomicU64::new(0),
        })))
    }
}
