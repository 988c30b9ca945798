//! `Torrents`: where the bytes behind a magnet link come from.

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use cache_blob::Source;
use cache_core::Result;
use providers::Canonical;

use super::wanted::Episode;

/// One file behind a magnet link. Its `Debug` shows neither names nor trackers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TorrentFile {
    /// The magnet link. `so=` in it is the number of the file; without it, the largest is meant, or that of the episode.
    pub(crate) magnet: String,
    /// The episode that is wanted of a series.
    pub(crate) episode: Option<Episode>,
}

/// What fetches torrents.
#[async_trait]
pub(crate) trait Torrents: Debug + Send + Sync + 'static {
    /// The bytes of `wanted`, as soon as it is known what the torrent holds. Its description names its length, a validator
    /// made of the info hash and the number of the file, its type by its name, and that it has ranges.
    ///
    /// Who asks waits for it for a limited time. Dropping the future gives up the wait.
    ///
    /// # Errors
    /// A [`Failure`](providers::Failure) that says what is wrong: [`Reason::NotFound`](providers::Reason::NotFound) for a
    /// file that is not in it, [`Reason::TooLarge`](providers::Reason::TooLarge) for one beyond the limits.
    async fn source(&self, wanted: &TorrentFile) -> Result<Arc<dyn Source>>;
}

impl Debug for TorrentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = Canonical::of(&self.magnet).ok();
        let hash = hash.as_ref().map(Canonical::id);
        f.debug_struct("TorrentFile").field("hash", &hash).field("episode", &self.episode).finish()
    }
}
