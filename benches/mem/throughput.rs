//! Calls in a second: every workload, skew, number of threads and number of keys.

use std::io;
use std::time::Duration;

use benches::chart::bars;
use benches::options::Effort;
use benches::random::{Random, Zipf, shuffled};
use benches::report::{Report, Table};
use benches::stats::median;
use cache_core::PolicyKind;

use crate::arena::{Mix, Runner, Work};
use crate::contenders::{Key, Value};
use crate::{OURS, contenders, keys, values};

/// How many keys there are, and how many the cache has room for where it has to choose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Keys that the caches of the workload `get` hold, all of them.
    pub(crate) resident: usize,
    /// Room of the caches of the other workloads.
    pub(crate) room: usize,
    /// Keys that those are asked for.
    pub(crate) crowd: usize,
}

/// What fits into the processor's caches.
pub(crate) const SMALL: Scale = Scale { resident: 1_000, room: 1_000, crowd: 10_000 };
/// What does not.
pub(crate) const LARGE: Scale = Scale { resident: 100_000, room: 10_000, crowd: 100_000 };

/// How uneven the keys are asked for.
const SKEWS: [f64; 3] = [0.8, 0.99, 1.1];
/// How many ask.
const THREADS: [usize; 3] = [1, 2, 4];
/// Room for each key where all keys are resident, so that a share of a cache never overflows.
const ROOM: usize = 2;
/// Length of the order in which keys are asked for.
const ORDER: usize = 1 << 20;

const MIXES: [(&str, Mix); 4] = [
    ("get", Mix::Get),
    ("90/10", Mix::InsertEvery(10)),
    ("50/50", Mix::InsertEvery(2)),
    ("read-through", Mix::ReadThrough),
];

/// Keys with their values, shared by all caches.
pub(crate) struct Stock {
    pub(crate) keys: Vec<Key>,
    pub(crate) values: Vec<Value>,
}

impl Stock {
    /// As many as the largest caches are asked for.
    pub(crate) fn new(count: usize) -> Self {
        Self { keys: keys(count), values: values(count) }
    }

    /// Work with the first keys, `order` being made of their indices.
    pub(crate) fn work<'a>(&'a self, order: &'a [u32], mix: Mix, threads: usize) -> Work<'a> {
        Work { keys: &self.keys, values: &self.values, order, mix, threads }
    }
}

/// The figures of one workload, skew, number of threads and number of keys: those of each contender by round.
struct Cell {
    mix: usize,
    threads: usize,
    skew: f64,
    speeds: Vec<Vec<f64>>,
    hits: Vec<Vec<f64>>,
}

/// Measures all and reports.
pub(crate) fn measure(report: &mut Report, effort: Effort, policy: PolicyKind) -> io::Result<()> {
    let names: Vec<_> = contenders(1, policy).iter().map(|(name, _)| *name).collect();
    let scales = if effort == Effort::Try { &[SMALL][..] } else { &[SMALL, LARGE] };
    let stock = Stock::new(LARGE.crowd);
    for &scale in scales {
        let cells = cells(&stock, scale, effort, policy);
        tell(report, scale, &names, &cells);
        plot(report, scale, &names, &cells)?;
    }
    Ok(())
}

/// Indices of `count` keys, ranks spread over the keys so that wanted ones are no neighbours in memory.
pub(crate) fn order(count: usize, skew: f64, length: usize) -> Vec<u32> {
    let (zipf, places, mut random) = (Zipf::new(count, skew), shuffled(count, 1), Random::new(2));
    (0..length).map(|_| places[zipf.draw(&mut random)]).collect()
}

/// Caches that hold all keys.
pub(crate) fn resident(stock: &Stock, scale: Scale, policy: PolicyKind) -> Vec<(&'static str, Box<dyn Runner>)> {
    let order: Vec<u32> = (0..scale.resident as u32).collect();
    warmed(contenders(scale.resident * ROOM, policy), &stock.work(&order, Mix::ReadThrough, 1))
}

/// Caches that hold those of the keys that they chose.
pub(crate) fn crowded(
    stock: &Stock,
    scale: Scale,
    order: &[u32],
    policy: PolicyKind,
) -> Vec<(&'static str, Box<dyn Runner>)> {
    warmed(contenders(scale.room, policy), &stock.work(order, Mix::ReadThrough, 1))
}

