//! `MadeUp`: songs that nobody sings, so that a bot can be tried anywhere.

use std::time::Duration;

use async_trait::async_trait;
use cache_core::Result;
use providers::{Failure, Link, LinkKind, LinkRequest, Playlist, PlaylistEntry, Reason, Song, SongResolver};

/// Songs that nobody sings: each page is one, but those that end in `gone`.
#[derive(Debug)]
pub(crate) struct MadeUp;

#[async_trait]
impl SongResolver for MadeUp {
    fn name(&self) -> &'static str {
        "made-up"
    }

    async fn song(&self, page: &LinkRequest) -> Result<Song> {
        let name = page.url().rsplit('/').next().unwrap_or_default();
        if name == "gone" {
            return Err(Failure::new(Reason::NotFound, "there is no such song").into_error(self.name(), "song"));
        }
        // A resolver of a real place says until when a stream works, by `link_validity`.
        let stream = Link::new(format!("https://streams.example/{name}.opus"), LinkKind::Audio);
        let mut song = Song::new(page.url(), format!("The {name} song"), stream);
        song.duration = Some(Duration::from_mins(3));
        Ok(song)
    }

    async fn playlist(&self, page: &LinkRequest) -> Result<Playlist> {
        Ok(Playlist::of((1..=3).map(|number| PlaylistEntry::new(format!("{}/{number}", page.url())))))
    }
}
