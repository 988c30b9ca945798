//! What criterion prints, as a table.

use std::fmt::Write as _;

/// How the lines begin that only say what is being done.
const PROGRESS: &str = "Benchmarking ";

/// The estimates in criterion's `output`, in Markdown.
pub(super) fn table(output: &str) -> String {
    let mut table = "| benchmark | time | from | to |\n|---|--:|--:|--:|\n".to_owned();
    let mut named = "";
    for line in output.lines() {
        let Some((name, figures)) = line.split_once("time:") else {
            // A long name stands on the line above its figures.
            if !line.starts_with(' ') && !line.starts_with(PROGRESS) && !line.trim().is_empty() {
                named = line.trim();
            }
            continue;
        };
        let name = if name.trim().is_empty() { named } else { name.trim() };
        let figures: Vec<&str> = figures.trim().trim_start_matches('[').trim_end_matches(']').split(' ').collect();
        if let [from, from_unit, middle, middle_unit, to, to_unit] = figures[..] {
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {name} | {middle} {middle_unit} | {from} {from_unit} | {to} {to_unit} |");
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_estimates_are_found() {
        let output = "near/hit                time:   [1.0 ns 2.0 ns 3.0 ns]\n                        thrpt:  [1 2 3]\n\n\
                      a name that is too long for its line\nBenchmarking x: Analyzing\n                        time:   [4.0 µs 5.0 µs 6.0 µs]\n";
        let table = table(output);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| near/hit | 2.0 ns | 1.0 ns | 3.0 ns |",
                "| a name that is too long for its line | 5.0 µs | 4.0 µs | 6.0 µs |"
            ]
        );
    }
}
