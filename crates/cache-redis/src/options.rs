//! `RedisOptions`: where a `RedisBackend` finds its servers and how much it asks of them.

mod address;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Entry, Result, SystemClock};

pub(crate) use address::Address;

use crate::error::invalid;

/// What makes an encrypted connection trustworthy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trust {
    /// The certificate authorities of the system.
    #[default]
    System,
    /// The certificate authorities in this PEM file, and no other.
    Authorities(PathBuf),
}

/// Whether opening waits for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// Opening fails when no server answers: a wrong address or password is found at once, and the owner decides.
    #[default]
    Connected,
    /// Opening succeeds without a server, after one attempt; the backend connects when there is one. Until then, calls
    /// fail at once. For stacks that must start during an outage of Redis.
    Lazy,
}

/// Where a [`RedisBackend`](crate::RedisBackend) finds its servers and how much it asks of them. Checked when it is
/// opened.
///
/// ```
/// # use cache_redis::RedisOptions;
/// # fn main() -> cache_core::Result<()> {
/// let options = RedisOptions::from_url("rediss://cache:secret@redis.example:6380/2?prefix=films:")?.connections(2);
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisOptions {
    pub(crate) address: Address,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: Option<u8>,
    pub(crate) tls: Option<Trust>,
    pub(crate) name: Arc<str>,
    pub(crate) prefix: Arc<str>,
    pub(crate) max_body: u64,
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) in_flight_bytes: u64,
    pub(crate) expiry_slack: Duration,
    pub(crate) backplane_marks: u32,
    pub(crate) start: Start,
    pub(crate) clock: Arc<dyn Clock>,
}

impl RedisOptions {
    /// From one URL; everything else as in [`single`](Self::single).
    ///
    /// | URL | servers |
    /// |---|---|
    /// | `redis://[user:password@]host[:port][/database]` | one server |
    /// | `redis-cluster://host[:port][?node=host:port&...]` | a cluster, found from any of its nodes |
    /// | `redis-sentinel://host[:port][/database]?sentinelServiceName=name[&node=host:port...]` | the primary that the sentinels name |
    /// | `redis+unix:///path` | one server, by a socket in the file system |
    ///
    /// `rediss` in place of `redis` encrypts. `valkey` and `valkeys` are the same. `&sentinelUsername` and
    /// `&sentinelPassword` log in to sentinels. `&prefix=` is [`prefix`](Self::prefix). User, password and prefix are
    /// percent-encoded.
    ///
    /// # Errors
    /// `Invalid` when it is no such URL, or has an option that those of its kind do not have. The error does not repeat
    /// the URL.
    pub fn from_url(url: &str) -> Result<Self> {
        let parsed = address::parse(url)?;
        let mut options = Self::at(parsed.address);
        options.user = parsed.user;
        options.password = parsed.password;
        options.database = parsed.database;
        options.tls = parsed.encrypted.then_some(Trust::System);
        if let Some(prefix) = parsed.prefix {
            options.prefix = prefix.into();
        }
        Ok(options)
    }

    /// One server: 4 connections, 1 s for a command, 3 s to connect, bodies up to 8 MiB, prefix `reelcache:`.
    pub fn single(host: impl Into<String>, port: u16) -> Self {
        Self::at(Address::Single((host.into(), port)))
    }

    /// A cluster that is found from any of `nodes`, given by host and port.
    pub fn cluster(nodes: impl IntoIterator<Item = (String, u16)>) -> Self {
        Self::at(Address::Cluster(nodes.into_iter().collect()))
    }

    /// The primary that `sentinels`, given by host and port, call `service`.
    pub fn sentinel(sentinels: impl IntoIterator<Item = (String, u16)>, service: impl Into<String>) -> Self {
        let (nodes, service) = (sentinels.into_iter().collect(), service.into());
        Self::at(Address::Sentinel { nodes, service, user: None, password: None })
    }

