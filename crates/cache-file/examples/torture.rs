//! Tries to break a cache directory in every way that is known, and prints what came of it, row by row.
//!
//! `cargo run --release -p cache-file --example torture -- [--quick | --full] [--row NAME]... [--seed N] [--dir DIR]`

#[path = "torture/child.rs"]
mod child;
#[path = "torture/cuts.rs"]
mod cuts;
#[path = "torture/damage.rs"]
mod damage;
#[path = "torture/disk.rs"]
mod disk;
#[path = "torture/errors.rs"]
mod errors;
#[path = "torture/image.rs"]
mod image;
#[path = "torture/index.rs"]
mod index;
#[path = "torture/kills.rs"]
mod kills;
#[path = "torture/life.rs"]
mod life;
#[path = "torture/loss.rs"]
mod loss;
#[path = "torture/rows.rs"]
mod rows;
#[path = "torture/script.rs"]
mod script;
#[path = "torture/story.rs"]
mod story;
#[path = "torture/verify.rs"]
mod verify;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use rows::{Pace, ROWS};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the command line asks for.
struct Plan {
    pace: Pace,
    rows: Vec<String>,
    seed: u64,
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("--child") => child::run().map(|()| true),
        Some("--index") => index::child().map(|()| true),
        _ => parent(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("torture: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn parent() -> Outcome<bool> {
    let plan = arguments()?;
    let temporary = tempfile::tempdir()?;
    let dir = plan.dir.unwrap_or_else(|| temporary.path().to_owned());
    let mut clean = true;
    for row in &plan.rows {
        clean &= rows::run(row, &dir, plan.pace, plan.seed)?;
    }
    Ok(clean)
}

fn arguments() -> Outcome<Plan> {
    let mut plan = Plan { pace: Pace::Quick, rows: Vec::new(), seed: 1, dir: None };
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--quick" => plan.pace = Pace::Quick,
            "--full" => plan.pace = Pace::Full,
            "--row" => plan.rows.push(value()?),
            "--seed" => plan.seed = value()?.parse()?,
            "--dir" => plan.dir = Some(value()?.into()),
            _ => return Err(format!("unknown option {name}: use --quick, --full, --row, --seed, --dir").into()),
        }
    }
    if plan.rows.is_empty() {
        plan.rows = ROWS.iter().map(|row| row.0.to_owned()).collect();
    }
    Ok(plan)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
