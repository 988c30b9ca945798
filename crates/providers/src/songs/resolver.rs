//! `SongResolver`: the contract of what turns pages into songs.

use std::fmt::Debug;

use async_trait::async_trait;
use cache_core::Result;

use super::{Playlist, Song};
use crate::LinkRequest;

/// What turns the page of a song into a stream. The rules of a [`Provider`](crate::Provider) are its rules; what lacks
/// something says so by its [`extent`](Song::extent).
///
/// [`ProviderSongs`](crate::ProviderSongs) makes one of any provider.
#[async_trait]
pub trait SongResolver: Debug + Send + Sync + 'static {
    /// Its name, as [`Provider::name`](crate::Provider::name).
    fn name(&self) -> &str;

    /// What its answers depend on, as [`Provider::version`](crate::Provider::version).
    #[expect(clippy::unnecessary_literal_bound, reason = "others return a part of themselves")]
    fn version(&self) -> &str {
        ""
    }

    /// The song of `page`.
    async fn song(&self, page: &LinkRequest) -> Result<Song>;

    /// What is in the playlist of `page`, not resolved.
    async fn playlist(&self, page: &LinkRequest) -> Result<Playlist>;
}
