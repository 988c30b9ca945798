//! Byte counts and spans as people write and read them.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes, written `4096`, `512KiB`, `10GiB` or `2GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteCount(pub(crate) u64);

impl ByteCount {
    /// As it is written, in the largest unit that says it exactly.
    pub(crate) fn exactly(self) -> String {
        let fitting = UNITS[..8].iter().filter(|&&(_, unit)| self.0 > 0 && self.0.is_multiple_of(unit));
        match fitting.max_by_key(|&&(_, unit)| unit) {
            Some(&(suffix, unit)) => format!("{}{suffix}", self.0 / unit),
            None => self.0.to_string(),
        }
    }
}

/// Units of spans with their milliseconds, the longest first.
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a span: `90s`, `6h`, `1h30m`, `250ms`, or a plain number of seconds.
///
/// # Errors
/// What to write.
pub(crate) fn span_of(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a span: write for example 90s, 6h, 1h30m or a plain number of seconds");
    let millis = match text.parse::<u64>() {
        Ok(seconds) => seconds.checked_mul(1_000),
        Err(_) => parts_of(text),
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// The sum of the parts of a span, each in a shorter unit than the one before.
fn parts_of(text: &str) -> Option<u64> {
    let (mut rest, mut sum, mut units) = (text, 0_u64, SPANS.as_slice());
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let at = units.iter().position(|&(name, _)| name == unit)?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(units[at].1)?)?;
        (rest, units) = (after, &units[at + 1..]);
    }
    (!text.is_empty()).then_some(sum)
}

/// A span as it is written, in whole milliseconds.
pub(crate) fn written(span: Duration) -> String {
    let mut left = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in SPANS {
        if left >= millis {
            let _ = write!(text, "{}{unit}", left / millis);
            left %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl FromStr for ByteCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, unit) = UNITS
            .iter()
            .find_map(|&(suffix, unit)| text.strip_suffix(suffix).map(|digits| (digits, unit)))
            .unwrap_or((text, 1));
        let wrong = || format!("{text:?} is not a number of bytes: write for example 4096, 512MiB or 10GiB");
        let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
        number.checked_mul(unit).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = UNITS[..4].iter().rev().find(|&&(_, unit)| self.0 >= unit);
        match fitting {
            Some(&(suffix, unit)) => write!(f, "{:.1} {suffix}", self.0 as f64 / unit as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// A span with three significant figures in the fitting unit.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let (number, unit) = match seconds {
            s if s >= 1.0 => (s, "s"),
            s if s >= 1e-3 => (s * 1e3, "ms"),
            s => (s * 1e6, "µs"),
        };
        let decimals = if number >= 99.95 { 0 } else { 2 - usize::from(number >= 9.995) };
        f.pad(&format!("{number:.decimals$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_read_with_and_without_units() {
        let read = |text: &str| text.parse::<ByteCount>().map(|count| count.0);
        assert_eq!(read("4096"), Ok(4096));
        assert_eq!(read("10GiB"), Ok(10 << 30));
        assert_eq!(read("2 GB"), Ok(2_000_000_000));
        assert_eq!(read("0"), Ok(0));
        for wrong in ["", "GiB", "-1", "1.5GiB", "99999999TiB", "10 potatoes"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn byte_counts_are_written_as_they_are_read() {
        for text in ["10GiB", "5GB", "512MiB", "0", "4097", "1TiB", "3kB"] {
            assert_eq!(text.parse::<ByteCount>().unwrap().exactly(), text);
        }
    }

    #[test]
    fn spans_read_with_and_without_units_and_are_written_as_they_are_read() {
        let read = |text: &str| span_of(text).map(|span| span.as_millis());
        assert_eq!(read("3600"), Ok(3_600_000));
        assert_eq!(read("90s"), Ok(90_000));
        assert_eq!(read("1h30m"), Ok(5_400_000));
        assert_eq!(read("250ms"), Ok(250));
        assert_eq!(read("0"), Ok(0));
        for text in ["30d", "6h", "1h30m", "1m30s", "250ms", "0s"] {
            assert_eq!(written(span_of(text).unwrap()), text);
        }
        for wrong in
            ["", "h", "-1", "1.5h", "30m1h", "1h1h", "6 hours", "99999999999999999999s", "18446744073709551615"]
        {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn figures_print_with_fitting_units() {
        assert_eq!(ByteCount(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteCount(17).to_string(), "17 B");
        assert_eq!(Span(Duration::from_micros(36)).to_string(), "36.0 µs");
        assert_eq!(Span(Duration::from_millis(1234)).to_string(), "1.23 s");
        assert_eq!(Span(Duration::from_millis(250)).to_string(), "250 ms");
        assert_eq!(Span(Duration::ZERO).to_string(), "0.00 µs");
    }
}
