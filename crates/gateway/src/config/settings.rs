//! The settings themselves.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cache_core::{DAY, HOUR, MINUTE, PolicyKind};

use super::Config;
use super::limit::OrOff;
use super::names::Names;
use super::secret::{Address, Secret};
use super::table::{Setting, settings};
use super::values::{Raw, Value, read};
use crate::reach::{Ports, Reach};
use crate::tiers::{TierKind, TierList};
use crate::units::ByteCount;

settings! {
    /// Where entries are kept, how many and how long.
    cache: Cache {
        /// Tiers, the nearest first, of memory, file, sqlite, redis and s3
        tiers: TierList = TierList::from([TierKind::Memory, TierKind::File]); "CACHE_TIERS"; --"tiers" "TIERS";
        /// Whether anything is kept on this machine when the process ends: `false` leaves the file and the sqlite tier out.
        /// Redis and object stores keep what they have
        persistent: bool = true; "CACHE_PERSISTENT"; --"persistent" "BOOL";
        /// Directory of the file and the sqlite tier, and of the file by which commands find a running server; unless set,
        /// `reelcache` in the user's cache directory
        dir: Option<PathBuf> = None; "REELCACHE_DIR"; --"cache-dir" "DIR";
        /// Budget of the memory tier
        memory: ByteCount = ByteCount(256 << 20); "CACHE_MEMORY"; --"memory" "BYTES";
        /// Budget of the file tier, and of the entries of the sqlite tier: its file takes more, by pages that are not full, up
        /// to an eighth of free ones, and a log
        disk: ByteCount = ByteCount(10 << 30); "CACHE_MAX_DISK_MB" in "MB"; --"disk" "BYTES";
        /// Bytes of the file system that the file tier leaves to others: below them it evicts, then takes nothing in
        disk_reserve: ByteCount = ByteCount(0); "CACHE_DISK_RESERVE";
        /// Most entries in each of the memory, the file and the sqlite tier; a film is one, and one for each 2 MiB. Redis and
        /// object stores have limits of their own
        max_entries: OrOff<u64> = OrOff::On(1_000_000); "CACHE_MAX_SIZE"; --"max-entries" "COUNT";
        /// The longest that anything is kept after it was made or confirmed, in every tier; what is put away for less keeps its
        /// own deadline. `0` keeps nothing
        ttl: OrOff<Duration> = OrOff::On(30 * DAY); "CACHE_TTL"; --"ttl" "SPAN";
        /// How long a link is played without asking its origin whether what is there has changed
        recheck: Duration = HOUR; "CACHE_RECHECK"; --"recheck" "SPAN";
        /// How often a running server drops what has expired; `off` leaves it to eviction and to `reelcache sweep`
        cleanup_interval: OrOff<Duration> = OrOff::On(5 * MINUTE); "CACHE_CLEANUP_INTERVAL"; --"cleanup-interval" "SPAN";
        /// Who leaves the memory and the file tier when there is no room; unless set, `agd` in memory and `s3fifo` on disk
        policy: Option<PolicyKind> = None; "CACHE_POLICY"; --"policy" "NAME";
        /// Redis or Valkey, by `redis://`, `redis-cluster://` or `redis-sentinel://`; `rediss` for TLS
        redis: Address = Address::new("redis://127.0.0.1:6379"); "CACHE_REDIS_URL"; --"redis" "URL";
        /// Object store, such as `s3://BUCKET/PREFIX?endpoint=ADDRESS` or `file:///PATH`
        s3: Option<Address> = None; "CACHE_S3_URL"; --"s3" "URL";
    }

    /// The server: where it listens, whom it answers and how much at a time.
    serve: Serve {
        /// Address to listen on: of loopback unless there is an admin token
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 7878)); "REELCACHE_LISTEN"; --"listen" "ADDRESS";
        /// Names that the server answers to besides those of loopback and the address that it listens on: a request for another
        /// name is refused
        hosts: Names = Names::default(); "REELCACHE_HOSTS"; --"hosts" "NAMES";
        /// Token that allows everything. Without one, only programs of this machine may change anything
        admin_token: Option<Secret> = None; "REELCACHE_ADMIN_TOKEN";
        /// Token that allows to read
        read_token: Option<Secret> = None; "REELCACHE_READ_TOKEN";
        /// Addresses that links are fetched from: `public`, or `anywhere`, this machine and private networks included
        reach: Reach = Reach::Public; "CACHE_REACH"; --"reach" "REACH";
        /// Ports that links are fetched from: a list of numbers and ranges
        reach_ports: Ports = Ports::default(); "CACHE_REACH_PORTS"; --"reach-ports" "PORTS";
        /// Connections at once; further ones wait
        max_connections: u64 = 256; "REELCACHE_MAX_CONNECTIONS";
        /// Administrative requests at once; further ones are told to come later
        max_admin_requests: u64 = 4; "REELCACHE_MAX_ADMIN_REQUESTS";
        /// Longest head of a request, 8 KiB or more
        max_head: ByteCount = ByteCount(16 << 10); "REELCACHE_MAX_HEAD";
        /// Longest body of a request
        max_body: ByteCount = ByteCount(64 << 10); "REELCACHE_MAX_BODY";
        /// Time for the head of a request to arrive, the wait for the next request on a connection included, and for its body
        head_timeout: Duration = Duration::from_secs(10); "REELCACHE_HEAD_TIMEOUT";
        /// Time that the other side may take to read what fits into the buffers of the system
        stall_timeout: Duration = MINUTE; "REELCACHE_STALL_TIMEOUT";
        /// Time for running requests to end after a signal
        drain: Duration = Duration::from_secs(10); "REELCACHE_DRAIN"; --"drain" "SPAN";
    }

    /// Torrents: whether they are fetched, and what they may take. Peers and trackers are reached as links are.
    torrents: Torrents {
        /// Whether torrents are fetched. Nothing is connected to before one is played
        enabled: bool = true; "REELCACHE_TORRENTS"; --"torrents" "BOOL";
        /// Whether the DHT is asked for peers: without it, only trackers and links name any. Its nodes are asked whatever
        /// address they have
        dht: bool = true; "REELCACHE_TORRENTS_DHT";
        /// How long peers may take to tell what a torrent holds
        patience: Duration = Duration::from_secs(30); "REELCACHE_TORRENTS_PATIENCE";
        /// How long a torrent goes on after the last read of it
        grace: Duration = MINUTE; "REELCACHE_TORRENTS_GRACE";
        /// Torrents at once; one that nobody reads gives its place to a new one
        at_once: u64 = 4; "REELCACHE_TORRENTS_AT_ONCE";
        /// Peers of one torrent at once
        max_peers: u64 = 50; "REELCACHE_TORRENTS_MAX_PEERS";
        /// The longest file that is fetched
        max_file: ByteCount = ByteCount(100 << 30); "REELCACHE_TORRENTS_MAX_FILE";
        /// Disk for the pieces of all torrents that are being fetched, besides what is kept of them; it is given back when they
        /// end
        disk: ByteCount = ByteCount(100 << 30); "REELCACHE_TORRENTS_DISK";
        /// Bytes of the file system that these pieces leave to others
        disk_reserve: ByteCount = ByteCount(1 << 30); "REELCACHE_TORRENTS_DISK_RESERVE";
    }
}

