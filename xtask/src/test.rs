//! `cargo xtask test`: everything that shows the workspace works.

use std::process::Command;

use crate::failure::Failure;
use crate::plan::{self, OnFailure, Step};
use crate::{process, tools, torture, workspace};

/// Finds what the tests need, then runs them. With filters in `args`, only the tests that match.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    tools::ensure(tools::FOR_TESTS)?;
    tools::ensure_mounts()?;
    let scope = Scope::of(args);
    let mut steps = vec![Step::command("tests", tests(scope.filters))];
    if !scope.only_tests {
        steps.push(Step::command("doctests", workspace::cargo(&["test", "--doc", "--workspace"])));
        steps.push(Step::new("kill -9", || torture::command(&["file".to_owned(), "--quick".to_owned()])));
        steps.push(Step::new("simulation", || torture::command(&["sim".to_owned()])));
    }
    plan::run("test", steps, OnFailure::Stop)
}

/// How much of everything is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Scope<'a> {
    /// Leave out the doctests, the process that is killed while it writes, and the simulation.
    only_tests: bool,
    filters: &'a [String],
}

impl<'a> Scope<'a> {
    fn of(args: &'a [String]) -> Self {
        match args.split_first() {
            Some((first, filters)) if first == "--quick" => Self { only_tests: true, filters },
            _ => Self { only_tests: !args.is_empty(), filters: args },
        }
    }
}

fn tests(filters: &[String]) -> Command {
    let mut command = if process::find("cargo-nextest").is_some() {
        workspace::cargo(&["nextest", "run", "--profile", "ci"])
    } else {
        eprintln!("note: cargo-nextest is not installed; `cargo test` runs the same tests, without its time limits");
        workspace::cargo(&["test", "--tests", "--examples", "--no-fail-fast"])
    };
    // Cargo lets `--workspace` win over `-p`.
    if !filters.iter().any(|filter| filter.starts_with("-p") || filter.starts_with("--package")) {
        command.arg("--workspace");
    }
    command.args(filters);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn everything_runs_unless_less_is_asked_for() {
        assert_eq!(Scope::of(&[]), Scope { only_tests: false, filters: &[] });
        assert!(Scope::of(&args(&["--quick"])).only_tests);
        assert!(Scope::of(&args(&["catalog"])).only_tests);
    }

    #[test]
    fn filters_reach_the_test_runner() {
        assert_eq!(Scope::of(&args(&["--quick", "-p", "cache-mem"])).filters, ["-p", "cache-mem"]);
        assert_eq!(tests(&args(&["catalog"])).get_args().last().and_then(|arg| arg.to_str()), Some("catalog"));
    }

    #[test]
    fn one_package_is_not_the_whole_workspace() {
        let asks_for_all = |command: &Command| command.get_args().any(|arg| arg == "--workspace");
        assert!(asks_for_all(&tests(&[])));
        assert!(!asks_for_all(&tests(&args(&["-p", "cache-mem"]))));
    }
}
