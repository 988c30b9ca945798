//! `cargo xtask test`: everything that shows the workspace works.

use std::process::Command;

use crate::failure::Failure;
use crate::plan::{self, OnFailure, Step};
use crate::{process, pythons, servers, tools, torture, workspace};

/// Finds what the tests need, then runs them. With filters in `args`, only the tests that match.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    tools::ensure(tools::FOR_TESTS)?;
    if let Some(filters) = args.strip_prefix(&["--models".to_owned()]) {
        pythons::ensure(pythons::MODELS)?;
        return plan::run("test", vec![Step::command("models", models(filters))], OnFailure::Stop);
    }
    tools::ensure_mounts()?;
    let scope = Scope::of(args);
    if scope.servers == Servers::Real {
        servers::ensure()?;
    }
    let mut steps = vec![Step::command("tests", tests(&scope))];
    if !scope.only_tests {
        steps.push(Step::command("doctests", workspace::cargo(&["test", "--doc", "--workspace"])));
        steps.push(Step::new("file torture", || torture::command(&["file".to_owned(), "--quick".to_owned()])));
        steps.push(Step::new("simulation", || torture::command(&["sim".to_owned()])));
    }
    plan::run("test", steps, OnFailure::Stop)
}

/// How much of everything is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Scope {
    /// Leave out the doctests, the torture of the file tier, and the simulation.
    only_tests: bool,
    servers: Servers,
    filters: Vec<String>,
}

/// Whether tests that need a real server run. They live in modules called `real`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Servers {
    Real,
    None,
}

impl Scope {
    fn of(args: &[String]) -> Self {
        let is_flag = |arg: &&String| matches!(arg.as_str(), "--quick" | "--without-servers");
        let has = |flag: &str| args.iter().take_while(is_flag).any(|arg| arg == flag);
        let filters: Vec<_> = args.iter().skip_while(is_flag).cloned().collect();
        let servers = if has("--without-servers") { Servers::None } else { Servers::Real };
        Self { only_tests: has("--quick") || !filters.is_empty(), servers, filters }
    }

    /// Whether tests may run that share servers: all may, and those of the crates that have some.
    fn needs_shared_servers(&self) -> bool {
        const WITH_SERVERS: [&str; 3] = ["cache-redis", "cache-s3", "gateway"];
        let names_packages = self.filters.iter().any(|filter| filter.starts_with("-p") || filter.starts_with("--pack"));
        let names_one = || self.filters.iter().any(|filter| WITH_SERVERS.iter().any(|name| filter.contains(name)));
        self.servers == Servers::Real && (!names_packages || names_one())
    }
}

fn tests(scope: &Scope) -> Command {
    let has_nextest = process::find("cargo-nextest").is_some();
    let mut command = if scope.needs_shared_servers() {
        workspace::cargo(&[
            "run",
            "--quiet",
            "--package",
            "cache-testkit",
            "--example",
            "shared_servers",
            "--",
            "cargo",
        ])
    } else {
        workspace::cargo(&[])
    };
    if has_nextest {
        command.args(["nextest", "run", "--profile", "ci"]);
    } else {
        eprintln!("note: cargo-nextest is not installed; `cargo test` runs the same tests, without its time limits");
        command.args(["test", "--tests", "--examples", "--no-fail-fast"]);
    }
    // Cargo lets `--workspace` win over `-p`.
    if !scope.filters.iter().any(|filter| filter.starts_with("-p") || filter.starts_with("--package")) {
        command.arg("--workspace");
    }
    command.args(&scope.filters);
    if scope.servers == Servers::None {
        println!("SKIPPED: every test against a real server (module `real`), by --without-servers");
        command.args(if has_nextest { ["-E", "not test(/^real::/)"].as_slice() } else { &["--", "--skip", "real::"] });
    }
    command
}

/// The tests with models of some size, which are not even built elsewhere.
fn models(filters: &[String]) -> Command {
    let mut command =
        workspace::cargo(&["test", "--package", "pipeline", "--features", "models", "--test", "it", "models::"]);
    command.args(["--", "--nocapture"]).args(filters);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn scope(words: &[&str]) -> Scope {
        Scope::of(&args(words))
    }

    #[test]
    fn everything_runs_unless_less_is_asked_for() {
        assert_eq!(scope(&[]), Scope { only_tests: false, servers: Servers::Real, filters: vec![] });
        assert!(scope(&["--quick"]).only_tests);
        assert!(scope(&["catalog"]).only_tests);
    }

    #[test]
    fn servers_are_left_out_only_when_that_is_said() {
        let without = scope(&["--without-servers"]);
        assert_eq!(without, Scope { only_tests: false, servers: Servers::None, filters: vec![] });
        assert!(tests(&without).get_args().any(|arg| arg.to_string_lossy().contains("real::")));
        assert!(!tests(&scope(&[])).get_args().any(|arg| arg.to_string_lossy().contains("real::")));
    }

    #[test]
    fn shared_servers_run_for_those_who_need_them() {
        assert!(scope(&[]).needs_shared_servers());
        assert!(scope(&["-p", "cache-redis"]).needs_shared_servers());
        assert!(!scope(&["-p", "cache-mem"]).needs_shared_servers());
        assert!(!scope(&["--without-servers"]).needs_shared_servers());
    }

    #[test]
    fn filters_reach_the_test_runner() {
        assert_eq!(scope(&["--quick", "-p", "cache-mem"]).filters, ["-p", "cache-mem"]);
        assert_eq!(tests(&scope(&["catalog"])).get_args().last().and_then(|arg| arg.to_str()), Some("catalog"));
    }

    #[test]
    fn one_package_is_not_the_whole_workspace() {
        let asks_for_all = |words: &[&str]| tests(&scope(words)).get_args().any(|arg| arg == "--workspace");
        assert!(asks_for_all(&[]));
        assert!(!asks_for_all(&["-p", "cache-mem"]));
    }
}
