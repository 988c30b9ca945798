//! A peer that has everything, films, and torrents that reach no further than this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_blob::{BlobReader, Blobs};
use cache_core::Key;
use cache_mem::MemBackend;
use futures_util::StreamExt;
use librqbit::limits::LimitsConfig;
use librqbit::spawn_utils::BlockingSpawner;
use librqbit::{
    AddTorrent, AddTorrentOptions, CreateTorrentOptions, ListenerOptions, ManagedTorrent, Session, SessionOptions,
    create_torrent,
};
use tempfile::TempDir;
use tokio::time::timeout;
use torrents::{Limits, Magnet, Options, TorrentLink, TorrentSource, Torrents, Wanted};

pub(crate) const MIB: usize = 1 << 20;
/// How long anything may take here before a test fails.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Bytes that look like nothing else: `len` of them, different for each `seed`.
pub(crate) fn film(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = std::iter::repeat_with(|| next().to_le_bytes()).take(len.div_ceil(8));
    words.flatten().take(len).collect()
}

/// A peer that has the whole torrent. Dropping it ends it.
pub(crate) struct Seeder {
    session: Arc<Session>,
    pub(crate) file: Bytes,
    pub(crate) hash: String,
    _dir: TempDir,
}

impl Seeder {
    /// One of a torrent of these files, which gives `upload` bytes a second.
    pub(crate) async fn start(files: &[(&str, &[u8])], upload: Option<u32>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let content = dir.path().join("films");
        for (name, bytes) in files {
            let path = content.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let options = CreateTorrentOptions { piece_length: Some(256 << 10), ..CreateTorrentOptions::default() };
        let created = create_torrent(&content, options, &BlockingSpawner::new(1)).await.unwrap();
        let session = session(&dir, upload).await;
        let file = created.as_bytes().unwrap();
        let adding = AddTorrentOptions {
            output_folder: Some(content.to_str().unwrap().to_owned()),
            overwrite: true,
            ..AddTorrentOptions::default()
        };
        let added = session.add_torrent(AddTorrent::from_bytes(file.clone()), Some(adding)).await.unwrap();
        added.into_handle().unwrap().wait_until_completed().await.unwrap();
        Self { session, file, hash: created.info_hash().as_string(), _dir: dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.session.listen_addr().unwrap()
    }

    /// A link that names this peer.
    pub(crate) fn link(&self) -> TorrentLink {
        magnet(&self.hash, &format!("&x.pe={}", self.address()))
    }

    /// Leaves, and lets nobody connect any more.
    pub(crate) async fn stop(self) {
        self.session.stop().await;
    }
}

/// A peer that has nothing of a torrent and wants all of it. Dropping it ends it.
pub(crate) struct Leecher {
    session: Arc<Session>,
    torrent: Arc<ManagedTorrent>,
    _dir: TempDir,
}

impl Leecher {
    /// One of the torrent `file`, which asks `peers` and whoever connects to it.
    pub(crate) async fn start(file: Bytes, peers: Vec<SocketAddr>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let session = session(&dir, None).await;
        let adding = AddTorrentOptions { initial_peers: Some(peers), ..AddTorrentOptions::default() };
        let added = session.add_torrent(AddTorrent::from_bytes(file), Some(adding)).await.unwrap();
        let torrent = added.into_handle().unwrap();
        torrent.wait_until_initialized().await.unwrap();
        Self { session, torrent, _dir: dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.session.listen_addr().unwrap()
    }

    /// Bytes that peers gave it.
    pub(crate) fn has(&self) -> u64 {
        self.torrent.stats().progress_bytes
    }
}

/// One that listens on loopback and finds nobody by itself.
async fn session(dir: &TempDir, upload: Option<u32>) -> Arc<Session> {
    let listen =
        ListenerOptions { listen_addr: (Ipv4Addr::LOCALHOST, 0).into(), ipv4_only: true, ..ListenerOptions::default() };
    let settings = SessionOptions {
        dht: None,
        disable_trackers: true,
        disable_local_service_discovery: true,
        listen: Some(listen),
        ratelimits: LimitsConfig { upload_bps: upload.and_then(NonZeroU32::new), download_bps: None },
        ..SessionOptions::default()
    };
    Session::new_with_opts(dir.path().to_owned(), settings).await.unwrap()
}

pub(crate) fn magnet(hash: &str, rest: &str) -> TorrentLink {
    TorrentLink::Magnet(Magnet::parse(&format!("magnet:?xt=urn:btih:{hash}{rest}")).unwrap())
}

/// Torrents in a folder of their own, over one backend that stays when they end.
pub(crate) struct Home {
    dir: TempDir,
    pub(crate) kept: Arc<MemBackend>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let kept = Arc::new(MemBackend::builder(256 * MIB as u64).shards(1).build());
        Self { dir: tempfile::tempdir().unwrap(), kept }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("torrents")
    }

    /// That reach nobody but who is named.
    pub(crate) fn options(&self) -> Options {
        let mut limits = Limits::default();
        limits.disk_reserve = 0;
        Options::new(self.folder()).dht(false).grace(Duration::ZERO).limits(limits)
    }

    pub(crate) async fn open(&self, options: Options) -> Torrents {
        Torrents::open(options, self.kept.clone()).await.unwrap()
    }

    pub(crate) fn blobs(&self) -> Blobs {
        Blobs::builder().backend(self.kept.clone()).build().unwrap()
    }

    /// Everything on disk that has a name.
    pub(crate) fn names(&self) -> Vec<PathBuf> {
        let mut left = vec![self.dir.path().to_owned()];
        let mut names = Vec::new();
        while let Some(folder) = left.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    left.push(entry.path());
                }
                names.push(entry.path());
            }
        }
        names.retain(|name| *name != self.folder());
        names
    }
}

pub(crate) async fn source(torrents: &Torrents, link: &TorrentLink, wanted: Wanted) -> TorrentSource {
    timeout(LIMIT, torrents.source(link, wanted)).await.expect("an answer in time").expect("a source")
}

pub(crate) async fn opened(blobs: &Blobs, source: TorrentSource) -> BlobReader {
    blobs.open(&Key::of("film").part(source.file().index).build().unwrap(), source).await.unwrap()
}

pub(crate) async fn bytes(reader: &BlobReader, range: std::ops::Range<u64>) -> Vec<u8> {
    let read = async {
        let mut all = Vec::new();
        let mut stream = reader.read_range(range);
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece.unwrap());
        }
        all
    };
    timeout(LIMIT, read).await.expect("the bytes in time")
}

/// Waits until `is_so`.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(LIMIT, waits).await.is_ok(), "{what}");
}