    /// One server behind a socket in the file system.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Unix(path.into()))
    }

    /// User and password, as `ACL SETUSER` knows them; the user is `"default"` where there are no users.
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self.password = Some(password.into());
        self
    }

    /// Number of the database; 0 unless set. Clusters have no other.
    #[must_use]
    pub fn database(mut self, database: u8) -> Self {
        self.database = Some(database);
        self
    }

    /// Encrypts connections. Certificates are always verified.
    #[must_use]
    pub fn tls(mut self, trust: Trust) -> Self {
        self.tls = Some(trust);
        self
    }

    /// Name in statistics and errors; `"redis"` unless set.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// What every key on the server begins with; `reelcache:` unless set, at most 256 bytes. All of that belongs to
    /// the backend. Braces in it put all keys of a cluster into one slot.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Arc<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Longest body that is taken, in bytes, at most [`Entry::MAX_BODY`]; 8 MiB unless set. A long reply holds up the
    /// short ones behind it on its connection.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Connections to each server, 1 to 64; 4 unless set. Each carries any number of commands at once, and all
    /// commands of one key go over the same one, in their order.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Limit of connecting, and of opening with [`Start::Connected`]; 3 s unless set.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Limit of one command, from its sending to its reply; 1 s unless set. While [`in_flight_bytes`] are in use, a
    /// call first waits for its turn, at most as long again.
    ///
    /// [`in_flight_bytes`]: Self::in_flight_bytes
    #[must_use]
    pub fn command_timeout(mut self, limit: Duration) -> Self {
        self.command_timeout = limit;
        self
    }

    /// Budget for commands under way at once, each of which counts as its bytes and 4 KiB; 64 MiB unless set, at least
    /// 1 MiB. A command above the budget has all of it. Replies do not count.
    #[must_use]
    pub fn in_flight_bytes(mut self, bytes: u64) -> Self {
        self.in_flight_bytes = bytes;
        self
    }

    /// How much later than the backend's clock says the server drops an entry by itself; zero unless set. For clocks
    /// that do not run with the server's, such as those of tests. Reads go by the backend's clock in any case.
    #[must_use]
    pub fn expiry_slack(mut self, slack: Duration) -> Self {
        self.expiry_slack = slack;
        self
    }

    /// How many of the newest marks the backplane remembers for those who come back, at least 1; 10,000 unless set, up
    /// to 100 more in fact. Who has been away for longer hears of a gap. A mark for a key costs the server some 100 bytes.
    #[must_use]
    pub fn backplane_marks(mut self, marks: u32) -> Self {
        self.backplane_marks = marks;
        self
    }

    /// Whether opening waits for a server; [`Start::Connected`] unless set.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// The source of time; a [`SystemClock`] unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let limits = [self.connect_timeout, self.command_timeout];
        let wrong = if self.prefix.is_empty() || self.prefix.len() > 256 {
            "the prefix has 1 to 256 bytes: it keeps the keys of others apart"
        } else if self.max_body > Entry::MAX_BODY {
            "max_body is above the longest body that there is"
        } else if !(1..=64).contains(&self.connections) {
            "connections is outside of 1 to 64"
        } else if limits.iter().any(|limit| limit.is_zero() || *limit > Duration::from_hours(1)) {
            "connect_timeout and command_timeout are above zero and at most an hour"
        } else if self.in_flight_bytes < 1 << 20 {
            "in_flight_bytes is below 1 MiB"
        } else if self.backplane_marks == 0 {
            "backplane_marks is zero: who comes back would always miss some"
        } else if self.address.is_nowhere() {
            "name at least one node"
        } else {
            return Ok(());
        };
        Err(invalid(wrong))
    }

    fn at(address: Address) -> Self {
        Self {
            address,
            user: None,
            password: None,
            database: None,
            tls: None,
            name: Arc::from("redis"),
            prefix: Arc::from("reelcache:"),
            max_body: 8 << 20,
            connections: 4,
            connect_timeout: Duration::from_secs(3),
            command_timeout: Duration::from_secs(1),
            in_flight_bytes: 64 << 20,
            expiry_slack: Duration::ZERO,
            backplane_marks: 10_000,
            start: Start::default(),
            clock: Arc::new(SystemClock::new()),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("address", &self.address)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
