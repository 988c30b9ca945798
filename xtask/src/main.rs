//! `cargo xtask`: the development commands of this workspace.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its user")]

mod bench;
mod clip;
mod deny;
mod docs;
mod failure;
mod fuzz;
mod lint;
mod new_backend;
mod plan;
mod process;
mod pythons;
mod servers;
mod test;
mod tidy;
mod tools;
mod torture;
mod workspace;

use std::env;
use std::io::Write;
use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
Development commands of the Reelcache workspace.

Usage: cargo xtask COMMAND [ARGS]

  test [--quick] [--without-servers | --models] [ARGS]
                          find or install what the tests need, then run everything:
                          tests, doctests, a process killed while it writes, and
                          1,000 simulated fleets.
                          --quick runs the tests only; --without-servers leaves out
                          those against Redis, Valkey and SeaweedFS; --models runs
                          those with models of some size alone, and installs them
                          (600 MB, Python 3.11); ARGS (filters and other arguments of
                          the test runner) run those tests only.
  lint                    formatting, tidy, clippy and rustdoc; warnings are errors
  tidy                    the rules that no compiler checks: layers, licences, links,
                          manifests, the shape of files (see CONTRIBUTING.md)
  deny [--advisories]     licences, bans and sources of all dependencies by cargo-deny,
                          which is installed below target/ when missing;
                          --advisories also asks the advisory database (network)
  docs                    write docs/configuration.md from the settings of the gateway; a test
                          compares it
  fuzz [TARGETS] [--seconds N | --quick]
                          give the readers of what strangers send (fuzz/) whatever libFuzzer
                          makes up, 60 s each unless told, 5 with --quick; needs a nightly
                          compiler, installs cargo-fuzz when it is missing
  torture file [--quick | --full] [--row NAME] [--dir DIR] [--seed S]
                          break a cache directory in every way that is known, row by row
                          (docs/durability.md), and check what is left
  torture sim [--seeds N] [--from S] [--seed S]
                          live through simulated fleets in virtual time, 1,000 unless told,
                          and check every answer; --seed repeats the one of that seed
  bench [NAMES] [--quick] [--print] [ARGS]
                          the benchmarks (hit-ratio, mem, file, sqlite, s3, pipeline, tiers, compare,
                          redis, gateway, peers), all of them unless named, written into
                          docs/benchmarks.md unless --print; --quick for a look;
                          hit-ratio --trace FILE replays a recorded trace too, mem --policy
                          NAME measures that policy, mem --large 10^7 entries
  new-backend NAME [--at DIR]
                          a crate for a new kind of storage that compiles, is wired to the
                          conformance suite and needs its functions filled in; a member of
                          this workspace, or a crate of its own in DIR
  servers                 install the servers that the tests talk to (Redis, Valkey,
                          SeaweedFS), where they are missing; `test` does so too
  clip DIR                put a real film clip (Big Buck Bunny) into DIR
  help                    this page

Exit code: 0 when all is well, 2 for a command line that makes no sense, otherwise
that of the first subprocess that failed, or 1.";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(args: &[String]) -> Result<(), Failure> {
    let (command, rest) = args.split_first().ok_or_else(|| Failure::usage("which command?"))?;
    match command.as_str() {
        "bench" => bench::command(rest),
        "clip" => clip::command(rest),
        "deny" => deny::command(rest),
        "docs" => docs::command(rest),
        "fuzz" => fuzz::command(rest),
        "lint" => lint::command(rest),
        "new-backend" => new_backend::command(rest),
        "servers" => servers::command(rest),
        "test" => test::command(rest),
        "tidy" => tidy::command(rest),
        "torture" => torture::command(rest),
        "help" | "--help" | "-h" => {
            // A reader that is gone has seen enough.
            let _ = writeln!(std::io::stdout(), "{HELP}");
            Ok(())
        }
        unknown => Err(Failure::usage(format!("there is no command `{unknown}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_a_usage_error() {
        assert_eq!(dispatch(&[]).unwrap_err().code(), 2);
        assert_eq!(dispatch(&["dance".to_owned()]).unwrap_err().code(), 2);
    }

    #[test]
    fn help_names_every_command() {
        for command in
            ["bench", "clip", "deny", "docs", "fuzz", "lint", "new-backend", "servers", "test", "tidy", "torture"]
        {
            assert!(
                HELP.contains(&format!("\n  {command} ")) || HELP.contains(&format!("\n  {command}\n")),
                "{command}"
            );
        }
    }

    #[test]
    fn help_and_the_page_name_every_benchmark() {
        let page = include_str!("../../docs/benchmarks.md");
        let told = HELP.split_once("the benchmarks (").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
        let told: Vec<&str> = told.split(',').map(str::trim).collect();
        assert!(bench::names().eq(told.iter().copied()), "{told:?}");
        for name in bench::names() {
            assert!(page.contains(&format!("| `cargo xtask bench {name}` | ")), "{name}");
        }
    }
}
