//! `Engine`: the library that speaks to peers, set up so that it does nothing that was not asked of it.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::future::pending;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use librqbit::api::TorrentIdOrHash;
use librqbit::dht::Id20;
use librqbit::storage::StorageFactoryExt;
use librqbit::{
    AddTorrent, AddTorrentOptions, AddTorrentResponse, ConnectionOptions, DhtSessionConfig, ManagedTorrent, Session,
    SessionOptions,
};
use tokio::time::timeout;
use url::Url;

use crate::contents::Contents;
use crate::error::{Result, TorrentError, Why};
use crate::guard::Guard;
use crate::leads::Leads;
use crate::magnet::InfoHash;
use crate::options::{Limits, Options};
use crate::parts::PartsIn;

/// The pause before all peers are asked once more.
const PAUSE: Duration = Duration::from_secs(1);
/// Threads that the library may block besides those that its readers count as.
const BLOCKING: usize = 8;

/// The library that speaks to peers. Dropping it ends all that it does.
pub(crate) struct Engine {
    session: Arc<Session>,
    guard: Guard,
    options: Options,
}

impl Engine {
    /// Starts it. It listens for no peer, opens no port of a router, and gives nothing to peers.
    ///
    /// # Errors
    /// [`Why::Failed`] when the system denies what it needs.
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let failed = |what: &str| TorrentError::new(Why::Failed, format!("torrents cannot be fetched: {what}"));
        let folder = options.folder.as_path();
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(|error| failed(&format!("the folder {}: {error}", folder.display())))?;
        let guard = Guard::start(options).await.map_err(|error| failed(&error.to_string()))?;
        let connect = ConnectionOptions { proxy_url: Some(guard.url().to_owned()), ..ConnectionOptions::default() };
        let dht = DhtSessionConfig { bootstrap_addrs: None, port: None, persistence: None };
        let settings = SessionOptions {
            dht: options.dht.then_some(dht),
            connect: Some(connect),
            listen: None,
            persistence: None,
            fastresume: false,
            disable_local_service_discovery: true,
            disable_upload: true,
            peer_limit: Some(options.limits.peers),
            // Each open stream takes a place among those who may block, and waits there for a piece that one of them writes.
            runtime_worker_threads: Some(options.limits.torrents * Limits::READERS + BLOCKING),
            ..SessionOptions::default()
        };
        let session = Session::new_with_opts(options.folder.clone(), settings).await;
        let session = session.map_err(|error| failed(&format!("{error:#}")))?;
        Ok(Self { session, guard, options: options.clone() })
    }

    /// The description of a torrent, in a torrent file, and who may have more of it. Peers are asked until one gives it:
    /// dropping the future gives up.
    ///
    /// # Errors
    /// [`Why::Unreachable`] when there is nobody to ask; [`Why::Malformed`] for one that the library does not take.
    pub(crate) async fn describe(&self, hash: InfoHash, leads: &Leads) -> Result<(Bytes, Vec<SocketAddr>)> {
        let trackers = leads.trackers(&self.options).await;
        if trackers.is_empty() && leads.peers.is_empty() && !self.options.dht {
            return Err(TorrentError::new(
                Why::Unreachable,
                "nobody can be asked what the torrent holds: its link names no tracker or peer within reach, and the DHT is off",
            ));
        }
        let mut link = format!("magnet:?xt=urn:btih:{hash}");
        for tracker in trackers {
            let encoded: String = url::form_urlencoded::byte_serialize(tracker.as_str().as_bytes()).collect();
            // Writing into a String does not fail.
            _ = write!(link, "&tr={encoded}");
        }
        loop {
            let peers = (!leads.peers.is_empty()).then(|| leads.peers.clone());
            let asking = AddTorrentOptions { list_only: true, initial_peers: peers, ..AddTorrentOptions::default() };
            // Some of what no torrent should say makes the library panic.
            let asked = AssertUnwindSafe(self.session.add_torrent(AddTorrent::from_url(&link), Some(asking)));
            match asked.catch_unwind().await {
                Ok(Ok(AddTorrentResponse::ListOnly(list))) => return Ok((list.torrent_bytes, list.seen_peers)),
                Ok(Ok(_)) | Err(_) => {
                    return Err(TorrentError::malformed("the description of the torrent is malformed"));
                }
                Ok(Err(error)) if is_nobody(&error) => {
                    tracing::debug!(%hash, "nobody describes the torrent: {error:#}");
                }
                Ok(Err(error)) => return Err(TorrentError::malformed(format!("the torrent is malformed: {error:#}"))),
            }
            _ = timeout(PAUSE, pending::<()>()).await;
        }
    }

    /// Begins to fetch the file `index` of `contents`, of a torrent that is not at work. Dropping the future leaves nothing of
    /// it.
    ///
    /// # Errors
    /// [`Why::Failed`] with what the library says.
    pub(crate) async fn add(&self, contents: &Contents, index: usize, leads: &Leads) -> Result<Arc<ManagedTorrent>> {
        let hash = contents.hash;
        let trackers = leads.trackers(&self.options).await;
        let adding = AddTorrentOptions {
            only_files: Some(vec![index]),
            overwrite: true,
            initial_peers: Some(leads.peers.clone()),
            trackers: Some(trackers.iter().map(Url::to_string).collect()),
            storage_factory: Some(PartsIn(self.options.folder.clone()).boxed()),
            ..AddTorrentOptions::default()
        };
        let known = self.guard.know(hash);
        let added =
            AssertUnwindSafe(self.session.add_torrent(AddTorrent::from_bytes(contents.torrent.clone()), Some(adding)));
        let failed = |what: String| TorrentError::new(Why::Failed, format!("the torrent cannot be fetched: {what}"));
        let added = match added.catch_unwind().await {
            Ok(Ok(added)) => added.into_handle().ok_or_else(|| failed("it was not begun".to_owned())),
            Ok(Err(error)) => Err(failed(format!("{error:#}"))),
            Err(_) => Err(TorrentError::malformed("the torrent is malformed")),
        };
        match &added {
            Ok(_) => known.stays(),
            // It may have come as far as its list.
            Err(_) => self.remove(hash).await,
        }
        added
    }

    /// Fetches `files` of a torrent that is at work, and no others.
    pub(crate) async fn select(&self, torrent: &Arc<ManagedTorrent>, files: &HashSet<usize>) -> Result<()> {
        let selected = async {
            torrent.wait_until_initialized().await?;
            self.session.update_only_files(torrent, files).await
        };
        selected.await.map_err(|error| TorrentError::new(Why::Failed, format!("the file cannot be fetched: {error:#}")))
    }

    /// Ends what is done for a torrent.
    pub(crate) async fn remove(&self, hash: InfoHash) {
        self.guard.forget(hash);
        let removed = self.session.delete(TorrentIdOrHash::Hash(Id20::new(hash.0)), false).await;
        if let Err(error) = removed {
            tracing::debug!(%hash, "a torrent was gone before it was removed: {error:#}");
        }
    }
}

