//! What the default policy and the named ones promise against the peers, and whether they keep it in this run.

use benches::report::{Report, Table};

use crate::peers::PEERS;
use crate::run::{BOUND, FOR_HITS, GREEDY, OURS, Replays, SHARES};
use crate::summary::{LRU, best, mean, per_gigabyte, share_of_bound, worst};

/// The default policy, another one that keeps heavy entries, the one that saves time, and the peer to beat at bytes.
const DEFAULT: &str = "Reelcache agd";
const FOR_BYTES: &str = "Reelcache s3fifo";
const FOR_SECONDS: &str = "Reelcache gdsf";
const S3_FIFO: &str = "foyer s3fifo";

/// Adds the table of the promises for the traces of a kind.
pub(crate) fn tell(report: &mut Report, kind: &str, all: &[Replays<'_>]) {
    let peers = PEERS.map(|(name, _)| name);
    let sized: Vec<&Replays<'_>> = all.iter().filter(|replays| replays.trace.sized).collect();
    let every: Vec<&Replays<'_>> = all.iter().collect();
    let mut table = Table::new(["what", "by", "reached", "bar", "verdict"]);
    let mut bar = |what: &str, by: &str, reached: f64, least: f64| {
        let verdict = if reached >= least { "met" } else { "**missed**" };
        let by = by.trim_start_matches(OURS);
        let [reached, least] = [reached, least].map(|figure| format!("{figure:.*}", usize::from(figure < 1000.0) * 2));
        table.row([what, by, &reached, &least, verdict]);
    };
    bar("mean hits, to the best peer in each cell, %", DEFAULT, mean(&every, &[DEFAULT], 0), mean(&every, &peers, 0));
    bar("worst cell, to the best peer, points", DEFAULT, worst(&every, &[DEFAULT], &peers), -2.0);
    bar("worst cell, to plain LRU, points", DEFAULT, worst(&every, &[DEFAULT], &[LRU]), -1.0);
    let (gdsf, s3fifo) = (share_of_bound(&sized, &[GREEDY], 0), share_of_bound(&sized, &[S3_FIFO], 1));
    for policy in [DEFAULT, FOR_HITS] {
        let reached = share_of_bound(&sized, &[policy], 0);
        bar("weights: hits, to the exact GDSF, % of the bound", policy, reached, gdsf);
    }
    for policy in [DEFAULT, FOR_BYTES] {
        let reached = share_of_bound(&sized, &[policy], 1);
        bar("weights: bytes, to foyer's S3-FIFO, % of the bound", policy, reached, s3fifo);
    }
    let seconds = [per_gigabyte(&sized, &[FOR_SECONDS]), per_gigabyte(&sized, &peers)];
    bar("weights: seconds saved per GB, to the best peer in each cell", FOR_SECONDS, seconds[0], seconds[1]);
    let single = peers.map(|peer| mean(&every, &[peer], 2)).into_iter().fold(0.0, f64::max);
    bar("mean seconds, to the best single peer, %", FOR_SECONDS, mean(&every, &[FOR_SECONDS], 2), single);
    let behind = every.iter().flat_map(|&replays| cells_behind(replays, &peers)).collect::<Vec<_>>();
    report.say_ahead(format!("#### Bars, {kind} traces\n\n{}\n{}", table.markdown(), told(&behind)));
}

/// Where the default is more than a point below the best peer or plain LRU.
fn cells_behind(replays: &Replays<'_>, peers: &[&str]) -> Vec<String> {
    let (mine, lru) = (best(replays, &[DEFAULT], 0), best(replays, &[LRU], 0));
    let others = best(replays, peers, 0);
    let optimum = best(replays, &[BOUND], 0);
    let cells = SHARES.iter().enumerate().filter(|&(at, _)| mine[at] < others[at].max(lru[at]) - 0.01);
    cells
        .map(|(at, share)| {
            let percent = |cells: &[f64]| format!("{:.1}", cells[at] * 100.0);
            let (mine, others, lru, optimum) = (percent(&mine), percent(&others), percent(&lru), percent(&optimum));
            let name = &replays.trace.name;
            format!("{name} at {} %: {mine}, best peer {others}, LRU {lru}, bound {optimum}", share * 100.0)
        })
        .collect()
}

fn told(behind: &[String]) -> String {
    if behind.is_empty() {
        return "The default is nowhere more than a point below the best peer.".to_owned();
    }
    format!("The default is more than a point below the best peer here: {}.", behind.join("; "))
}
