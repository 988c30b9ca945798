//! The tiers that this process runs, opened as the user names them.

mod lived;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Error, ErrorKind, EvictionListener, PolicyKind, Result, SystemClock};
use cache_file::{FileBackend, FileConfig};
use cache_layers::{Algorithm, Breaker, Compressed, Metered, Signed, SigningKey};
use cache_mem::{MemBackend, MemBackendBuilder};
use cache_redis::{RedisBackend, RedisOptions, Start};
use cache_s3::{ObjectBackend, ObjectConfig};
use cache_sqlite::{SqliteBackend, SqliteConfig};
use cache_tiered::{Forecast, TierOptions, Tiered};

use crate::config::Cache;
use crate::evictions::Evictions;
use crate::tiers::TierKind;
use crate::units::ByteCount;
use lived::Lived;
pub(crate) use lived::Longest;

/// The longest body in memory and in Redis where another tier has room for longer ones, in bytes.
const LONGEST_IN_SMALL: u64 = 1 << 20;

/// The open tiers and where each keeps its entries. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) tiers: Tiered,
    /// For each tier, the nearest first, its name and where it is, without passwords.
    pub(crate) places: Vec<String>,
    /// The tiers one by one, with their names: for looking at what each has. What is written goes through all of them.
    pub(crate) parts: Arc<[Part]>,
    /// The longest that anything is kept which is put from here on.
    pub(crate) longest: Longest,
}

/// One tier of a stack.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: Arc<str>,
    pub(crate) kind: TierKind,
    pub(crate) backend: Arc<dyn Backend>,
    /// What left it by itself last; of Redis and object stores, which drop by themselves, nothing is known.
    pub(crate) evictions: Arc<Evictions>,
}

/// A tier of which there is nothing yet.
#[derive(Debug)]
pub(crate) struct Absent {
    pub(crate) kind: TierKind,
    /// Its name and where it would be.
    pub(crate) place: String,
}

/// The tiers that the user asks for, not yet opened.
#[derive(Debug)]
pub(crate) struct Plan {
    tiers: Vec<Planned>,
    /// The longest that anything is kept, if there is such a limit.
    longest: Option<Duration>,
    /// Whether what is put beyond memory is compressed. What is compressed already is read in any case.
    compresses: bool,
    /// What entries are signed with where others may write, the key that signs first; none leaves them unsigned.
    keys: Vec<SigningKey>,
}

#[derive(Debug)]
enum Planned {
    Memory(ByteCount, MemBackendBuilder),
    File(PathBuf, FileConfig),
    Sqlite(SqliteConfig),
    Redis(String, RedisOptions),
    S3(String, ObjectConfig),
}

impl Plan {
    /// What `cache` says.
    ///
    /// # Errors
    /// `Invalid` when an address is none, or missing.
    pub(crate) fn of(cache: &Cache) -> Result<Self> {
        let tiers = cache.tiers.iter().map(|kind| Planned::of(kind, cache)).collect::<Result<_>>()?;
        let keys = cache.signing_key.iter().chain(cache.former_signing_keys.iter());
        let keys = keys.map(|key| SigningKey::of(key.expose().as_bytes())).collect::<Result<_>>()?;
        Ok(Self { tiers, longest: cache.ttl.on(), compresses: cache.compression, keys })
    }

