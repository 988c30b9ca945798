//! `Options`: where torrents work, whom they reach and what they may cost.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

type Admits = dyn Fn(IpAddr) -> bool + Send + Sync;

/// Where torrents work, whom they reach and what they may cost.
#[derive(Clone)]
#[must_use = "options do nothing by themselves"]
pub struct Options {
    pub(crate) folder: PathBuf,
    pub(crate) admits: Arc<Admits>,
    pub(crate) ports: Arc<[RangeInclusive<u16>]>,
    pub(crate) dht: bool,
    pub(crate) grace: Duration,
    pub(crate) limits: Limits,
}

/// What torrents may cost. Lengths are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Torrents at work at a time. One that nobody reads gives its place to a new one.
    pub torrents: usize,
    /// Peers of one torrent at a time.
    pub peers: usize,
    /// Description of a torrent, as peers or a torrent file give it.
    pub metadata: u64,
    /// Files in a torrent.
    pub files: usize,
    /// Length of a piece, at most: whoever seeks waits for a whole one.
    pub piece_len: u32,
    /// A file that is wanted.
    pub file_len: u64,
    /// All files of a torrent together, wanted or not.
    pub total_len: u64,
    /// Disk for all files that are being fetched.
    pub disk: u64,
    /// Bytes of the file system that are left to others.
    pub disk_reserve: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            torrents: 4,
            peers: 50,
            metadata: 8 * MIB,
            files: 20_000,
            piece_len: (64 * MIB) as u32,
            file_len: 100 * GIB,
            total_len: 1_024 * GIB,
            disk: 100 * GIB,
            disk_reserve: GIB,
        }
    }
}

impl Limits {
    /// The shortest piece: with shorter ones, what is kept about pieces outweighs them.
    pub(crate) const LEAST_PIECE: u32 = KIB as u32;
    /// The longest answer of a tracker.
    pub(crate) const TRACKER_ANSWER: u64 = MIB;
    /// Trackers of one link that are asked.
    pub(crate) const TRACKERS: usize = 20;
    /// Peers that one link names.
    pub(crate) const NAMED_PEERS: usize = 32;
    /// Descriptions that are asked for at a time.
    pub(crate) const LOOKUPS: usize = 8;
    /// Readers of one torrent at a time.
    pub(crate) const READERS: usize = 16;
}

impl Options {
    /// Torrents that keep their pieces in files without names on the file system of `folder`, which is created.
    ///
    /// They reach every address, ask trackers of HTTP at every port and the DHT, and stop a minute after the last read.
    /// Peers get nothing from here.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            admits: Arc::new(|_| true),
            ports: Arc::new([0..=u16::MAX]),
            dht: true,
            grace: Duration::from_mins(1),
            limits: Limits::default(),
        }
    }

    /// Which addresses may be connected to, peers and trackers alike. Addresses that carry one of IPv4 are asked about as
    /// that.
    ///
    /// Nodes of the DHT are not asked about: they are sent nothing but queries of its own, in datagrams.
    pub fn admit(mut self, admits: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.admits = Arc::new(admits);
        self
    }

    /// At which ports trackers of HTTP are asked.
    pub fn ports(mut self, ports: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        self.ports = ports.into_iter().collect();
        self
    }

    /// Whether the DHT finds peers: without it, only trackers and links name any. On unless set.
    pub fn dht(mut self, dht: bool) -> Self {
        self.dht = dht;
        self
    }

    /// How long a torrent goes on after the last read of it.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What torrents may cost.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn is_port_asked(&self, port: u16) -> bool {
        self.ports.iter().any(|ports| ports.contains(&port))
    }

    pub(crate) fn is_admitted(&self, address: IpAddr) -> bool {
        (self.admits)(address.to_canonical())
    }

    /// Connections at a time: those of peers, and some for trackers and descriptions.
    pub(crate) fn connections(&self) -> usize {
        let Limits { torrents, peers, .. } = self.limits;
        torrents.saturating_mul(peers).saturating_add(Limits::LOOKUPS * 32).min(4_096)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("folder", &self.folder)
            .field("ports", &self.ports)
            .field("dht", &self.dht)
            .field("grace", &self.grace)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
