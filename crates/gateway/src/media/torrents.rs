//! `Torrents`: where the bytes behind a magnet link or a torrent file come from.

use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_blob::Source;
use cache_core::{Error, Result};
use providers::{Canonical, Failure, Reason};
pub(crate) use torrents::Running;
use torrents::{Limits, Magnet, Options, TorrentError, Wanted, Why};

use super::wanted::Episode;
use crate::config::Config;
use crate::naming;
use crate::stack::Stack;

/// Where torrents work, in the directory of the cache.
const FOLDER: &str = "torrents";
/// The pause that is named while all places are taken.
const BUSY: Duration = Duration::from_secs(30);
/// What is named where others name a provider.
const NAME: &str = "torrents";

/// One file of a torrent. Its `Debug` shows neither names nor trackers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TorrentFile {
    pub(crate) link: TorrentLink,
    /// The episode that is wanted of a series.
    pub(crate) episode: Option<Episode>,
}

/// What names a torrent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TorrentLink {
    /// A magnet link. `so=` in it is the number of the file; without it, the largest is meant, or that of the episode.
    Magnet(String),
    /// The bytes of a torrent file.
    File(Bytes),
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
    /// A [`Failure`] that says what is wrong: [`Reason::NotFound`] for a file that is not in it, [`Reason::TooLarge`] for
    /// one beyond the limits.
    async fn source(&self, wanted: &TorrentFile) -> Result<Arc<dyn Source>>;

    /// Those at work.
    fn running(&self) -> Vec<Running> {
        Vec::new()
    }

    /// Ends them; no other is begun.
    async fn close(&self) {}
}

/// Those of peers.
#[derive(Debug)]
struct OfPeers(torrents::Torrents);

/// What fetches torrents as `config` says, and keeps what they hold in `stack`; nothing where that is switched off.
///
/// # Errors
/// When what an earlier process left cannot be removed.
pub(super) async fn open(stack: &Stack, config: &Config) -> Result<Option<Arc<dyn Torrents>>> {
    if !config.torrents.enabled {
        return Ok(None);
    }
    // Without a directory nothing else is kept on this machine either.
    let folder = config.cache.directory().map_or_else(|_| std::env::temp_dir().join("reelcache"), PathBuf::from);
    let options = options(folder.join(FOLDER), config);
    let opened = torrents::Torrents::open(options, Arc::new(stack.tiers.clone())).await.map_err(Error::from)?;
    Ok(Some(Arc::new(OfPeers(opened))))
}

fn options(folder: PathBuf, config: &Config) -> Options {
    let (serve, torrents) = (&config.serve, &config.torrents);
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.torrents = count(torrents.at_once);
    limits.peers = count(torrents.max_peers);
    limits.file_len = torrents.max_file.0;
    limits.disk = torrents.disk.0;
    limits.disk_reserve = torrents.disk_reserve.0;
    let reach = serve.reach;
    Options::new(folder)
        .admit(move |address| reach.admits(address))
        .ports(serve.reach_ports.0.iter().cloned())
        .dht(torrents.dht)
        .grace(torrents.grace)
        .limits(limits)
}

#[async_trait]
impl Torrents for OfPeers {
    async fn source(&self, wanted: &TorrentFile) -> Result<Arc<dyn Source>> {
        let link = match &wanted.link {
            TorrentLink::Magnet(magnet) => {
                torrents::TorrentLink::Magnet(Magnet::parse(magnet).map_err(|error| failed(&error))?)
            }
            TorrentLink::File(file) => torrents::TorrentLink::File(file.clone()),
        };
        let episode = wanted.episode.map(|Episode { season, number }| (season, number));
        let source = self.0.source(&link, Wanted { index: None, episode }).await.map_err(|error| failed(&error))?;
        let content_type = naming::content_type(None, Some(&source.file().name));
        let source = source.content_type(content_type.to_str().unwrap_or_default());
        Ok(Arc::new(source))
    }

    fn running(&self) -> Vec<Running> {
        self.0.running()
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// What the torrent behind `magnet`, and the file that it selects, are known by: as they are fetched, whatever others read in
/// a link that is written to mean two things.
///
/// # Errors
/// [`Reason::Unsupported`] when it names none of version 1, [`Reason::NotFound`] when it selects more than one file.
pub(super) fn identity(magnet: &str) -> Result<String> {
    let magnet = Magnet::parse(magnet).map_err(|error| failed(&error))?;
    let file = magnet.index().map(|index| format!("/so={index}")).unwrap_or_default();
    Ok(format!("{}{file}", magnet.hash()))
}

/// Whether `url` is a magnet link.
pub(super) fn is_magnet(url: &str) -> bool {
    url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"))
}

fn failed(error: &TorrentError) -> Error {
    let message = error.to_string();
    let failure = match error.why() {
        Why::Unsupported => Failure::new(Reason::Unsupported, message),
        Why::NotFound => Failure::new(Reason::NotFound, message),
        Why::Malformed => Failure::new(Reason::Malformed, message),
        Why::TooLarge => Failure::new(Reason::TooLarge, message),
        Why::Busy => Failure::new(Reason::Unavailable, message).after(BUSY),
        _ => Failure::new(Reason::Unavailable, message),
    };
    failure.into_error(NAME, "torrent")
}

impl Debug for TorrentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorrentFile").field("link", &self.link).field("episode", &self.episode).finish()
    }
}

impl Debug for TorrentLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magnet(magnet) => {
                let hash = Canonical::of(magnet).ok();
                f.debug_tuple("Magnet").field(&hash.as_ref().map(Canonical::id)).finish()
            }
            Self::File(file) => f.debug_tuple("File").field(&file.len()).finish(),
        }
    }
}
