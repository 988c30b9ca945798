//! Hit ratios of Reelcache's policies, of the peers and of the optimum, on recorded and made-up traces.

mod ours;
mod peers;
mod run;
mod summary;

use std::io;
use std::process::ExitCode;

use benches::chart::lines;
use benches::options::Options;
use benches::report::{Report, Table};
use benches::synthetic;
use benches::trace::Trace;
use run::{Replays, SHARES};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut traces = synthetic::all();
    for path in &options.traces {
        traces.push(Trace::read(path).map_err(|error| error.to_string())?);
    }
    let mut report = Report::new("hit-ratio", options.folder.clone());
    let mut done = Vec::new();
    for trace in &traces {
        done.push(run::replays(trace));
    }
    summary::tell(&mut report, &done);
    for replays in &done {
        tell(&mut report, replays).map_err(|error| format!("writing the report: {error}"))?;
    }
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
    report.plot(&title, &format!("hit-ratio-{}", trace.name), &lines(&title, &steps, &series))
}
