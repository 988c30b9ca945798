//! `cargo xtask bench`: the benchmarks.

use std::process::Command;

use crate::failure::Failure;
use crate::{process, workspace};

/// Runs the benchmarks, with `--compare` those of the peers too; other `args` reach cargo, and what follows `--` the
/// benchmarks themselves.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    process::run(&mut benchmarks(args))
}

fn benchmarks(args: &[String]) -> Command {
    let mut command = workspace::cargo(&["bench", "-p", "benches"]);
    match args.split_first() {
        Some((first, rest)) if first == "--compare" => command.args(["--features", "compare"]).args(rest),
        _ => command.args(args),
    };
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args_for(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        benchmarks(&words).get_args().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_peers_are_built_when_asked_for() {
        assert!(
            args_for(&["--compare", "--bench", "peers"])
                .ends_with(&["--features", "compare", "--bench", "peers"].map(ToOwned::to_owned))
        );
        assert!(!args_for(&[]).contains(&"compare".to_owned()));
    }

    #[test]
    fn filters_reach_the_benchmarks() {
        assert!(args_for(&["--", "near"]).ends_with(&["--", "near"].map(ToOwned::to_owned)));
    }
}
