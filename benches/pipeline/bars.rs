//! `Bars`: what was promised beside what was seen.

use benches::report::Table;

/// What was promised beside what was seen.
#[derive(Debug, Default)]
pub(crate) struct Bars(Vec<[String; 4]>);

impl Bars {
    /// `seen` is to be `limit` at most.
    pub(crate) fn most(&mut self, what: &str, seen: f64, limit: f64, unit: &str) {
        self.0.push(row(what, seen, ("at most", limit), unit, seen <= limit));
    }

    /// `seen` is to be `limit` at least.
    pub(crate) fn least(&mut self, what: &str, seen: f64, limit: f64, unit: &str) {
        self.0.push(row(what, seen, ("at least", limit), unit, seen >= limit));
    }

    /// All of them, in the order in which they were measured.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(["what", "seen", "promised", ""]);
        self.0.iter().for_each(|row| table.row(row));
        table
    }
}

fn row(what: &str, seen: f64, (bound, limit): (&str, f64), unit: &str, holds: bool) -> [String; 4] {
    let verdict = if holds { "holds" } else { "**missed**" };
    [what.to_owned(), format!("{seen:.2}{unit}"), format!("{bound} {limit}{unit}"), verdict.to_owned()]
}
