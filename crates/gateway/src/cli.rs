//! The command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use cache_core::{Key, KeyPattern, KeyPrefix};
use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Args, CommandFactory, Parser, Subcommand, value_parser};

use crate::config::{self, Config, Setting};
use crate::exit;
use crate::ops;
use crate::process::Task;
use crate::window::Window;

/// A multi-tier read-through cache for media.
#[derive(Debug, Parser)]
#[command(name = "reelcache", version, about, after_help = exit::help())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The configuration file [env: `REELCACHE_CONFIG`] [default: `reelcache/config.toml` in the user's configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve over HTTP until a signal: a dashboard, links, films, artifacts, figures (the default)
    Serve,
    /// Make artifacts of videos, or find them in the cache: keyframes, transcripts, descriptions, embeddings
    Process(ProcessArgs),
    /// Show what the tiers hold and how they answered
    Stats(StatsArgs),
    /// List entries in the order of their keys
    Ls(LsArgs),
    /// Write the body of an entry to standard output
    Get(GetArgs),
    /// Show what each tier has of a key, and what a read would serve
    Explain(KeyArgs),
    /// Remove the entries whose keys match a pattern, from every tier
    Clear(ClearArgs),
    /// Drop what has expired
    Sweep(Target),
    /// Read everything that tiers keep, to find what is damaged
    Verify(VerifyArgs),
    /// Look links up and make artifacts, so that they are there when they are asked for
    Warm(WarmArgs),
    /// Show how many entries there are below the first parts of keys, and the bytes of each tier
    Du(DuArgs),
    /// Print the configuration that is in force, without secrets
    Config(ConfigArgs),
    /// Check programs, directories, tiers, clock and configuration, and say what to do about what is wrong
    Doctor(DoctorArgs),
    /// Print what makes a shell complete commands and flags
    Completions(CompletionsArgs),
}

/// Which cache, and how to print.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The running server to ask, such as `http://127.0.0.1:7878`; unless given, the one that uses the cache directory, and
    /// without one the directory itself [env: `REELCACHE_SERVER`]
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    /// The server that is named, by the flag or by the variable, of which an empty one counts as none.
    pub(crate) fn server(&self) -> Option<String> {
        // Read by nothing but this, so that it may be in the environment of a server.
        let variable = || std::env::var_os("REELCACHE_SERVER").filter(|url| !url.is_empty());
        self.server.clone().or_else(|| Some(variable()?.to_string_lossy().into_owned()))
    }
}

/// Arguments of `stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Print again every so many seconds, until a signal
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = value_parser!(u64).range(1..=86_400))]
    pub(crate) watch: Option<u64>,
}

/// Arguments of `ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// A key, whole or its first parts: it and everything below it is listed
    #[arg(value_name = "PREFIX", value_parser = below)]
    pub(crate) prefix: Option<KeyPrefix>,

    /// Most entries to list
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The key
    #[arg(value_name = "KEY", value_parser = key)]
    pub(crate) key: Key,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The key
    #[arg(value_name = "KEY", value_parser = key)]
    pub(crate) key: Key,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `clear`.
#[derive(Debug, Args)]
pub(crate) struct ClearArgs {
    /// A key in which `*` stands for any text and `?` for one character; `*` alone means everything
    #[arg(value_name = "PATTERN", value_parser = pattern)]
    pub(crate) pattern: KeyPattern,

    /// Only count what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Put what is damaged again, from a tier that has it whole; it is dropped in any case
    #[arg(long)]
    pub(crate) repair: bool,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `warm`.
#[derive(Debug, Args)]
pub(crate) struct WarmArgs {
    /// Addresses of pages, as the provider knows them, and videos, or folders with videos in them
    #[arg(required_unless_present = "popular", value_name = "ADDRESS|PATH")]
    pub(crate) addresses: Vec<String>,

    /// Look so many of the pages up whose links the server is asked for most
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) popular: Option<u32>,

    /// The provider, by its name in the configuration; unless given, the first one by name
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,

    /// Work in these hours of the day alone, such as 02:00-06:00; waits for them, and goes on in those of the next day
    #[arg(long, value_name = "HH:MM-HH:MM")]
    pub(crate) between: Option<Window>,

    /// End when the hours end, and leave the rest to another run
    #[arg(long, requires = "between")]
    pub(crate) once: bool,

    /// Begin so many at most in a minute
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..=60_000))]
    pub(crate) per_minute: Option<u32>,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `du`.
