//! The settings themselves.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cache_core::{DAY, HOUR, MINUTE, PolicyKind};
use pipeline::{Fingerprinting, Pick, Precision, Resource};

use super::Config;
use super::artifacts::ApiKey;
use super::limit::OrOff;
use super::names::Names;
use super::public_url::PublicUrl;
use super::secret::{Address, Secret, Secrets};
use super::table::{Setting, settings};
use super::values::{Raw, Value, read};
use super::words::{Paths, Words};
use crate::kinds::{ArtifactKind, Kinds};
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
        /// Whether the tiers other than memory keep text, JSON and MessagePack compressed, with zstd; pictures, sound and films
        /// are left alone. What is compressed is read in any case
        compression: bool = true; "CACHE_COMPRESSION"; --"compression" "BOOL";
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
        /// Secret by which entries in Redis and in object stores are signed: what others wrote there is not believed, and
        /// removed where it is met. All that share a tier need the same
        signing_key: Option<Secret> = None; "CACHE_SIGNING_KEY";
        /// Former ones that are believed as well, until what they signed has expired; 8 at most
        former_signing_keys: Secrets = Secrets::default(); "CACHE_FORMER_SIGNING_KEYS";
    }

    /// The server: where it listens, whom it answers and how much at a time.
    serve: Serve {
        /// Address to listen on: of loopback unless there is an admin token
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 7878)); "REELCACHE_LISTEN"; --"listen" "ADDRESS";
        /// Names that the server answers to besides those of loopback and the address that it listens on: a request for another
        /// name is refused. Who has others than this machine ask, through a proxy too, needs an admin token
        hosts: Names = Names::default(); "REELCACHE_HOSTS"; --"hosts" "NAMES";
        /// Where clients reach the server, for the addresses in playlists; unless set, by HTTP at the host that was asked.
        /// Behind a proxy, its address
        public_url: Option<PublicUrl> = None; "REELCACHE_PUBLIC_URL"; --"public-url" "URL";
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
        /// Of these, connections of one other machine; further ones are closed at once. Behind a proxy on another machine all
        /// are that machine's
        max_connections_each: u64 = 64; "REELCACHE_MAX_CONNECTIONS_EACH";
        /// Administrative requests at once; further ones are told to come later. As many more read artifacts; others wait
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

    /// Artifacts of videos: what makes them, how long they are kept, and which files may be asked for over HTTP.
    pipeline: Pipeline {
        /// Which artifacts are made; unless set, keyframes and all that a program or a model is set for
        kinds: Option<Kinds> = None; "REELCACHE_KINDS"; --"kinds" "KINDS";
        /// Videos worked on at once, 64 at most
        jobs: u64 = 2; "REELCACHE_JOBS"; --"jobs" "COUNT";
        /// How long artifacts are kept, but never longer than `cache.ttl`; `off` leaves them to that and to eviction
        lifetime: OrOff<Duration> = OrOff::On(WEEK); "REELCACHE_ARTIFACT_TTL"; --"artifact-ttl" "SPAN";
        /// The same of keyframes and their pictures alone
        keyframes_lifetime: Option<OrOff<Duration>> = None; "REELCACHE_KEYFRAMES_TTL";
        /// The same of transcripts alone
        transcript_lifetime: Option<OrOff<Duration>> = None; "REELCACHE_TRANSCRIPT_TTL";
        /// The same of descriptions alone
        descriptions_lifetime: Option<OrOff<Duration>> = None; "REELCACHE_DESCRIPTIONS_TTL";
        /// The same of embeddings alone
        embeddings_lifetime: Option<OrOff<Duration>> = None; "REELCACHE_EMBEDDINGS_TTL";
        /// What tells one video from another: all of its content, samples of it, or what the file system says of the file
        fingerprint: Fingerprinting = Fingerprinting::Content; "REELCACHE_FINGERPRINT"; --"fingerprint" "HOW";
        /// Stages at once that keep the cores busy
        cpu: u64 = 2; "REELCACHE_CPU";
        /// Stages at once that keep the graphics card busy
        gpu: u64 = 1; "REELCACHE_GPU";
        /// Stages at once that ask servers
        net: u64 = 8; "REELCACHE_NET";
        /// Directory of temporary files; unless set, that of the system
        scratch: Option<PathBuf> = None; "REELCACHE_SCRATCH";
        /// Most keyframes of a video, 100,000 at most; a longer list in the cache answers for a shorter one
        max_frames: u64 = 3000; "REELCACHE_MAX_FRAMES"; --"max-frames" "COUNT";
        /// Which frames: those that stand on their own, any, or those that differ from the one before by more than this
        pick: Pick = Pick::Key; "REELCACHE_PICK"; --"pick" "PICK";
        /// At most one frame in each stretch of this length
        interval: Option<Duration> = None; "REELCACHE_INTERVAL"; --"interval" "SPAN";
        /// JPEG quality, from 2 (best) to 31
        quality: u64 = 3; "REELCACHE_QUALITY"; --"quality" "2-31";
        /// Scale wider frames down to this many pixels
        max_width: Option<u64> = None; "REELCACHE_MAX_WIDTH"; --"max-width" "PIXELS";
        /// Program that hears: `{audio}` stands for a WAV file, `{language}` for the language
        transcriber: Option<Words> = None; "REELCACHE_TRANSCRIBER"; --"transcriber" "COMMAND";
        /// Version of that program and its model: another one makes other transcripts
        transcriber_version: Option<String> = None; "REELCACHE_TRANSCRIBER_VERSION";
        /// Language that is spoken, as the program calls it; unless set, it is to find out
        language: Option<String> = None; "REELCACHE_LANGUAGE"; --"language" "NAME";
        /// How much is heard at once, and lost at most when it ends early
        transcriber_segment: Duration = FIVE_MINUTES; "REELCACHE_TRANSCRIBER_SEGMENT";
        /// How much around that is heard too, so that no word is cut in two
        transcriber_overlap: Duration = Duration::from_secs(4); "REELCACHE_TRANSCRIBER_OVERLAP";
        /// What that program keeps busy
        transcriber_on: Resource = Resource::Cpu; "REELCACHE_TRANSCRIBER_ON";
        /// Program that describes a keyframe: `{image}` stands for a JPEG file
        describer: Option<Words> = None; "REELCACHE_DESCRIBER"; --"describer" "COMMAND";
        /// Version of that program and its model
        describer_version: Option<String> = None; "REELCACHE_DESCRIBER_VERSION";
        /// Server with the API of `OpenAI` that describes keyframes instead, such as `http://localhost:8080/v1`
        describer_url: Option<Address> = None; "REELCACHE_DESCRIBER_URL"; --"describer-url" "URL";
        /// Model there
        describer_model: Option<String> = None; "REELCACHE_DESCRIBER_MODEL"; --"describer-model" "NAME";
        /// What tells that model from an earlier one of the same name
        describer_revision: Option<String> = None; "REELCACHE_DESCRIBER_REVISION";
        /// Key for that server
        describer_key: Option<ApiKey> = None; "REELCACHE_DESCRIBER_KEY";
        /// What that model is asked
        describer_prompt: String = PROMPT.to_owned(); "REELCACHE_DESCRIBER_PROMPT";
        /// Longest description by that model, in tokens
        describer_tokens: u64 = 200; "REELCACHE_DESCRIBER_TOKENS";
        /// What describing keeps busy; unless set, the cores with a program and the net with a server
        describer_on: Option<Resource> = None; "REELCACHE_DESCRIBER_ON";
        /// Which texts are embedded: `transcript` or `descriptions`; unless set, the first of them that is made
        embed: Option<ArtifactKind> = None; "REELCACHE_EMBED"; --"embed" "KIND";
        /// Program that embeds texts: `{texts}` stands for a JSON file with a list of them
        embedder: Option<Words> = None; "REELCACHE_EMBEDDER"; --"embedder" "COMMAND";
        /// Version of that program and its model
        embedder_version: Option<String> = None; "REELCACHE_EMBEDDER_VERSION";
        /// Server with the API of `OpenAI` that embeds texts instead
        embedder_url: Option<Address> = None; "REELCACHE_EMBEDDER_URL"; --"embedder-url" "URL";
        /// Model there
        embedder_model: Option<String> = None; "REELCACHE_EMBEDDER_MODEL"; --"embedder-model" "NAME";
        /// What tells that model from an earlier one of the same name
        embedder_revision: Option<String> = None; "REELCACHE_EMBEDDER_REVISION";
        /// Key for that server
        embedder_key: Option<ApiKey> = None; "REELCACHE_EMBEDDER_KEY";
        /// How many numbers a vector has to have; unless set, as many as come
        embedder_dimensions: Option<u64> = None; "REELCACHE_EMBEDDER_DIMENSIONS";
        /// How exactly numbers are kept: in four bytes or in two
        embedder_precision: Precision = Precision::Single; "REELCACHE_EMBEDDER_PRECISION";
        /// What embedding keeps busy; unless set, the cores with a program and the net with a server
        embedder_on: Option<Resource> = None; "REELCACHE_EMBEDDER_ON";
        /// Longest run of one of those programs
        command_limit: Duration = HALF_AN_HOUR; "REELCACHE_COMMAND_LIMIT";
        /// Requests at once to one of those servers
        requests: u64 = 4; "REELCACHE_REQUESTS";
        /// Requests to one of those servers in a minute
        requests_per_minute: OrOff<u64> = OrOff::Off; "REELCACHE_REQUESTS_PER_MINUTE";
        /// How often a request to one of those servers is made at most
        request_tries: u64 = 4; "REELCACHE_REQUEST_TRIES";
        /// Longest time for an answer of one of those servers
        request_limit: Duration = Duration::from_mins(2); "REELCACHE_REQUEST_LIMIT";
        /// Folders of which the server processes files when it is asked to, and no others
        roots: Paths = Paths::default(); "REELCACHE_ROOTS"; --"roots" "PATHS";
        /// Videos that wait to be processed by the server; further ones are told to come later
        queue: u64 = 16; "REELCACHE_QUEUE";
        /// Longest video behind a link that the server processes
        max_remote: ByteCount = ByteCount(4 << 30); "REELCACHE_MAX_REMOTE";
        /// Longest time that a video may take that the server was asked for
        job_limit: Duration = Duration::from_hours(6); "REELCACHE_JOB_LIMIT";
    }
}

