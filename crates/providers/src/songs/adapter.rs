//! `ProviderSongs`: songs from the links of any provider.

use async_trait::async_trait;
use cache_core::Result;

use super::{Playlist, Song, SongResolver};
use crate::{Failure, Link, LinkKind, LinkRequest, Links, Provider, Reason};

/// Songs from the links of any provider: the best sound alone, else a video with its sound, the smallest picture first.
#[derive(Debug, Clone)]
pub struct ProviderSongs<P>(P);

impl<P: Provider> ProviderSongs<P> {
    /// Songs of `provider` itself: one with a cache of its own would answer with a link that was reported to be bad.
    pub fn new(provider: P) -> Self {
        Self(provider)
    }

    /// The provider.
    pub fn provider(&self) -> &P {
        &self.0
    }
}

#[async_trait]
impl<P: Provider> SongResolver for ProviderSongs<P> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn version(&self) -> &str {
        self.0.version()
    }

    async fn song(&self, page: &LinkRequest) -> Result<Song> {
        let Links { links, extent, title, creator, duration, image_url, .. } = self.0.links(page).await?;
        let Some(stream) = links.into_iter().rev().max_by_key(fitness).filter(|link| fitness(link).is_some()) else {
            let message = "the page has nothing to listen to";
            return Err(Failure::new(Reason::NotFound, message).into_error(self.name(), "song"));
        };
        let mut song = Song::new(page.url(), title.unwrap_or_default(), stream);
        song.creator = creator;
        song.duration = duration;
        song.thumbnail = image_url;
        song.source_type = page.source_type();
        song.extent = extent;
        Ok(song)
    }

    async fn playlist(&self, page: &LinkRequest) -> Result<Playlist> {
        let links = self.0.links(page).await?;
        let mut playlist = Playlist::of(links.entries);
        playlist.title = links.title;
        playlist.extent = links.extent;
        Ok(playlist)
    }
}

/// How well a link serves for listening; `None` if not at all, or if nobody may be sent there. Of equals, the first in the provider's order is taken.
fn fitness(link: &Link) -> Option<(u8, u64)> {
    if !link.is_fetchable() {
        return None;
    }
    let smallest = || u64::MAX - u64::from(link.quality.height.unwrap_or(u32::MAX));
    match link.kind {
        LinkKind::Audio => Some((3, link.quality.bit_rate.unwrap_or(0))),
        LinkKind::Video => Some((2, smallest())),
        LinkKind::Hls => Some((1, smallest())),
        LinkKind::Dash => Some((0, smallest())),
        _ => None,
    }
}
