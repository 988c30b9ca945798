//! All traces in one table: means, and how far behind the best peer and plain LRU.

use benches::report::{Report, Table};

use crate::peers::PEERS;
use crate::run::{BELADY, BOUND, GREEDY, OURS, Replays, SHARES};

/// The peer that plain LRU is.
pub(crate) const LRU: &str = "foyer lru";

/// What the table tells of each cache.
const COLUMNS: [&str; 11] = [
    "cache",
    "hits",
    "bytes",
    "seconds",
    "hits, % of the bound",
    "hits, % of the bound, weights",
    "bytes, % of the bound, weights",
    "seconds, % of the bound",
    "seconds per GB",
    "worst to best peer",
    "worst to LRU",
];

/// Adds the table of the traces of a kind.
pub(crate) fn tell(report: &mut Report, kind: &str, all: &[Replays<'_>]) {
    report.say_ahead(format!(
        "#### All {kind} traces\n\nMeans over all traces and capacities, in %, and of what is served in a cell as a share \
         of the bound there; *weights*, bytes, and seconds saved per GB of capacity: over traces that tell bytes. \"Worst\" \
         is the widest gap in hits, in points, to the best peer in the same cell, and to plain LRU (foyer's)."
    ));
    let mut table = Table::new(COLUMNS);
    let all: &[&Replays<'_>] = &all.iter().collect::<Vec<_>>();
    let names: Vec<&str> = all.first().map_or(&[][..], |first| &first.rows).iter().map(|(name, _)| &**name).collect();
    for name in &names {
        table.row(row(all, &[*name], name));
    }
    table.row(row(all, &PEERS.map(|(name, _)| name), "*best peer in each cell*"));
    let ours: Vec<&str> = names.iter().copied().filter(|name| name.starts_with(OURS)).collect();
    table.row(row(all, &ours, "*best of ours in each cell*"));
    report.say_ahead(table.markdown());
}

/// Says what the rows are that know the future.
pub(crate) fn explain(report: &mut Report) {
    report.say_ahead(format!(
        "`{BELADY}` evicts what is wanted last; with equal weights nothing has more hits, with others it is one more \
         heuristic. `{BOUND}` is the same for hits and bytes where weights are equal; for the rest it is PFOO-L (Berger, \
         Beckmann and Harchol-Balter, SIGMETRICS 2018): nothing can do better, and perhaps nothing as well. `{GREEDY}` is the textbook's Greedy-Dual-Size-Frequency for \
         hits, as in libCacheSim."
    ));
}

/// The mean over all cells of what the best of `names` serves, in %.
pub(crate) fn mean(all: &[&Replays<'_>], names: &[&str], kind: usize) -> f64 {
    let cells: Vec<f64> = all.iter().flat_map(|replays| best(replays, names, kind)).collect();
    cells.iter().sum::<f64>() / cells.len().max(1) as f64 * 100.0
}

/// The mean over all cells of what the best of `names` serves of the bound in that cell, in %.
pub(crate) fn share_of_bound(all: &[&Replays<'_>], names: &[&str], kind: usize) -> f64 {
    let cells =
        all.iter().flat_map(|replays| best(replays, names, kind).into_iter().zip(best(replays, &[BOUND], kind)));
    let shares: Vec<f64> = cells.map(|(mine, bound)| if bound > 0.0 { mine / bound } else { 1.0 }).collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64 * 100.0
}

/// Seconds that the best of `names` saves for each gigabyte of capacity: the mean over all cells.
pub(crate) fn per_gigabyte(all: &[&Replays<'_>], names: &[&str]) -> f64 {
    let cells = all.iter().flat_map(|replays| {
        let trace = replays.trace;
        let seconds = trace.seconds();
        let saved = best(replays, names, 2).into_iter().map(move |share| share * seconds);
        saved.zip(SHARES).map(move |(saved, share)| saved / (trace.capacity(share) as f64 / 1e9))
    });
    let cells: Vec<f64> = cells.collect();
    cells.iter().sum::<f64>() / cells.len().max(1) as f64
}

/// How many points of hits the best of `names` is behind the best of `others`, at worst; 0 if it is ahead everywhere.
pub(crate) fn worst(all: &[&Replays<'_>], names: &[&str], others: &[&str]) -> f64 {
    let gaps = all.iter().flat_map(|replays| {
        best(replays, names, 0).into_iter().zip(best(replays, others, 0)).map(|(mine, best)| mine - best)
    });
    gaps.fold(0.0, f64::min) * 100.0
}

/// What the best of `names` serves, at each capacity.
pub(crate) fn best(replays: &Replays<'_>, names: &[&str], kind: usize) -> Vec<f64> {
    let rows = replays.rows.iter().filter(|(row, _)| names.contains(&&**row));
    let rows = rows.map(|(_, served)| served.map(|served| served.shares()[kind]).to_vec());
    rows.reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| a.max(b)).collect()).unwrap_or_default()
}

/// The row of the best of `names` in each cell.
fn row(all: &[&Replays<'_>], names: &[&str], label: &str) -> Vec<String> {
    let sized: Vec<&Replays<'_>> = all.iter().copied().filter(|replays| replays.trace.sized).collect();
    let mut row = vec![label.to_owned()];
    row.extend([mean(all, names, 0), mean(&sized, names, 1), mean(all, names, 2)].map(|mean| format!("{mean:.2}")));
    let shares = [share_of_bound(all, names, 0), share_of_bound(&sized, names, 0), share_of_bound(&sized, names, 1)];
    row.extend([shares[0], shares[1], shares[2], share_of_bound(all, names, 2)].map(|share| format!("{share:.1}")));
    row.push(format!("{:.0}", per_gigabyte(&sized, names)));
    row.extend([&PEERS.map(|(name, _)| name)[..], &[LRU]].map(|others| format!("{:.1}", worst(all, names, others))));
    row
}
