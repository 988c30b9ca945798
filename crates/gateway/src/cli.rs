//! The command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Args, CommandFactory, Parser, Subcommand, value_parser};

use crate::config::{self, Setting};
use crate::exit;

/// A multi-tier read-through cache for media.
#[derive(Debug, Parser)]
#[command(name = "reelcache", version, about, after_help = exit::HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The configuration file [env: REELCACHE_CONFIG] [default: reelcache/config.toml in the user's configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve health, figures and a first page over HTTP (the default)
    Serve,
    /// Extract the keyframes of videos, or find them in the cache
    Process(ProcessArgs),
    /// Print the configuration that is in force, without secrets
    Config(ConfigArgs),
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
    let of_cache = |setting: &&Setting| setting.section == "cache";
    let everywhere = config::all().filter(of_cache).filter_map(argument).map(|flag| flag.global(true));
    let others = || config::all().filter(|setting| !of_cache(setting)).filter_map(argument);
    let command = Cli::command().args(everywhere);
    ["serve", "config"].into_iter().fold(command, |command, name| command.mut_subcommand(name, |it| it.args(others())))
}

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
    let help = format!("{} [env: {}]", setting.about().replace('`', ""), setting.variable);
    let argument = Arg::new(flag).long(flag).value_name(value).help(help).value_parser(OsStringValueParser::new());
    Some(argument.help_heading(if setting.section == "cache" { "Cache" } else { "Server" }))
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