const WEEK: Duration = Duration::from_hours(7 * 24);
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);
/// What a model that sees is asked unless something else is set.
const PROMPT: &str = "Describe this frame of a video in one or two plain sentences. Quote any text in it.";

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
        section: "cache",
        name: "signing_key_file",
        instead_of: Some("cache.signing_key"),
        doc: &["File with the secret by which entries are signed, in a line of its own"],
        variable: "CACHE_SIGNING_KEY_FILE",
        unit: None,
        flag: Some(("signing-key-file", "FILE")),
        expected: PathBuf::EXPECTED,
        is_secret: false,
        read: |config, raw| token_in(raw).map(|key| config.cache.signing_key = Some(key)),
        show: |config| config.cache.signing_key.show(),
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
    Setting {
        section: "pipeline",
        name: "describer_key_file",
        instead_of: Some("pipeline.describer_key"),
        doc: &["File with the key for the server that describes, in a line of its own"],
        variable: "REELCACHE_DESCRIBER_KEY_FILE",
        unit: None,
        flag: None,
        expected: PathBuf::EXPECTED,
        is_secret: false,
        read: |config, raw| key_in(raw).map(|key| config.pipeline.describer_key = Some(key)),
        show: |config| config.pipeline.describer_key.show(),
    },
    Setting {
        section: "pipeline",
        name: "embedder_key_file",
        instead_of: Some("pipeline.embedder_key"),
        doc: &["File with the key for the server that embeds, in a line of its own"],
        variable: "REELCACHE_EMBEDDER_KEY_FILE",
        unit: None,
        flag: None,
        expected: PathBuf::EXPECTED,
        is_secret: false,
        read: |config, raw| key_in(raw).map(|key| config.pipeline.embedder_key = Some(key)),
        show: |config| config.pipeline.embedder_key.show(),
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
    line_in(raw, Secret::new)
}

