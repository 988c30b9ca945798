//! Text for people: one line each, and tables.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Without line breaks and escape sequences: keys, paths and what servers say come from strangers.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// A path in quotes, on one line.
pub(crate) fn quoted(path: &Path) -> String {
    format!("\"{}\"", one_line(&path.to_string_lossy()))
}

/// A span in its largest unit: `3d`, `5h`, `12m`, `7s`.
pub(crate) fn roughly(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds >= 86_400 => format!("{}d", seconds / 86_400),
        seconds if seconds >= 3_600 => format!("{}h", seconds / 3_600),
        seconds if seconds >= 60 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// Rows under a head; a column is as wide as its widest cell, the last one is not padded.
pub(crate) fn write_table(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let width = |at: usize| {
        let cells = std::iter::once(&head).chain(rows).filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in std::iter::once(&head).chain(rows) {
        for (at, cell) in row.iter().enumerate() {
            if at + 1 == row.len() {
                writeln!(out, "{}", one_line(cell))?;
            } else {
                write!(out, "{:width$}  ", one_line(cell), width = widths[at])?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_breaks_no_row() {
        let mut out = Vec::new();
        write_table(&mut out, &["a", "key"], &[vec!["12345".to_owned(), "x\n\u{1b}[2J".to_owned()]]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a      key\n12345  x\u{FFFD}\u{FFFD}[2J\n");
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        let told = [0, 59, 60, 7_199, 86_400].map(|seconds| roughly(Duration::from_secs(seconds)));
        assert_eq!(told, ["0s", "59s", "1m", "1h", "1d"]);
    }
}
