//! `cargo xtask fuzz`: the fuzz targets under libFuzzer, each for as long as is asked.

mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::report::Report;
use crate::failure::Failure;
use crate::{process, workspace};

/// The release of cargo-fuzz that builds the targets.
const VERSION: &str = "0.13.2";
/// What compiles them: what guides the fuzzer is no part of a stable compiler.
const TOOLCHAIN: &str = "nightly";
/// Seconds for each target, unless told, and in haste.
const USUAL: u64 = 60;
const QUICK: u64 = 5;
/// The longest input, in bytes: readers have limits of their own, which tests look at.
const LONGEST: u64 = 16 << 10;
/// An input that takes longer than so many seconds is one that breaks its target.
const SLOW: u64 = 20;

/// Builds the targets that `args` name, or all of them, runs one after the other, and tells what came of it.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let asked = Asked::of(args, &targets()?)?;
    ensure_toolchain()?;
    let program = cargo_fuzz()?;
    // Those that are named take less time to build than all.
    let built: Vec<Option<&str>> =
        if asked.is_all { vec![None] } else { asked.targets.iter().map(|name| Some(name.as_str())).collect() };
    for name in built {
        process::run(&mut build(&program, name))?;
    }
    let reports: Vec<Report> = asked.targets.iter().map(|name| run(name, asked.seconds)).collect::<Result<_, _>>()?;
    print!("{}", report::table(&reports));
    match reports.iter().map(|report| report.broken.len()).sum() {
        0 => Ok(()),
        broken => Err(Failure::new(format!("{broken} input(s) break a target{}", report::advice(&reports)))),
    }
}

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    targets: Vec<String>,
    is_all: bool,
    /// For each of them.
    seconds: u64,
}

impl Asked {
    fn of(args: &[String], known: &[String]) -> Result<Self, Failure> {
        let (mut targets, mut seconds) = (Vec::new(), USUAL);
        let mut words = args.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => seconds = QUICK,
                "--seconds" => {
                    let number = words.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                    seconds = number.ok_or_else(|| Failure::usage("`--seconds` takes a number above zero"))?;
                }
                name if known.iter().any(|target| target == name) => targets.push(name.to_owned()),
                other => {
                    let known = known.join(", ");
                    return Err(Failure::usage(format!("there is no target `{other}` to fuzz, but {known}")));
                }
            }
        }
        let is_all = targets.is_empty();
        Ok(Self { targets: if is_all { known.to_vec() } else { targets }, is_all, seconds })
    }
}

/// The names of all targets, in order: those of their files.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = workspace::root().join("fuzz/targets");
    let mut names: Vec<String> = files(&folder)?
        .iter()
        .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let told = |error| Failure::new(format!("reading {}: {error}", folder.display()));
    fs::read_dir(folder).map_err(told)?.map(|file| file.map(|file| file.path()).map_err(told)).collect()
}

fn ensure_toolchain() -> Result<(), Failure> {
    let probe = process::capture(&mut nightly("rustc".as_ref(), &["--version"]));
    probe.map(drop).map_err(|_| {
        Failure::new(format!(
            "fuzzing needs a {TOOLCHAIN} compiler: `rustup toolchain install {TOOLCHAIN} --profile minimal`; \
             without one, `cargo test -p fuzz` tries the corpus and inputs made of it"
        ))
    })
}

/// The program, installed when it is missing.
fn cargo_fuzz() -> Result<PathBuf, Failure> {
    let folder = workspace::tools_folder();
    let program = folder.join("bin/cargo-fuzz");
    if !program.exists() {
        eprintln!("installing cargo-fuzz {VERSION} into {} (once) ...", folder.display());
        let mut install = workspace::cargo(&["install", "--quiet", "--locked", "--version", VERSION, "--root"]);
        process::run(install.arg(&folder).arg("cargo-fuzz"))?;
    }
    Ok(program)
}

/// A command that finds the nightly compiler and its cargo.
fn nightly(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(workspace::root()).env("RUSTUP_TOOLCHAIN", TOOLCHAIN);
    // Ours, of the pinned toolchain.
    for name in ["CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(name);
    }
    command
}

fn build(program: &Path, target: Option<&str>) -> Command {
    // No `unsafe` is in this workspace, and sanitizers halve the speed.
    let mut command =
        nightly(program, &["build", "--fuzz-dir", "fuzz", "--features", "libfuzzer", "--sanitizer", "none"]);
    command.arg("--target-dir").arg(folder()).args(target);
    // Bodies mostly wait for what they ask; the tree beneath them takes long to build.
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    command
}

/// Where builds, grown corpora, logs and inputs that break a target are.
fn folder() -> PathBuf {
    workspace::target_folder().join("fuzz")
}

fn run(target: &str, seconds: u64) -> Result<Report, Failure> {
    let [grown, broken] = ["corpus", "broken"].map(|name| folder().join(name).join(target));
    for folder in [&grown, &broken] {
        let told = |error| Failure::new(format!("making {}: {error}", folder.display()));
        fs::create_dir_all(folder).map_err(told)?;
    }
    let before = files(&broken)?;
    let mut fuzzer = Command::new(folder().join(workspace::host()?).join("release").join(target));
    fuzzer.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        format!("-timeout={SLOW}"),
        format!("-artifact_prefix={}/", broken.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    // What is found goes into the first folder, never into the repository.
    fuzzer.arg(&grown).arg(workspace::root().join("fuzz/corpus").join(target));
    eprintln!("{target}: {seconds} s ...");
    let output = fuzzer.output().map_err(|error| Failure::not_started(target, &error))?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let kept = folder().join(format!("{target}.log"));
    fs::write(&kept, &log).map_err(|error| Failure::new(format!("writing {}: {error}", kept.display())))?;
    let broken: Vec<PathBuf> = files(&broken)?.into_iter().filter(|file| !before.contains(file)).collect();
    if !output.status.success() && broken.is_empty() {
        let message = format!("{target}: {}, and no input is to blame: see {}", output.status, kept.display());
        return Err(Failure::new(message));
    }
    Ok(Report { target: target.to_owned(), seconds, corpus: files(&grown)?.len(), broken, ..Report::of_log(&log) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &str) -> Result<Asked, Failure> {
        let known = ["one", "two"].map(str::to_owned);
        Asked::of(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), &known)
    }

    #[test]
    fn all_targets_run_unless_some_are_named() {
        assert_eq!(asked("").unwrap().targets, ["one", "two"]);
        let one = asked("two --seconds 7").unwrap();
        assert_eq!((one.targets, one.seconds, one.is_all), (vec!["two".to_owned()], 7, false));
        assert_eq!(asked("--quick").unwrap().seconds, QUICK);
    }

    #[test]
    fn what_is_no_target_and_no_time_is_a_usage_error() {
        for words in ["three", "--seconds", "--seconds soon", "--seconds 0", "--slow"] {
            assert_eq!(asked(words).unwrap_err().code(), 2, "{words}");
        }
    }

    #[test]
    fn the_targets_are_there() {
        let targets = targets().unwrap();
        assert!(targets.len() > 10 && targets.iter().any(|name| name == "range_header"), "{targets:?}");
    }
}