/// Whether all peers were asked and none gave a description. The library has no other sign of it.
fn is_nobody(error: &anyhow::Error) -> bool {
    error.to_string().contains("exhausted")
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.session.cancellation_token().cancel();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use tokio::task::consume_budget;

    use super::*;

    const TORRENT: &[u8] =
        b"d4:infod6:lengthi9e4:name8:film.mkv12:piece lengthi65536e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

    #[tokio::test(flavor = "multi_thread")]
    async fn a_torrent_whose_beginning_is_given_up_is_known_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::new(dir.path()).dht(false);
        let engine = Engine::start(&options).await.unwrap();
        let contents = Contents::read(&Bytes::from_static(TORRENT), &Limits::default()).unwrap();
        let leads = Leads::default();
        leads.trackers(&options).await;
        poll_fn(|context| {
            // A task that has had its share of the processor waits at the next chance, which is inside the library.
            while pin!(consume_budget()).poll(context).is_ready() {}
            let mut adding = Box::pin(engine.add(&contents, 0, &leads));
            assert!(adding.as_mut().poll(context).is_pending());
            assert!(engine.guard.knows(contents.hash));
            drop(adding);
            assert!(!engine.guard.knows(contents.hash));
            Poll::Ready(())
        })
        .await;
        // It can be begun all the same, and is known as long as it is there.
        engine.add(&contents, 0, &leads).await.unwrap();
        assert!(engine.guard.knows(contents.hash));
        engine.remove(contents.hash).await;
        assert!(!engine.guard.knows(contents.hash));
    }
}
