//! The command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use cache_core::{Error, ErrorKind, Result};
use clap::{Args, Parser, Subcommand, value_parser};

use crate::reach::{Ports, Reach};
use crate::tiers::{TierKind, TierList};
use crate::units::ByteCount;

/// A multi-tier read-through cache for media.
#[derive(Debug, Parser)]
#[command(name = "reelcache", version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

const EXIT_CODES: &str = "Without a command it serves. Exit codes: 0 done, 1 failed, 2 wrong usage, \
3 bad input file, 4 a program such as ffmpeg is missing, 5 the cache directory cannot be used, \
128 + N ended by signal N. One process at a time uses a cache directory.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve health, figures and a first page over HTTP (the default)
    Serve(ServeArgs),
    /// Extract the keyframes of videos, or find them in the cache
    Process(ProcessArgs),
}

/// The variables that say what `--tiers` and `--backend` say.
const TIERS: &str = "CACHE_TIERS";
const BACKEND: &str = "CACHE_BACKEND";

/// Where the cache is and how much it may hold.
#[derive(Args)]
pub(crate) struct CacheArgs {
    /// Tiers, the nearest first, of memory, file, sqlite, redis and s3 [env: `CACHE_TIERS`] [default: memory,file]
    // A variable must not get into the way of the other flag: it is looked up when there is neither.
    #[arg(long, global = true, value_name = "TIERS")]
    pub(crate) tiers: Option<TierList>,

    /// The only tier [env: `CACHE_BACKEND`]
    #[arg(long, global = true, value_name = "TIER", conflicts_with = "tiers")]
    pub(crate) backend: Option<TierKind>,

    /// Redis or Valkey, by `redis://`, `redis-cluster://` or `redis-sentinel://`; `rediss` for TLS
    #[arg(
        long,
        global = true,
        env = "CACHE_REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "redis://127.0.0.1:6379"
    )]
    pub(crate) redis: String,

    /// Object store, such as `s3://BUCKET/PREFIX?endpoint=ADDRESS` or `file:///PATH`
    #[arg(long, global = true, env = "CACHE_S3_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) s3: Option<String>,

    /// Directory of the file and the sqlite tier [default: reelcache in the user's cache directory]
    #[arg(long, global = true, env = "REELCACHE_DIR", value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,

    /// Budget of the file tier, and of the entries of the sqlite tier: its file takes more, by pages that are not full, up to an
    /// eighth of free ones, and a log
    #[arg(long, global = true, default_value = "10GiB", value_name = "BYTES")]
    pub(crate) disk: ByteCount,

    /// Budget of the memory tier
    #[arg(long, global = true, default_value = "256MiB", value_name = "BYTES")]
    pub(crate) memory: ByteCount,
}

/// Without the addresses of servers, which may hold passwords.
impl fmt::Debug for CacheArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tiers, backend, redis: _, s3: _, cache_dir, disk, memory } = self;
        let mut args = f.debug_struct("CacheArgs");
        args.field("tiers", tiers).field("backend", backend).field("cache_dir", cache_dir);
        args.field("disk", disk).field("memory", memory).finish_non_exhaustive()
    }
}

impl CacheArgs {
    /// The tiers that are asked for: by a flag, or else by a variable of the environment.
    ///
    /// # Errors
    /// `Invalid` when there is no flag and both variables are set, or one has a wrong value.
    pub(crate) fn tier_list(&self) -> Result<TierList> {
        self.tiers_from(|name| std::env::var_os(name))
    }

    fn tiers_from(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<TierList> {
        if let Some(chosen) = self.backend.map(TierList::from).or_else(|| self.tiers.clone()) {
            return Ok(chosen);
        }
        match (variable(TIERS), variable(BACKEND)) {
            (Some(_), Some(_)) => {
                Err(Error::new(ErrorKind::Invalid, format!("{TIERS} and {BACKEND} are both set: unset one of them")))
            }
            (Some(tiers), None) => value_of(TIERS, &tiers),
            (None, Some(tier)) => value_of::<TierKind>(BACKEND, &tier).map(TierList::from),
            (None, None) => Ok(TierList::from([TierKind::Memory, TierKind::File])),
        }
    }
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; loopback only
    #[arg(long, default_value = "127.0.0.1:7878", value_name = "ADDRESS", value_parser = loopback)]
    pub(crate) listen: SocketAddr,

    /// Addresses that links are fetched from
    #[arg(long, env = "CACHE_REACH", value_enum, default_value_t)]
    pub(crate) reach: Reach,

    /// Ports that links are fetched from: a list of numbers and ranges
    #[arg(long, env = "CACHE_REACH_PORTS", default_value = "80,443", value_name = "PORTS")]
    pub(crate) reach_ports: Ports,
}

impl ServeArgs {
    /// Those of a server that nobody names: defaults, and what variables say. A wrong variable ends the process.
    pub(crate) fn of_environment() -> Self {
        #[derive(Parser)]
        #[command(name = "reelcache")]
        struct Alone {
            #[command(flatten)]
            serve: ServeArgs,
        }
        Alone::parse_from(["reelcache"]).serve
    }
}

fn value_of<T: FromStr<Err = String>>(variable: &str, value: &OsStr) -> Result<T> {
    let wrong = |why: &str| Error::new(ErrorKind::Invalid, format!("the value of {variable} is wrong: {why}"));
    value.to_str().ok_or_else(|| wrong("it is no text"))?.parse().map_err(|why: String| wrong(&why))
}

/// The server has no access control, so it is not for other machines.
fn loopback(text: &str) -> std::result::Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "not an address: write for example 127.0.0.1:7878".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("not a loopback address, such as 127.0.0.1".to_owned()) }
}

