//! Hit ratios of Reelcache's policies, of the peers and of the optimum, on recorded and made-up traces.

mod bars;
mod greedy;
mod ours;
mod peers;
mod run;
mod summary;

use std::io;
use std::process::ExitCode;

use benches::chart::lines;
use benches::options::{self, Effort, Options};
use benches::report::{Report, Table};
use benches::synthetic;
use benches::trace::Trace;
use run::{Replays, SHARES};

/// Requests of each made-up trace.
const REQUESTS: usize = 200_000;

fn main() -> ExitCode {
    options::run(measured)
}

fn measured(options: &Options) -> Result<(), String> {
    let requests = if options.effort == Effort::Try { REQUESTS / 100 } else { REQUESTS };
    let mut traces = synthetic::all(requests);
    let made_up = traces.len();
    for path in &options.traces {
        traces.push(Trace::read(path).map_err(|error| error.to_string())?);
    }
    let mut report = Report::new("hit-ratio", options.folder.clone());
    let mut done: Vec<Replays<'_>> = Vec::new();
    for trace in &traces {
        let replays = run::replays(trace);
        tell(&mut report, &replays).map_err(|error| format!("writing the report: {error}"))?;
        done.push(replays);
    }
    let (made_up, recorded) = done.split_at(made_up);
    for (kind, replays) in [("made-up", made_up), ("recorded", recorded)] {
        if !replays.is_empty() {
            bars::tell(&mut report, kind, replays);
            summary::tell(&mut report, kind, replays);
        }
    }
    summary::explain(&mut report);
    report.finish().map_err(|error| format!("writing the report: {error}"))
}

/// The table and the plot of one trace.
fn tell(report: &mut Report, replays: &Replays<'_>) -> io::Result<()> {
    let trace = replays.trace;
    let bytes = if trace.sized { format!(", {} MiB", trace.bytes >> 20) } else { String::new() };
    let costs = if trace.costs_recorded { "recorded" } else { "made up" };
    report.say(format!(
        "#### {}: {} requests, {} keys{bytes}, costs {costs}\n\nIn %:",
        trace.name,
        trace.requests.len(),
        trace.keys
    ));
    let kinds: &[(usize, &str)] =
        if trace.sized { &[(0, "hits"), (1, "bytes"), (2, "seconds")] } else { &[(0, "hits"), (2, "seconds")] };
    let columns = kinds.iter().flat_map(|(_, kind)| SHARES.map(|share| format!("{kind} at {} %", share * 100.0)));
    let mut table = Table::new(std::iter::once("cache".to_owned()).chain(columns));
    for (name, served) in &replays.rows {
        let cells = kinds
            .iter()
            .flat_map(|&(kind, _)| served.iter().map(move |served| format!("{:.1}", served.shares()[kind] * 100.0)));
        table.row(std::iter::once(name.clone()).chain(cells));
    }
    report.say(table.markdown());
    let steps = SHARES.map(|share| format!("{} %", share * 100.0));
    let series: Vec<(&str, Vec<f64>)> = replays
        .rows
        .iter()
        .map(|(name, served)| (name.as_str(), served.iter().map(|served| served.requests * 100.0).collect()))
        .collect();
    let title = format!("{}: hits in %, by capacity in % of the distinct {}", trace.name, trace.unit());
    // The name of a file that somebody gave, within a link.
    let name = trace.name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    report.plot(&title, &format!("hit-ratio-{name}"), &lines(&title, &steps, &series))
}
