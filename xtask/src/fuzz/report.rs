//! What came of a run of libFuzzer.

use std::fmt::Write;
use std::path::PathBuf;

/// What came of a run of libFuzzer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) target: String,
    pub(crate) seconds: u64,
    /// Inputs that were tried.
    pub(crate) inputs: u64,
    /// Places of the code that some input reached.
    pub(crate) reached: u64,
    /// Inputs that were kept because they reached something new, over all runs.
    pub(crate) corpus: usize,
    /// Files with inputs that break the target.
    pub(crate) broken: Vec<PathBuf>,
}

impl Report {
    /// What the log of a run says.
    pub(crate) fn of_log(log: &str) -> Self {
        let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse().ok());
        let last = |mark: &str| log.rsplit_once(mark).and_then(|(_, rest)| number(rest)).unwrap_or_default();
        Self { inputs: last("stat::number_of_executed_units:"), reached: last(" cov: "), ..Self::default() }
    }
}

/// A line for each run, below a heading.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut text = format!(
        "{:<20} {:>12} {:>10} {:>8} {:>8} {:>8}\n",
        "target", "inputs", "a second", "reached", "corpus", "broken"
    );
    for Report { target, seconds, inputs, reached, corpus, broken } in reports {
        let rate = inputs / (*seconds).max(1);
        let broken = broken.len();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{target:<20} {inputs:>12} {rate:>10} {reached:>8} {corpus:>8} {broken:>8}");
    }
    text
}

/// What to do about inputs that break a target.
pub(crate) fn advice(reports: &[Report]) -> String {
    let mut text = String::from(": for each of them,");
    for Report { target, broken, .. } in reports.iter().filter(|report| !report.broken.is_empty()) {
        for file in broken {
            let _ = write!(text, "\n  cp {} fuzz/corpus/{target}/WHAT-IT-IS", file.display());
        }
        let _ = write!(text, "\n  cargo test -p fuzz {target}::");
    }
    text + "\nand mend what fails: the seed stays as its test"
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "#2\tINITED cov: 11 ft: 12 corp: 1/1b exec/s: 0 rss: 30Mb\n#4096\tpulse  cov: 120 ft: 300 corp: 9/40b\n\
        Done 5000 runs in 6 second(s)\nstat::number_of_executed_units: 5000\nstat::average_exec_per_sec:     833\n";

    #[test]
    fn a_log_says_how_much_was_tried_and_reached() {
        let report = Report::of_log(LOG);
        assert_eq!((report.inputs, report.reached), (5_000, 120));
        assert_eq!(Report::of_log("nothing"), Report::default());
    }

    #[test]
    fn the_advice_names_file_and_test() {
        let report = Report { target: "bencode".to_owned(), broken: vec!["/t/crash-1".into()], ..Report::default() };
        let advice = advice(&[Report::default(), report]);
        assert!(
            advice.contains("cp /t/crash-1 fuzz/corpus/bencode/") && advice.contains("cargo test -p fuzz bencode::")
        );
    }
}
