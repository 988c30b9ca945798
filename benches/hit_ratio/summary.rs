//! All traces in one table: means, and how far behind the best peer and plain LRU.

use benches::report::{Report, Table};

use crate::peers::PEERS;
use crate::run::{BELADY, BOUND, OURS, Replays};

/// The peer that plain LRU is.
const LRU: &str = "foyer lru";

/// What each cell counts: requests, bytes, seconds.
const KINDS: [&str; 3] = ["hits", "bytes", "seconds"];

/// Adds the table of the traces of a kind.
pub(crate) fn tell(report: &mut Report, kind: &str, all: &[Replays<'_>]) {
    report.say(format!(
        "#### All {kind} traces\n\nMeans over all traces and capacities, in %; bytes over traces that tell them. \"Worst\" \
         is the widest gap in hits, in points, to the best peer in the same cell, and to plain LRU (foyer's)."
    ));
    let mut heading = vec!["cache".to_owned()];
    heading.extend(KINDS.map(str::to_owned));
    heading.extend(KINDS.map(|kind| format!("{kind}, % of the bound")));
    heading.extend(["worst to best peer", "worst to LRU"].map(str::to_owned));
    let mut table = Table::new(heading);
    let names: Vec<&str> = all.first().into_iter().flat_map(|first| &first.rows).map(|(name, _)| &**name).collect();
    for name in &names {
        table.row(row(all, &[name], name));
    }
    table.row(row(all, &PEERS.map(|(name, _)| name), "*best peer in each cell*"));
    let ours: Vec<&str> = names.iter().copied().filter(|name| name.starts_with(OURS)).collect();
    table.row(row(all, &ours, "*best of ours in each cell*"));
    report.say(table.markdown());
}

/// Says what the rows are that know the future.
pub(crate) fn explain(report: &mut Report) {
    report.say(format!(
        "`{BELADY}` evicts what is wanted last; with equal weights nothing has more hits, with others it is one more \
         heuristic. `{BOUND}` is the same for hits and bytes where weights are equal; for the rest it is PFOO-L (Berger, \
         Beckmann and Harchol-Balter, SIGMETRICS 2018): nothing can do better, and perhaps nothing as well."
    ));
}

/// The row of the best of `names` in each cell.
fn row(all: &[Replays<'_>], names: &[&str], label: &str) -> Vec<String> {
    let mut row = vec![label.to_owned()];
    let of = |kind: usize| {
        let traces = all.iter().filter(move |replays| kind != 1 || replays.trace.sized);
        let best: Vec<(f64, f64)> = traces
            .flat_map(|replays| best(replays, names, kind).into_iter().zip(best_of_one(replays, BOUND, kind)))
            .collect();
        let count = best.len().max(1) as f64;
        let (mine, bound) = best.iter().fold((0.0, 0.0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1));
        (mine / count * 100.0, mine / bound * 100.0)
    };
    let cells = [0, 1, 2].map(of);
    row.extend(cells.map(|(mean, _)| format!("{mean:.2}")));
    row.extend(cells.map(|(_, share)| format!("{share:.1}")));
    row.extend([&PEERS.map(|(name, _)| name)[..], &[LRU]].map(|others| format!("{:.1}", worst(all, names, others))));
    row
}

/// How many points of hits the best of `names` is behind the best of `others`, at worst; 0 if it is ahead everywhere.
fn worst(all: &[Replays<'_>], names: &[&str], others: &[&str]) -> f64 {
    let gaps = all.iter().flat_map(|replays| {
        best(replays, names, 0).into_iter().zip(best(replays, others, 0)).map(|(mine, best)| mine - best)
    });
    gaps.fold(0.0, f64::min) * 100.0
}

/// The best of `names` at each capacity.
fn best(replays: &Replays<'_>, names: &[&str], kind: usize) -> Vec<f64> {
    let rows = names.iter().map(|name| best_of_one(replays, name, kind));
    rows.reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| a.max(b)).collect()).unwrap_or_default()
}

fn best_of_one(replays: &Replays<'_>, name: &str, kind: usize) -> Vec<f64> {
    let rows = replays.rows.iter().filter(|(row, _)| row == name);
    rows.flat_map(|(_, served)| served.map(|served| served.shares()[kind])).collect()
}
