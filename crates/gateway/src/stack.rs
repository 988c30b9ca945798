//! The tiers that this process runs, opened as the user names them.

use std::fmt;
use std::path::{Path, PathBuf};

use cache_core::{Entry, Error, ErrorKind, Result};
use cache_file::{FileBackend, FileConfig};
use cache_layers::Breaker;
use cache_mem::MemBackend;
use cache_redis::{RedisBackend, RedisOptions, Start};
use cache_s3::{ObjectBackend, ObjectConfig};
use cache_sqlite::{SqliteBackend, SqliteConfig};
use cache_tiered::{TierOptions, Tiered, TieredBuilder};

use crate::cli::CacheArgs;
use crate::dirs;
use crate::tiers::TierKind;
use crate::units::ByteCount;

/// The longest body in memory and in Redis where another tier has room for longer ones, in bytes.
const LONGEST_IN_SMALL: u64 = 1 << 20;

/// The open tiers and where each keeps its entries. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) tiers: Tiered,
    /// For each tier, the nearest first, its name and where it is, without passwords.
    pub(crate) places: Vec<String>,
}

/// The tiers that the user asks for, not yet opened.
#[derive(Debug)]
pub(crate) struct Plan(Vec<Planned>);

#[derive(Debug)]
enum Planned {
    /// With so many bytes.
    Memory(u64),
    File(PathBuf, FileConfig),
    Sqlite(SqliteConfig),
    Redis(String, RedisOptions),
    S3(String, ObjectConfig),
}

impl Plan {
    /// What `args` say.
    ///
    /// # Errors
    /// `Invalid` when an address is none, or missing, and when variables do not say which tiers.
    pub(crate) fn of(args: &CacheArgs) -> Result<Self> {
        args.tier_list()?.iter().map(|kind| Planned::of(kind, args)).collect::<Result<_>>().map(Self)
    }

    /// Opens the tiers. Redis and object stores need not answer yet: a stack starts during their outages.
    ///
    /// # Errors
    /// When the directory cannot be used: another process has it, it is read-only, it is no directory.
    pub(crate) async fn open(self) -> Result<Stack> {
        let mut builder = Tiered::builder();
        let mut places = Vec::new();
        // Parts of films would push all else out of the small tiers, and are as good in the large ones.
        let short = if self.0.iter().any(Planned::is_large) { LONGEST_IN_SMALL } else { Entry::MAX_BODY };
        for tier in self.0 {
            places.push(tier.to_string());
            let most = if tier.is_large() { Entry::MAX_BODY } else { short };
            builder = tier.add_to(builder, TierOptions::new().max_body(most)).await?;
        }
        Ok(Stack { tiers: builder.build()?, places })
    }
}

impl Planned {
    fn of(kind: TierKind, args: &CacheArgs) -> Result<Self> {
        let disk = args.disk.0;
        Ok(match kind {
            TierKind::Memory => Self::Memory(args.memory.0),
            TierKind::File => {
                let dir = dir(args)?;
                let config = FileConfig::new(&dir).capacity(disk);
                Self::File(dir, config)
            }
            // Apart from what the file tier keeps in the directory itself.
            TierKind::Sqlite => {
                Self::Sqlite(SqliteConfig::new(dir(args)?.join("sqlite").join("cache.db")).capacity(disk))
            }
            TierKind::Redis => {
                Self::Redis(public(&args.redis), RedisOptions::from_url(&args.redis)?.start(Start::Lazy))
            }
            TierKind::S3 => {
                let url = args.s3.as_deref().ok_or_else(|| {
                    Error::new(ErrorKind::Invalid, "the s3 tier needs an address: give --s3 URL or set CACHE_S3_URL")
                })?;
                Self::S3(public(url), ObjectConfig::parse(url)?)
            }
        })
    }

    /// Whether it has room for parts of films.
    fn is_large(&self) -> bool {
        matches!(self, Self::File(..) | Self::Sqlite(_) | Self::S3(..))
    }

    async fn add_to(self, builder: TieredBuilder, options: TierOptions) -> Result<TieredBuilder> {
        Ok(match self {
            Self::Memory(bytes) => builder.tier_with(MemBackend::new(bytes), options),
            Self::File(_, config) => builder.tier_with(FileBackend::open(config).await?, options),
            Self::Sqlite(config) => {
                make_folder_of(config.path()).await?;
                builder.tier_with(SqliteBackend::open(config).await?, options)
            }
            // What is out of reach is not asked by everyone.
            Self::Redis(_, redis) => builder.tier_with(Breaker::new(RedisBackend::open(redis).await?), options),
            Self::S3(_, config) => builder.tier_with(Breaker::new(ObjectBackend::open(config).await?), options),
        })
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "memory {}", ByteCount(*bytes)),
            Self::File(dir, _) => write!(f, "file {}", dir.display()),
            Self::Sqlite(config) => write!(f, "sqlite {}", config.path().display()),
            Self::Redis(place, _) => write!(f, "redis {place}"),
            Self::S3(place, _) => write!(f, "s3 {place}"),
        }
    }
}

fn dir(args: &CacheArgs) -> Result<PathBuf> {
    args.cache_dir
        .clone()
        .or_else(dirs::default_cache_dir)
        .ok_or_else(|| Error::new(ErrorKind::Invalid, "no cache directory is known: set HOME or give --cache-dir DIR"))
}

async fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path).to_owned();
    let told = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Unavailable, format!("cannot make a folder for {}", path.display())).with_source(error)
    };
    let made = tokio::task::spawn_blocking(|| std::fs::create_dir_all(folder)).await;
    made.map_err(|error| told(error.into()))?.map_err(|error| told(error.into()))
}

/// A URL without what may be secret in it: who logs in, and all options.
fn public(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (place, _options) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let (before, place) = place.rsplit_once('@').unwrap_or(("", place));
    // A password with a `?` or a `/` in it, not written as it should be, ends where an option or a path seems to.
    let is_unclear = rest.rsplit_once('@').is_some_and(|(all, _)| all.len() > before.len() || before.contains('/'));
    if is_unclear && scheme != "file" { format!("{scheme}://…") } else { format!("{scheme}://{place}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        assert_eq!(public("redis://me:hush@host:6379/2?prefix=a"), "redis://host:6379/2");
        assert_eq!(public("redis://:h@sh@host"), "redis://host");
        assert_eq!(public("s3://bucket/films?secret_access_key=hush"), "s3://bucket/films");
        for unclear in
            ["redis://host?x=@y", "redis://u:12?3@h", "redis://u:12#3@h", "redis://u:12/3@h", "redis://u:1@2?3@h"]
        {
            assert_eq!(public(unclear), "redis://…");
        }
        assert_eq!(public("file:///a?b@c"), "file:///a");
    }
}
