//! How long single calls take, the slow ones among them.

use benches::options::Effort;
use benches::report::{Report, Table};
use benches::stats::quantile;
use cache_core::PolicyKind;

use crate::arena::{Mix, Runner, Work};
use crate::throughput::{LARGE, SMALL, Stock, crowded, order, resident};

/// How uneven the keys are asked for.
const SKEW: f64 = 0.99;
/// The quantiles reported.
const SHOWN: [f64; 3] = [0.5, 0.99, 0.999];

/// Measures all and reports.
pub(crate) fn measure(report: &mut Report, effort: Effort, policy: PolicyKind) {
    let (scale, rounds, calls) = match effort {
        Effort::Try => (SMALL, 1, 100),
        Effort::Quick => (LARGE, 5, 10_000),
        Effort::Full => (LARGE, 21, 20_000),
    };
    let stock = Stock::new(scale.crowd);
    let length = (rounds * calls).max(scale.crowd * 3);
    let (held, wanted) = (order(scale.resident, SKEW, length), order(scale.crowd, SKEW, length));
    let hits = times(&resident(&stock, scale, policy), &stock.work(&held, Mix::Get, 1), rounds, calls);
    let full = crowded(&stock, scale, &wanted, policy);
    let misses = times(&full, &stock.work(&wanted, Mix::ReadThrough, 1), rounds, calls);
    report.say(format!(
        "#### Latency of single calls, one thread, Zipf {SKEW}\n\nNanoseconds, the clock's own included. Gets of {} \
         resident keys; inserts of {} keys, present or not, into a cache with room for {}:",
        scale.resident, scale.crowd, scale.room
    ));
    let columns = ["cache", "get p50", "p99", "p99.9", "insert p50", "p99", "p99.9"];
    let mut table = Table::new(columns);
    for (at, (name, _)) in full.iter().enumerate() {
        let [gets, inserts] = [(&hits[at].0), (&misses[at].1)].map(|times| quantiles(times));
        table.row(std::iter::once((*name).to_owned()).chain(gets).chain(inserts));
    }
    report.say(table.markdown());
}

/// Times of gets and of inserts, by contender.
fn times(
    caches: &[(&'static str, Box<dyn Runner>)],
    work: &Work<'_>,
    rounds: usize,
    calls: usize,
) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut times = vec![(Vec::new(), Vec::new()); caches.len()];
    for round in 0..rounds {
        for step in 0..caches.len() {
            let at = (round + step) % caches.len();
            let [gets, inserts] = caches[at].1.time_calls(work, round, calls);
            times[at].0.extend(gets);
            times[at].1.extend(inserts);
        }
    }
    times
}

fn quantiles(times: &[f64]) -> [String; 3] {
    let mut times = times.to_vec();
    SHOWN.map(|at| format!("{:.0}", quantile(&mut times, at).unwrap_or(f64::NAN)))
}
