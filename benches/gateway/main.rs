//! The binary beside other servers: cached links beside a constant and nginx, ranges of a kept film beside nginx and tower-http,
//! a thousand slow players, and ten thousand at once who want what is not there.
//!
//! Every server is a process of its own, and wrk one more, all on this machine. Slices are short and every contender has one in
//! each round, in rotated order: ratios are medians of those of the rounds.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on has nothing to say")]

mod crowd;
mod links;
mod players;
mod ranges;
mod servers;
mod site;
mod wrk;

use std::process::ExitCode;
use std::time::Duration;

use benches::options::{self, Effort, Options};
use benches::report::{Report, Table};
use benches::stats::median;

/// How long it is measured.
#[derive(Debug, Clone, Copy)]
struct Load {
    rounds: usize,
    slice: Duration,
    /// Bytes of the film.
    film: u64,
    players: usize,
    /// How long the slow players read.
    playing: Duration,
    crowd: usize,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(site::COMMAND) {
        return site::serve(args);
    }
    options::run(measured)
}

fn measured(options: &Options) -> Result<(), String> {
    let (slice, playing) = (Duration::from_secs(2), Duration::from_secs(20));
    let load = match options.effort {
        Effort::Try => {
            Load { rounds: 1, slice: slice / 20, film: 8 << 20, players: 10, playing: slice / 2, crowd: 100 }
        }
        Effort::Quick => {
            Load { rounds: 3, slice, film: 128 << 20, players: 1_000, playing: playing / 2, crowd: 10_000 }
        }
        Effort::Full => Load { rounds: 9, slice, film: 512 << 20, players: 1_000, playing, crowd: 10_000 },
    };
    let mut report = Report::new("gateway", options.folder.clone());
    links::measure(load, &mut report)?;
    ranges::measure(load, &mut report)?;
    players::measure(load, &mut report)?;
    crowd::measure(load, &mut report)?;
    report.finish().map_err(|error| format!("writing the report: {error}"))
}

/// Has each contender run a slice in each round, in rotated order; a table of their medians and of ratios to the first.
fn compared(names: &[&str], columns: &[&str], rounds: usize, mut slice: impl FnMut(usize) -> Vec<f64>) -> Table {
    let mut seen: Vec<Vec<Vec<f64>>> = vec![Vec::new(); names.len()];
    for round in 0..rounds {
        for step in 0..names.len() {
            let at = (round + step) % names.len();
            seen[at].push(slice(at));
        }
    }
    let mut table = Table::new(["server"].iter().chain(columns).chain(&["of it, Reelcache has"]));
    for (at, name) in names.iter().enumerate() {
        let middle = |column: usize| -> f64 {
            median(&mut seen[at].iter().map(|figures| figures[column]).collect::<Vec<_>>()).unwrap_or(f64::NAN)
        };
        let mut ratios: Vec<f64> = seen[0].iter().zip(&seen[at]).map(|(ours, theirs)| ours[0] / theirs[0]).collect();
        let ratio = if at == 0 { String::new() } else { format!("{:.2}", median(&mut ratios).unwrap_or(f64::NAN)) };
        let figures = (0..columns.len()).map(|column| format!("{:.*}", usize::from(column > 0), middle(column)));
        table.row([(*name).to_owned()].into_iter().chain(figures).chain([ratio]));
    }
    table
}
