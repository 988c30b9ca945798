//! The pipeline beside plain files, bare ffmpeg and the bare hash: what warm artifacts, fingerprints, runs and libraries cost.
//!
//! Slices are short and every contender has one in each round, in rotated order: what else the machine does hits all
//! alike, so ratios are steadier than figures. All files are in the page cache.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nothing to say")]

mod bars;
mod caches;
mod compression;
mod contents;
mod extraction;
mod film;
mod fingerprints;
mod library;
mod processes;
mod rounds;
mod shelf;
mod warm;

use std::process::ExitCode;

use bars::Bars;
use benches::options::{self, Options};
use benches::report::Report;
use contents::Contents;
use film::Film;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    warm::child().or_else(library::child).unwrap_or_else(|| options::run(measured))
}

fn measured(options: &Options) -> Result<(), String> {
    let mut report = Report::new("pipeline", options.folder.clone());
    let (mut bars, effort) = (Bars::default(), options.effort);
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (film, contents) = (Film::make(dir.path()), Contents::make(dir.path()));
    warm::measured(&film, &contents, dir.path(), effort, &mut report, &mut bars)?;
    fingerprints::measured(dir.path(), effort, &mut report, &mut bars);
    extraction::measured(dir.path(), effort, &mut report, &mut bars);
    library::measured(dir.path(), effort, &mut report, &mut bars)?;
    compression::measured(&film, dir.path(), &contents, &mut report);
    report.say_ahead(bars.table().markdown());
    report.finish().map_err(|error| format!("writing the report: {error}"))
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