/// Arguments of `process`.
#[derive(Debug, Args)]
pub(crate) struct ProcessArgs {
    /// Video files; one named twice is answered from memory the second time
    #[arg(required = true, value_name = "VIDEO")]
    pub(crate) videos: Vec<PathBuf>,

    /// Most keyframes to keep
    #[arg(long, default_value_t = 3000, value_name = "COUNT", value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) max_frames: u32,

    /// JPEG quality, from 2 (best) to 31
    #[arg(long, default_value_t = 3, value_name = "2-31", value_parser = value_parser!(u8).range(2..=31))]
    pub(crate) quality: u8,

    /// Scale wider frames down to this many pixels
    #[arg(long, value_name = "PIXELS", value_parser = value_parser!(u32).range(16..=65_500))]
    pub(crate) max_width: Option<u32>,

    /// Write the frames and keyframes.json to this directory, in a folder with the name of the video
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Print one line of JSON for each video instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves_on_loopback() {
        let cli = Cli::try_parse_from(["reelcache"]).unwrap();
        assert!(cli.command.is_none());
        let serve = ServeArgs::of_environment();
        assert!(serve.listen.ip().is_loopback());
        assert_eq!((serve.reach, serve.reach_ports), (Reach::Public, Ports::default()));
    }

    #[test]
    fn tiers_are_memory_and_file_unless_named() {
        let tiers = |words: &[&str]| {
            let cli = Cli::try_parse_from([&["reelcache"], words].concat())?;
            let chosen = cli.cache.tiers_from(|_| None).unwrap();
            Ok::<_, clap::Error>(chosen.iter().map(TierKind::name).collect::<Vec<_>>().join(","))
        };
        assert_eq!(tiers(&[]).unwrap(), "memory,file");
        assert_eq!(tiers(&["--backend", "sqlite"]).unwrap(), "sqlite");
        assert_eq!(tiers(&["--tiers", "memory,redis,s3"]).unwrap(), "memory,redis,s3");
        assert!(tiers(&["--tiers", "memory", "--backend", "file"]).is_err());
        assert!(tiers(&["--backend", "disk"]).unwrap_err().to_string().contains("memory, file, sqlite, redis, s3"));
    }

    #[test]
    fn a_flag_wins_over_both_variables_and_two_of_a_sort_are_an_error() {
        let tiers = |words: &[&str], set: &[(&str, &str)]| {
            let cli = Cli::try_parse_from([&["reelcache"], words].concat()).unwrap();
            let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            let chosen = cli.cache.tiers_from(value).map_err(|error| error.to_string())?;
            Ok::<_, String>(chosen.iter().map(TierKind::name).collect::<Vec<_>>().join(","))
        };
        let both = [(TIERS, "memory,s3"), (BACKEND, "sqlite")];
        assert_eq!(tiers(&["--backend", "memory"], &both).unwrap(), "memory");
        assert_eq!(tiers(&["--tiers", "memory,redis"], &both).unwrap(), "memory,redis");
        assert_eq!(tiers(&[], &both[..1]).unwrap(), "memory,s3");
        assert_eq!(tiers(&[], &both[1..]).unwrap(), "sqlite");
        assert!(tiers(&[], &both).unwrap_err().contains("CACHE_TIERS and CACHE_BACKEND are both set"));
        assert!(tiers(&[], &[(TIERS, "memory,disk")]).unwrap_err().contains("CACHE_TIERS"));
    }

    #[test]
    fn debug_shows_no_password() {
        let cli = Cli::try_parse_from(["reelcache", "--redis", "redis://:hush@h", "--s3", "s3://b?secret=hush"]);
        assert!(!format!("{:?}", cli.unwrap()).contains("hush"));
    }

    #[test]
    fn unknown_flags_are_errors() {
        assert!(Cli::try_parse_from(["reelcache", "process", "a.mp4", "--max-frame", "3"]).is_err());
        assert!(Cli::try_parse_from(["reelcache", "process"]).is_err());
    }
}
