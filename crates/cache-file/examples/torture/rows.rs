//! The rows: what is tried under which name, and how long.

use std::path::Path;
use std::time::Instant;

use cache_file::Durability;

use crate::story::Tally;
use crate::{Outcome, cuts, damage, errors, index, kills, life};

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Three minutes in all at most.
    Quick,
    /// What a release has to survive.
    Full,
}

/// What a row found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) clean: bool,
    pub(crate) figures: String,
}

/// The rows by name.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("f1", "killed at every change of the disk"),
    ("f2", "killed at random while writing"),
    ("f3", "power lost at every change of the disk"),
    ("f4", "every byte of the index flipped"),
    ("f5", "every byte of a record flipped"),
    ("f6", "parts of files cut, zeroed, exchanged"),
    ("f7", "disk full from every call on"),
    ("f8", "disk broken from every call on"),
    ("f9", "no file handles from every call on"),
    ("f11", "a second opening of one directory"),
    ("f12", "jumps of the clock"),
    ("f15", "an index that ends the process"),
    ("f16", "very many entries opened"),
    ("f17", "volumes deleted and strangers added"),
];

impl Pace {
    pub(crate) const fn of(self, quick: u64, full: u64) -> u64 {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

impl From<Tally> for Found {
    fn from(tally: Tally) -> Self {
        for complaint in tally.complaints.iter().take(8) {
            crate::complain(complaint);
        }
        Self { clean: tally.is_clean(), figures: tally.to_string() }
    }
}

impl Found {
    /// Of damage to whole files; what they held may be lost.
    fn of_damage(tally: &Tally) -> Self {
        Self { clean: tally.wrong + tally.unopenable == 0, ..tally.clone().into() }
    }

    fn of_errors((tally, more): (Tally, String)) -> Self {
        let found = Self::from(tally);
        Self { figures: format!("{} {more}", found.figures), ..found }
    }
}

/// Runs a row and prints its figures; whether all was as promised.
pub(crate) fn run(name: &str, dir: &Path, pace: Pace, seed: u64) -> Outcome<bool> {
    let root = dir.join(name);
    std::fs::create_dir_all(&root)?;
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let found: Vec<(&str, Found)> = match name {
        "f1" => vec![("", runtime.block_on(cuts::kills(&root, pace, seed))?.into())],
        "f2" => {
            let (rounds, entries) = (pace.of(10, 200), pace.of(5_000, 100_000));
            let (clean, figures) = kills::run(&root, rounds, entries, seed)?;
            vec![("", Found { clean, figures })]
        }
        "f3" => vec![
            (" process", runtime.block_on(cuts::power(&root, pace, seed, Durability::Process))?.into()),
            (" power", runtime.block_on(cuts::power(&root, pace, seed, Durability::Power))?.into()),
        ],
        "f4" => {
            let flips = index::run(&root, pace, seed)?;
            vec![("", Found { clean: flips.is_clean(), figures: flips.to_string() })]
        }
        "f5" => vec![("", runtime.block_on(damage::flips(&root, pace, seed))?.into())],
        "f6" => vec![("", Found::of_damage(&runtime.block_on(damage::parts(&root, pace, seed))?))],
        "f7" => vec![("", Found::of_errors(runtime.block_on(errors::sweep(&root, pace, seed, errors::FULL))?))],
        "f8" => vec![("", Found::of_errors(runtime.block_on(errors::sweep(&root, pace, seed, errors::BROKEN))?))],
        "f9" => vec![("", Found::of_errors(runtime.block_on(errors::sweep(&root, pace, seed, errors::HANDLES))?))],
        "f11" => vec![("", runtime.block_on(life::in_use(&root))?)],
        "f12" => vec![("", runtime.block_on(life::clocks(&root))?)],
        "f15" => vec![("", runtime.block_on(life::crash_loop(&root, seed))?)],
        "f16" => vec![("", runtime.block_on(life::many(&root, pace))?)],
        "f17" => vec![("", runtime.block_on(life::drift(&root, pace, seed))?)],
        _ => return Err(format!("there is no row {name}").into()),
    };
    let about = ROWS.iter().find(|row| row.0 == name).map_or("", |row| row.1);
    for (part, found) in &found {
        let ok = if found.clean { "ok" } else { "FAILED" };
        let seconds = start.elapsed().as_secs_f64();
        crate::say(&format!("{name}{part} {ok}: {about}: {} seed={seed} {seconds:.1}s", found.figures));
    }
    Ok(found.iter().all(|(_, found)| found.clean))
}