    /// The tiers that can be looked at without making anything, and those that cannot: they are kept in a directory of this
    /// machine where nothing is yet.
    pub(crate) async fn of_what_is_there(self) -> (Self, Vec<Absent>) {
        let Self { tiers, longest, compresses, keys } = self;
        // What cannot be told is told when it is opened.
        let looked = |tier: &Planned| {
            let place = tier.place();
            async move {
                match place {
                    Some(place) => tokio::task::spawn_blocking(move || is_bare(&place)).await.unwrap_or(false),
                    None => false,
                }
            }
        };
        let (mut there, mut absent) = (Vec::new(), Vec::new());
        for tier in tiers {
            if looked(&tier).await {
                absent.push(Absent { kind: tier.kind(), place: tier.to_string() });
            } else {
                there.push(tier);
            }
        }
        (Self { tiers: there, longest, compresses, keys }, absent)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// Whether anything is in it that outlives a process.
    pub(crate) fn has_lasting(&self) -> bool {
        self.tiers.iter().any(|tier| tier.kind() != TierKind::Memory)
    }

    /// Opens the tiers. Redis and object stores need not answer yet: a stack starts during their outages.
    ///
    /// # Errors
    /// When the directory cannot be used: another process has it, it is read-only, it is no directory.
    pub(crate) async fn open(self) -> Result<Stack> {
        let mut builder = Tiered::builder();
        let (mut places, mut parts) = (Vec::new(), Vec::new());
        let has_large = self.tiers.iter().any(Planned::is_large);
        let (longest, compresses) = (Longest::new(self.longest), self.compresses);
        for tier in self.tiers {
            places.push(tier.to_string());
            let options = if has_large && !tier.is_large() { small() } else { TierOptions::new() };
            let kind = tier.kind();
            // What nobody signed is counted as the miss that it is, so its measure is around it.
            let evictions = Arc::new(Evictions::new(Arc::new(SystemClock::new())));
            let opened = signed(kind, tier.open(evictions.clone()).await?, &self.keys);
            let opened: Arc<dyn Backend> = Arc::new(Metered::new(opened));
            let backend = layered(kind, opened, compresses, longest.clone());
            parts.push(Part { name: backend.info().name, kind, backend: backend.clone(), evictions });
            builder = builder.tier_with(backend, options);
        }
        Ok(Stack { tiers: builder.build()?, places, parts: parts.into(), longest })
    }
}

/// How a small tier is treated beside a large one: parts of films, pictures and sound would push all else out of it, and
/// are as good in the large one.
fn small() -> TierOptions {
    let is_media = |forecast: &Forecast| {
        // By its type alone: the table of three thousand keyframes is long, and what is asked for most.
        let mut of_type = forecast.clone();
        of_type.weight = None;
        pipeline::is_bulk(&of_type)
    };
    TierOptions::new().max_body(LONGEST_IN_SMALL).admit(move |forecast| !is_media(forecast))
}

/// `opened` with its entries signed, where others may write to it. Nothing is between the two: what is decompressed and read
/// any further was verified before, and deadlines are signed as they are stored.
fn signed(kind: TierKind, opened: Arc<dyn Backend>, keys: &[SigningKey]) -> Arc<dyn Backend> {
    match (kind, keys) {
        (TierKind::Redis | TierKind::S3, [key, former @ ..]) => {
            Arc::new(former.iter().cloned().fold(Signed::new(opened, key.clone()), Signed::accept))
        }
        _ => opened,
    }
}

/// `opened` in its layers. Deadlines are shortened first: what is further in compresses, or vouches for, exactly what is
/// stored, and nothing changes it after that.
fn layered(kind: TierKind, opened: Arc<dyn Backend>, compresses: bool, longest: Longest) -> Arc<dyn Backend> {
    let stored: Arc<dyn Backend> = match kind {
        TierKind::Memory => opened,
        // Those that compress nothing read what others have compressed, or this one before.
        _ if !compresses => Arc::new(Compressed::new(opened).min_len(u64::MAX)),
        _ => Arc::new(Compressed::new(opened).binary(Algorithm::Zstd)),
    };
    Arc::new(Lived::new(stored, longest))
}

impl Planned {
    fn of(kind: TierKind, cache: &Cache) -> Result<Self> {
        let (disk, entries) = (cache.disk.0, cache.max_entries.or(u64::MAX));
        Ok(match kind {
            TierKind::Memory => {
                let memory = MemBackend::builder(cache.memory.0).entries(entries);
                Self::Memory(cache.memory, memory.policy(cache.policy.unwrap_or_default()))
            }
            TierKind::File => {
                let dir = cache.directory()?;
                let file = FileConfig::new(&dir).capacity(disk).entries(entries).free_floor(cache.disk_reserve.0);
                Self::File(dir, file.policy(cache.policy.unwrap_or(PolicyKind::S3Fifo)))
            }
            // Apart from what the file tier keeps in the directory itself.
            TierKind::Sqlite => {
                let path = cache.directory()?.join("sqlite").join("cache.db");
                Self::Sqlite(SqliteConfig::new(path).capacity(disk).entries(entries))
            }
            TierKind::Redis => {
                let options = RedisOptions::from_url(cache.redis.expose())?.start(Start::Lazy);
                Self::Redis(cache.redis.to_string(), options)
            }
            TierKind::S3 => {
                let url = cache.s3.as_ref().ok_or_else(|| {
                    Error::new(ErrorKind::Invalid, "the s3 tier needs an address: give --s3 URL or set CACHE_S3_URL")
                })?;
                Self::S3(url.to_string(), ObjectConfig::parse(url.expose())?)
            }
        })
    }

    /// Whether it has room for parts of films.
    fn is_large(&self) -> bool {
        matches!(self, Self::File(..) | Self::Sqlite(_) | Self::S3(..))
    }

    fn kind(&self) -> TierKind {
        match self {
            Self::Memory(..) => TierKind::Memory,
            Self::File(..) => TierKind::File,
            Self::Sqlite(_) => TierKind::Sqlite,
            Self::Redis(..) => TierKind::Redis,
            Self::S3(..) => TierKind::S3,
        }
    }

    /// Where on this machine it is kept, if it is.
    fn place(&self) -> Option<PathBuf> {
        match self {
            Self::File(dir, _) => Some(dir.clone()),
            Self::Sqlite(config) => Some(config.path().to_owned()),
            Self::Memory(..) | Self::Redis(..) | Self::S3(..) => None,
        }
    }

    /// `listener` hears of what leaves it by itself, where that is this process's doing.
    async fn open(self, listener: Arc<dyn EvictionListener>) -> Result<Arc<dyn Backend>> {
        Ok(match self {
            Self::Memory(_, memory) => Arc::new(memory.listener(listener).build()),
            Self::File(_, config) => Arc::new(FileBackend::open(config.listener(listener)).await?),
            Self::Sqlite(config) => {
                make_folder_of(config.path()).await?;
                Arc::new(SqliteBackend::open(config.listener(listener)).await?)
            }
            // What is out of reach is not asked by everyone.
            Self::Redis(_, redis) => Arc::new(Breaker::new(RedisBackend::open(redis).await?)),
            Self::S3(_, config) => Arc::new(Breaker::new(ObjectBackend::open(config).await?)),
        })
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes, _) => write!(f, "memory {bytes}"),
            Self::File(dir, _) => write!(f, "file {}", dir.display()),
            Self::Sqlite(config) => write!(f, "sqlite {}", config.path().display()),
            Self::Redis(place, _) => write!(f, "redis {place}"),
            Self::S3(place, _) => write!(f, "s3 {place}"),
        }
    }
}

/// Whether there is nothing at `place`, or a directory without anything in it. Blocks.
fn is_bare(place: &Path) -> bool {
    match std::fs::read_dir(place) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

async fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path).to_owned();
    let told = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Unavailable, format!("cannot make a folder for {}", path.display())).with_source(error)
    };
    let made = tokio::task::spawn_blocking(|| std::fs::create_dir_all(folder)).await;
    made.map_err(|error| told(error.into()))?.map_err(|error| told(error.into()))
}

#[cfg(test)]
mod tests;