fn key_in(raw: &Raw) -> Result<ApiKey, String> {
    line_in(raw, ApiKey::of_text)
}

/// What `parse` makes of the one line of a file.
fn line_in<T>(raw: &Raw, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
    let path: PathBuf = read(raw)?;
    let text = super::file::read_bounded(&path, LONGEST_TOKEN).map_err(|why| format!("{}: {why}", path.display()))?;
    parse(text.trim_end_matches(['\r', '\n'])).map_err(|why| format!("what {} holds: {why}", path.display()))
}

impl Config {
    /// What is wrong with settings that are right each by itself.
    pub(super) fn contradiction(&self) -> Option<String> {
        let Self { cache, serve, torrents, .. } = self;
        let too_small = |name: &str, least: &str| Some(format!("{name} is too small: it is at least {least}"));
        if serve.is_for_others() && serve.admin_token.is_none() {
            let why = if serve.listen.ip().is_loopback() {
                "serve.hosts or serve.public_url is for others than this machine".to_owned()
            } else {
                format!("serve.listen is {}, no loopback address", serve.listen)
            };
            return Some(format!("{why}, which needs an admin token: set serve.admin_token_file"));
        }
        if cache.cleanup_interval.on().is_some_and(|interval| !(SHORTEST_INTERVAL..=DAY).contains(&interval)) {
            return Some(
                "cache.cleanup_interval is out of range: it is at least 1s, or off, and at most 1d".to_owned(),
            );
        }
        if cache.signing_key.is_none() && !cache.former_signing_keys.is_empty() {
            return Some("cache.former_signing_keys are of no use without cache.signing_key: set that too".to_owned());
        }
        if let Some(why) = self.pipeline.contradiction() {
            return Some(why);
        }
        match serve {
            _ if serve.max_connections == 0 => too_small("serve.max_connections", "1"),
            _ if serve.max_connections_each == 0 => too_small("serve.max_connections_each", "1"),
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
