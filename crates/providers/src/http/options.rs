//! `FetchOptions`: the limits of requests.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, MINUTE, SystemClock};

use super::admit::Admits;

/// The limits of a [`Fetch`](super::Fetch).
#[derive(Debug, Clone)]
pub struct FetchOptions {
    contact: Option<String>,
    name: Option<String>,
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) total: Duration,
    pub(super) redirects: usize,
    pub(super) max_bytes: u64,
    pub(super) at_once: usize,
    pub(super) gap: Duration,
    pub(super) hosts: usize,
    pub(super) max_pause: Duration,
    pub(super) admits: Admits,
    pub(super) ports: Arc<[RangeInclusive<u16>]>,
}

impl FetchOptions {
    /// Ten seconds to connect, 15 until an answer begins, 30 in all; five redirects; 8 MiB; four requests at once and
    /// ten in a second for each of a thousand hosts; pauses of up to a quarter of an hour.
    pub fn new() -> Self {
        let limits = Limits {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(15),
            total: Duration::from_secs(30),
            redirects: 5,
            max_bytes: 8 << 20,
            at_once: 4,
            gap: Duration::from_millis(100),
            hosts: 1000,
            max_pause: 15 * MINUTE,
            admits: |_| true,
            ports: Arc::new([0..=u16::MAX]),
        };
        Self { contact: None, name: None, limits, clock: Arc::new(SystemClock::new()) }
    }

    /// Sets who is behind the requests: an address of the web or of mail, as some sites demand. They see it.
    #[must_use]
    pub fn contact(mut self, contact: impl Into<String>) -> Self {
        self.contact = Some(contact.into());
        self
    }

    /// Sets the program that is named to the sites, `reelcache` and its version unless set.
    #[must_use]
    pub fn program(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how long a connection may take to be made.
    #[must_use]
    pub fn connect_limit(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// Sets how long each host may take to begin its answer.
    #[must_use]
    pub fn first_byte_limit(mut self, limit: Duration) -> Self {
        self.limits.first_byte = limit;
        self
    }

    /// Sets how long a request may take in all: with its turn at the host, its redirects and its answer.
    #[must_use]
    pub fn total_limit(mut self, limit: Duration) -> Self {
        self.limits.total = limit;
        self
    }

    /// Sets how many redirects a request follows.
    #[must_use]
    pub fn redirects(mut self, redirects: usize) -> Self {
        self.limits.redirects = redirects;
        self
    }

    /// Sets how many bytes of an answer are read.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_bytes = bytes;
        self
    }

    /// Sets how many requests one host gets at once, at least one.
    #[must_use]
    pub fn at_once(mut self, requests: usize) -> Self {
        self.limits.at_once = requests.max(1);
        self
    }

    /// Sets how long after one request the next to the same host may begin.
    #[must_use]
    pub fn gap(mut self, gap: Duration) -> Self {
        self.limits.gap = gap;
        self
    }

    /// Sets how many hosts are remembered, at least one. With as many asked at once, requests for others fail.
    #[must_use]
    pub fn hosts(mut self, hosts: usize) -> Self {
        self.limits.hosts = hosts.max(1);
        self
    }

    /// Sets how long a host is left alone at most, whatever it asks for.
    #[must_use]
    pub fn max_pause(mut self, pause: Duration) -> Self {
        self.limits.max_pause = pause;
        self
    }

    /// Sets which addresses are connected to, whoever names them: links, redirects, the name service. All unless set. A
    /// service that fetches what strangers ask for leaves out its own machine and network. Each connection goes to an
    /// address that was asked about, so a name that changes its mind gets nowhere.
    #[must_use]
    pub fn admit(mut self, admits: fn(IpAddr) -> bool) -> Self {
        self.limits.admits = admits;
        self
    }

    /// Sets which ports are connected to, whoever names them. All unless set. Behind others than those of the web are services
    /// that are not meant to be asked by strangers.
    #[must_use]
    pub fn ports(mut self, ports: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        self.limits.ports = ports.into_iter().collect();
        self
    }

    /// Sets the clock that the validity of links is reckoned by.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(super) fn user_agent(&self) -> String {
        let name = self.name.as_deref().unwrap_or(concat!("reelcache/", env!("CARGO_PKG_VERSION")));
        self.contact.as_ref().map_or_else(|| name.to_owned(), |contact| format!("{name} ({contact})"))
    }
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self::new()
    }
}