/// Other ways to write some of them.
const INSTEADS: &[Setting] = &[
    Setting {
        section: "cache",
        name: "backend",
        instead_of: Some("cache.tiers"),
        doc: &["The only tier"],
        variable: "CACHE_BACKEND",
        unit: None,
        flag: Some(("backend", "TIER")),
        expected: TierKind::EXPECTED,
        is_secret: false,
        read: |config, raw| {
            config.cache.tiers = TierList::from(read::<TierKind>(raw)?);
            Ok(())
        },
        show: |config| config.cache.tiers.show(),
    },
    Setting {
        section: "serve",
        name: "admin_token_file",
        instead_of: Some("serve.admin_token"),
        doc: &["File with the admin token, in a line of its own"],
        variable: "REELCACHE_ADMIN_TOKEN_FILE",
        unit: None,
        flag: Some(("admin-token-file", "FILE")),
        expected: PathBuf::EXPECTED,
        is_secret: false,
        read: |config, raw| token_in(raw).map(|token| config.serve.admin_token = Some(token)),
        show: |config| config.serve.admin_token.show(),
    },
    Setting {
        section: "serve",
        name: "read_token_file",
        instead_of: Some("serve.read_token"),
        doc: &["File with the token that allows to read, in a line of its own"],
        variable: "REELCACHE_READ_TOKEN_FILE",
        unit: None,
        flag: Some(("read-token-file", "FILE")),
        expected: PathBuf::EXPECTED,
        is_secret: false,
        read: |config, raw| token_in(raw).map(|token| config.serve.read_token = Some(token)),
        show: |config| config.serve.read_token.show(),
    },
];

/// Every setting.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    PLACES.iter().chain(INSTEADS)
}

/// The shortest pause between cleanups.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The longest file with a token, in bytes.
const LONGEST_TOKEN: u64 = 4096;

fn token_in(raw: &Raw) -> Result<Secret, String> {
    let path: PathBuf = read(raw)?;
    let text = super::file::read_bounded(&path, LONGEST_TOKEN).map_err(|why| format!("{}: {why}", path.display()))?;
    Secret::new(text.trim_end_matches(['\r', '\n'])).map_err(|why| format!("what {} holds: {why}", path.display()))
}

impl Config {
    /// What is wrong with settings that are right each by itself.
    pub(super) fn contradiction(&self) -> Option<String> {
        let Self { cache, serve, torrents, .. } = self;
        let too_small = |name: &str, least: &str| Some(format!("{name} is too small: it is at least {least}"));
        if !serve.listen.ip().is_loopback() && serve.admin_token.is_none() {
            return Some(format!(
                "serve.listen is {}, no loopback address, which needs an admin token: set serve.admin_token_file",
                serve.listen
            ));
        }
        if cache.cleanup_interval.on().is_some_and(|interval| !(SHORTEST_INTERVAL..=DAY).contains(&interval)) {
            return Some(
                "cache.cleanup_interval is out of range: it is at least 1s, or off, and at most 1d".to_owned(),
            );
        }
        match serve {
            _ if serve.max_connections == 0 => too_small("serve.max_connections", "1"),
            _ if serve.max_admin_requests == 0 => too_small("serve.max_admin_requests", "1"),
            // What the library takes at least.
            _ if serve.max_head.0 < 8 << 10 => too_small("serve.max_head", "8KiB"),
            _ if serve.head_timeout.is_zero() => too_small("serve.head_timeout", "1ms"),
            _ if serve.stall_timeout.is_zero() => too_small("serve.stall_timeout", "1ms"),
            _ if torrents.patience.is_zero() => too_small("torrents.patience", "1ms"),
            _ if torrents.at_once == 0 => too_small("torrents.at_once", "1"),
            _ if torrents.max_peers == 0 => too_small("torrents.max_peers", "1"),
            _ => None,
        }
    }
}
