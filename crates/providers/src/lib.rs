//! Providers of media links: search that is always fresh, links that never outlive their validity, songs.
//!
//! * [`Provider`]: a place that is searched and that knows links: [`SearchQuery`] to [`SearchPage`], [`LinkRequest`] to
//!   [`Links`]
//! * [`CachedProvider`]: any provider with its links cached, each until its own [`Validity`] ends
//! * [`link_validity`]: until when a link is good, from its own text, its headers and what an API said
//! * [`Canonical`], [`SourceType`]: which texts name the same media, and where it comes from
//! * [`SongCache`]: songs resolved once, in batches and playlists, warmed by popularity
//! * [`Registry`]: providers by name, from tables of configuration if need be ([`ProviderTable`])
//! * [`InternetArchive`], [`PeerTube`], [`Commons`], [`Podcast`], [`Stremio`]: providers of particular sites, with the feature
//!   `http`, which is on unless turned off
//! * [`YtDlp`]: whatever page the program yt-dlp understands, with the feature `yt-dlp`; [`HtmlSite`]: a site described by a
//!   [table](HtmlTable) of selectors, with the feature `html`; both are on unless turned off
//! * [`http::Fetch`]: what these ask with, and others may: requests of HTTP, all within limits
//!
//! ```
//! use async_trait::async_trait;
//! use cache_core::Result;
//! use cache_mem::MemBackend;
//! use cache_tiered::{Origin, Tiered};
//! use providers::{CachedProvider, Link, LinkKind, LinkRequest, Links, Provider, SearchPage, SearchQuery};
//!
//! #[derive(Debug)]
//! struct Example;
//!
//! #[async_trait]
//! impl Provider for Example {
//!     fn name(&self) -> &str {
//!         "example"
//!     }
//!
//!     async fn search(&self, _query: &SearchQuery) -> Result<SearchPage> {
//!         Ok(SearchPage::default())
//!     }
//!
//!     async fn links(&self, request: &LinkRequest) -> Result<Links> {
//!         Ok(Links::of([Link::new(format!("{}.mp4", request.url()), LinkKind::Video)]))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let tiers = Tiered::builder().tier(MemBackend::new(16 << 20)).build()?;
//! let provider = CachedProvider::builder(Example).tiers(tiers).build()?;
//! let request = LinkRequest::new("https://example.org/moon?utm_source=feed")?;
//! assert_eq!(provider.get(&request).await?.origin, Origin::Loaded);
//! assert_eq!(provider.get(&LinkRequest::new("https://EXAMPLE.org/moon")?).await?.origin, Origin::Near);
//! # provider.close().await
//! # }
//! ```
//!
//! A particular site, behind the cache:
//!
//! ```no_run
//! # #[cfg(feature = "http")]
//! # async fn example(tiers: cache_tiered::Tiered) -> cache_core::Result<()> {
//! use providers::http::{Fetch, FetchOptions, HttpCheck};
//! use providers::{CachedProvider, InternetArchive, LinkRequest, Provider, SearchQuery};
//!
//! let fetch = Fetch::new(FetchOptions::new().contact("mailto:films@example.org"))?;
//! let archive = CachedProvider::builder(InternetArchive::new(&fetch)).tiers(tiers).check(HttpCheck::new(&fetch)).build()?;
//! let found = archive.search(&SearchQuery::new("moon").limit(5)).await?;
//! for result in &found.results {
//!     let links = archive.get(&LinkRequest::new(&result.url)?).await?;
//!     println!("{}: {:?}", result.title, links.value.links.first());
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod cached;
mod canonical;
mod check;
mod failure;
#[cfg(feature = "http")]
pub mod http;
mod link;
mod links;
mod options;
mod provider;
mod registry;
mod reports;
mod request;
mod search;
#[cfg(feature = "http")]
mod sites;
mod songs;
mod source_type;
mod store;
#[cfg(feature = "http")]
mod table;
mod terms;
mod validity;

pub use answer::Answer;
pub use cached::{CachedProvider, CachedProviderBuilder, ProviderStats};
pub use canonical::{Canonical, shown};
pub use check::{LinkCheck, Verdict};
pub use failure::{Failure, Reason};
pub use link::{Binding, Link, LinkKind, Quality};
pub use links::{Extent, Links, PlaylistEntry};
pub use options::CacheOptions;
pub use provider::Provider;
pub use registry::{AnyProvider, Registry, RegistryBuilder, UnknownProvider};
pub use request::{LinkRequest, SearchQuery};
pub use search::{SearchPage, SearchResult};
#[cfg(feature = "http")]
pub use sites::{Commons, InternetArchive, PeerTube, PeerTubeAccess, Podcast, Stremio};
#[cfg(feature = "html")]
pub use sites::{HtmlError, HtmlFollow, HtmlPage, HtmlSearch, HtmlSite, HtmlTable};
#[cfg(feature = "yt-dlp")]
pub use sites::{YtDlp, YtDlpNotFound, YtDlpOptions};
pub use songs::{Playlist, ProviderSongs, Song, SongCache, SongCacheBuilder, SongResolver, SongStats};
pub use source_type::SourceType;
#[cfg(feature = "http")]
pub use table::{ProviderTable, TableError};
pub use validity::{Validity, bound_address, link_validity, unsigned_path};