fn warmed(caches: Vec<(&'static str, Box<dyn Runner>)>, work: &Work<'_>) -> Vec<(&'static str, Box<dyn Runner>)> {
    for (_, cache) in &caches {
        cache.warm(work);
    }
    caches
}

fn cells(stock: &Stock, scale: Scale, effort: Effort, policy: PolicyKind) -> Vec<Cell> {
    let mut cells = Vec::new();
    for skew in SKEWS {
        let (held, wanted) = (order(scale.resident, skew, ORDER), order(scale.crowd, skew, ORDER));
        let full = resident(stock, scale, policy);
        let chosen = crowded(stock, scale, &wanted[..scale.crowd * 3], policy);
        for (mix, (_, calls)) in MIXES.into_iter().enumerate() {
            let (caches, order) = if calls == Mix::Get { (&full, &held) } else { (&chosen, &wanted) };
            for threads in THREADS {
                let (speeds, hits) = rounds(caches, &stock.work(order, calls, threads), effort);
                cells.push(Cell { mix, threads, skew, speeds, hits });
            }
        }
    }
    cells
}

type Rounds = Vec<Vec<f64>>;

/// The speeds and the shares of hits, by contender and round.
fn rounds(caches: &[(&'static str, Box<dyn Runner>)], work: &Work<'_>, effort: Effort) -> (Rounds, Rounds) {
    let (rounds, span) = match effort {
        Effort::Try => (1, 1),
        Effort::Quick => (11, 2),
        Effort::Full => (21, 5),
    };
    // More threads than processors take turns of milliseconds: a slice has room for several.
    let span = Duration::from_millis(span) * if work.threads > 2 { 3 } else { 1 };
    let (mut speeds, mut hits) = (vec![Vec::new(); caches.len()], vec![Vec::new(); caches.len()]);
    for round in 0..rounds {
        for step in 0..caches.len() {
            let at = (round + step) % caches.len();
            let slice = caches[at].1.run(work, round, span);
            speeds[at].push(slice.speed);
            hits[at].push(slice.hits);
        }
    }
    (speeds, hits)
}

fn tell(report: &mut Report, scale: Scale, names: &[&str], cells: &[Cell]) {
    for (mix, (name, calls)) in MIXES.into_iter().enumerate() {
        let (room, all) =
            if calls == Mix::Get { (scale.resident * ROOM, scale.resident) } else { (scale.room, scale.crowd) };
        report.say(format!("#### {name}, room for {room} entries, {all} keys\n\nMillions of calls in a second:"));
        let mut heading: Vec<String> = ["Zipf", "threads"].map(str::to_owned).into();
        heading.extend(names.iter().map(|&name| name.to_owned()));
        heading.extend(["best peer", "ours / best peer", "ours / limit"].map(str::to_owned));
        if calls != Mix::Get {
            heading.push("hits of ours / best peer, %".to_owned());
        }
        let mut table = Table::new(heading);
        for cell in cells.iter().filter(|cell| cell.mix == mix) {
            table.row(row(cell, names, calls));
        }
        report.say(table.markdown());
    }
}

fn row(cell: &Cell, names: &[&str], calls: Mix) -> Vec<String> {
    let limit = names.len() - 1;
    let mut row = vec![cell.skew.to_string(), cell.threads.to_string()];
    row.extend(cell.speeds.iter().map(|speeds| format!("{:.2}", middle(speeds))));
    let peers = (OURS + 1)..limit;
    let (ratio, best) = peers.map(|peer| (ratio(cell, peer), peer)).min_by(|a, b| a.0.total_cmp(&b.0)).expect("peers");
    row.extend([names[best].to_owned(), format!("**{ratio:.2}**"), format!("{:.2}", self::ratio(cell, limit))]);
    if calls != Mix::Get {
        row.push(format!("{:.1} / {:.1}", middle(&cell.hits[OURS]) * 100.0, middle(&cell.hits[best]) * 100.0));
    }
    row
}

/// How many times faster than a contender we are: the median over rounds, in which both had the same machine.
fn ratio(cell: &Cell, other: usize) -> f64 {
    let ratios: Vec<f64> =
        cell.speeds[OURS].iter().zip(&cell.speeds[other]).map(|(ours, other)| ours / other).collect();
    middle(&ratios)
}

fn middle(values: &[f64]) -> f64 {
    median(&mut values.to_vec()).unwrap_or(f64::NAN)
}

/// Gets and the mix of 90/10 at the middle skew.
fn plot(report: &mut Report, scale: Scale, names: &[&str], cells: &[Cell]) -> io::Result<()> {
    for (mix, file, keys) in [(0, "get", scale.resident), (1, "mix", scale.crowd)] {
        let shown = cells.iter().filter(|cell| cell.mix == mix && (cell.skew - SKEWS[1]).abs() < f64::EPSILON);
        let shown: Vec<&Cell> = shown.collect();
        let groups: Vec<String> = shown.iter().map(|cell| format!("{} thread(s)", cell.threads)).collect();
        let series: Vec<(&str, Vec<f64>)> = names
            .iter()
            .enumerate()
            .map(|(at, &name)| (name, shown.iter().map(|cell| middle(&cell.speeds[at])).collect()))
            .collect();
        let title = format!("{}, {keys} keys, Zipf {}: millions of calls in a second", MIXES[mix].0, SKEWS[1]);
        report.plot(&title, &format!("mem-{file}-{keys}"), &bars(&title, &groups, &series))?;
    }
    Ok(())
}
