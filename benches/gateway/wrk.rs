//! wrk: as many requests as a server answers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What wrk has seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Requests a second.
    pub(crate) rate: f64,
    /// The time that 99 of 100 requests took at most, in milliseconds.
    pub(crate) p99: f64,
    /// MiB of answers a second.
    pub(crate) throughput: f64,
}

/// Asks `url` over `connections` for `span`; `script` says how, unless it is a plain GET.
pub(crate) fn ask(url: &str, connections: usize, span: Duration, script: Option<&Path>) -> Seen {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--latency", "--timeout", "10s", "--connections", &connections.to_string()]);
    // Whole seconds are all that it takes.
    command.arg("--duration").arg(format!("{}s", span.as_secs().max(1)));
    if let Some(script) = script {
        command.arg("--script").arg(script);
    }
    let run = command.arg(url).output().expect("wrk runs: `cargo xtask bench gateway` installs it");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"), "{url}: {text}");
    let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let figure = |label: &str| after(label).unwrap_or_else(|| panic!("no {label} in {text}"));
    Seen {
        rate: figure("Requests/sec:").parse().expect("a rate"),
        p99: scaled(figure("99%"), &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)]),
        throughput: scaled(
            figure("Transfer/sec:"),
            &[("GB", 1024.0), ("MB", 1.0), ("KB", 1.0 / 1024.0), ("B", 1.0 / 1_048_576.0)],
        ),
    }
}

fn scaled(text: &str, units: &[(&str, f64)]) -> f64 {
    let of = |(unit, scale): &(&str, f64)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * scale);
    units.iter().find_map(of).unwrap_or_else(|| panic!("{text} has no known unit"))
}