#[derive(Debug, Args)]
pub(crate) struct DuArgs {
    /// How many parts of keys to tell apart
    #[arg(long, value_name = "PARTS", default_value_t = 1, value_parser = value_parser!(u8).range(1..=16))]
    pub(crate) depth: u8,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

fn key(text: &str) -> Result<Key, String> {
    Key::parse(text).map_err(|error| error.message().to_owned())
}

fn below(text: &str) -> Result<KeyPrefix, String> {
    ops::below(text).map_err(|error| error.message().to_owned())
}

fn pattern(text: &str) -> Result<KeyPattern, String> {
    KeyPattern::parse(text).map_err(|error| error.message().to_owned())
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Say for each value where it comes from
    #[arg(long)]
    pub(crate) explain: bool,

    /// Print JSON, each value with where it comes from
    #[arg(long, conflicts_with = "explain")]
    pub(crate) json: bool,
}

/// The whole command line: the flags of settings are made from their table.
pub(crate) fn command() -> clap::Command {
    let of = |section: &'static str| config::all().filter(move |setting| setting.section == section);
    let everywhere = of("cache").filter_map(argument).map(|flag| flag.global(true));
    let command = Cli::command().args(everywhere);
    TAKERS.iter().fold(command, |command, &(name, sections)| {
        let flags = sections.iter().flat_map(|&section| of(section).filter_map(argument));
        command.mut_subcommand(name, |it| it.args(flags))
    })
}

/// Which commands take the flags of which sections, beside those of the cache.
const TAKERS: [(&str, &[&str]); 4] = [
    ("serve", &["serve", "pipeline"]),
    ("config", &["serve", "pipeline"]),
    ("process", &["pipeline"]),
    ("warm", &["pipeline"]),
];

/// The flags of settings that were given, by name.
pub(crate) fn flags(matches: &ArgMatches) -> BTreeMap<&'static str, OsString> {
    let mut deepest = matches;
    while let Some((_, inner)) = deepest.subcommand() {
        deepest = inner;
    }
    let given = |setting: &Setting| {
        let (flag, _) = setting.flag?;
        Some((flag, deepest.try_get_one::<OsString>(flag).ok()??.clone()))
    };
    config::all().filter_map(given).collect()
}

fn argument(setting: &'static Setting) -> Option<Arg> {
    let (flag, value) = setting.flag?;
    let default = match (setting.show)(&Config::default()) {
        _ if setting.instead_of.is_some() => String::new(),
        toml::Value::String(text) if text.is_empty() => String::new(),
        toml::Value::String(text) => format!(" [default: {text}]"),
        other => format!(" [default: {other}]"),
    };
    let about = format!("{} [env: {}]{default}", setting.about(), setting.variable).replace('`', "");
    let long = format!("{about}\n\nWritten as {}", setting.expected.replace('`', ""));
    let argument = Arg::new(flag).long(flag).value_name(value).help(about).long_help(long);
    let argument = argument.value_parser(OsStringValueParser::new());
    Some(argument.help_heading(match setting.section {
        "cache" => "Cache",
        "pipeline" => "Artifacts",
        _ => "Server",
    }))
}

/// Arguments of `process`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct ProcessArgs {
    /// Videos, and folders to look into for them; one named twice is answered from memory the second time
    #[arg(required_unless_present = "from", value_name = "PATH")]
    pub(crate) videos: Vec<PathBuf>,

    /// Take more of them from the lines of this file, or of standard input with `-`; with NUL bytes in it, from between those
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,

    /// Write what is made to this directory, in a folder with the name of the video
    #[arg(long, value_name = "DIR", conflicts_with_all = ["missing", "explain", "verify", "invalidate"])]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    task: TaskArgs,

    /// Print one line of JSON for each video and one for all of them instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `process` does in the place of making what is missing.
#[derive(Debug, Args)]
#[group(id = "task", multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "flags of which one is given")]
struct TaskArgs {
    /// Only say what is missing; computes nothing
    #[arg(long)]
    missing: bool,

    /// Only say under what artifacts are looked for, and why they are or are not found; computes nothing
    #[arg(long)]
    explain: bool,

    /// Only read what is there; what is damaged is dropped
    #[arg(long)]
    verify: bool,

    /// Remove everything that was made of the videos, whatever it was made with
    #[arg(long)]
    invalidate: bool,

    /// Make everything anew, whatever is there
    #[arg(long)]
    force: bool,
}

impl ProcessArgs {
    /// What is asked for.
    pub(crate) fn task(&self) -> Task {
        match &self.task {
            TaskArgs { missing: true, .. } => Task::Missing,
            TaskArgs { explain: true, .. } => Task::Explain,
            TaskArgs { verify: true, .. } => Task::Verify,
            TaskArgs { invalidate: true, .. } => Task::Invalidate,
            TaskArgs { force: true, .. } => Task::MakeAnew,
            _ => Task::Make,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(words: &[&str]) -> Result<ArgMatches, clap::Error> {
        command().try_get_matches_from([&["reelcache"], words].concat())
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn flags_of_the_cache_stand_before_and_behind_the_command() {
        for words in [&["--ttl", "6h", "process", "a.mp4"][..], &["process", "--ttl", "6h", "a.mp4"], &["--ttl", "6h"]]
        {
            assert_eq!(flags(&matches(words).unwrap()), BTreeMap::from([("ttl", "6h".into())]), "{words:?}");
        }
        let serve = matches(&["serve", "--listen", "[::1]:80", "--tiers", "memory"]).unwrap();
        assert_eq!(flags(&serve).len(), 2);
    }

    #[test]
    fn unknown_flags_are_errors() {
        assert!(matches(&["process", "a.mp4", "--max-frame", "3"]).is_err());
        assert!(matches(&["process"]).is_err());
        assert!(matches(&["process", "a.mp4", "--listen", "127.0.0.1:80"]).is_err());
    }
}
