//! `Options`: the command line of a benchmark.

use std::path::PathBuf;
use std::process::ExitCode;

/// What a benchmark was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long it may take.
    pub effort: Effort,
    /// Where the report goes.
    pub folder: Option<PathBuf>,
    /// Recorded traces to replay.
    pub traces: Vec<PathBuf>,
    /// A policy for Reelcache instead of its default.
    pub policy: Option<String>,
    /// Whether to measure the largest caches, which take gigabytes.
    pub large: bool,
}

/// How long a benchmark may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Effort {
    /// Only as long as it takes to see that it works: it was not started by `cargo bench`.
    #[default]
    Try,
    /// Less than a minute.
    Quick,
    /// Minutes.
    Full,
}

/// Runs a benchmark as the command line says. A failure is told, and becomes the exit code.
#[expect(clippy::print_stderr, reason = "a failure is no part of the report")]
pub fn run(benchmark: impl FnOnce(&Options) -> Result<(), String>) -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| benchmark(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let (mut benches, mut quick) = (false, false);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg.as_str() {
                // Cargo says so when it benchmarks.
                "--bench" => benches = true,
                "--quick" => quick = true,
                "--large" => options.large = true,
                "--out" => options.folder = Some(value()?.into()),
                "--policy" => options.policy = Some(value()?),
                "--trace" => options.traces.push(value()?.into()),
                _ => return Err(format!("there is no option {arg:?}")),
            }
        }
        options.effort = match (benches, quick) {
            (_, true) => Effort::Quick,
            (true, false) => Effort::Full,
            (false, false) => Effort::Try,
        };
        Ok(options)
    }
}
