//! Byte counts and spans as people write and read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes, written `4096`, `512KiB`, `10GiB` or `2GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteCount(pub(crate) u64);

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
    fn figures_print_with_fitting_units() {
        assert_eq!(ByteCount(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteCount(17).to_string(), "17 B");
        assert_eq!(Span(Duration::from_micros(36)).to_string(), "36.0 µs");
        assert_eq!(Span(Duration::from_millis(1234)).to_string(), "1.23 s");
        assert_eq!(Span(Duration::from_millis(250)).to_string(), "250 ms");
        assert_eq!(Span(Duration::ZERO).to_string(), "0.00 µs");
    }
}
