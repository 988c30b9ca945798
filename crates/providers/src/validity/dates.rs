//! Dates as they are written in links and headers.

use cache_core::Timestamp;

/// Seconds or milliseconds since the epoch, told apart by their number.
pub(super) fn epoch(text: &str) -> Option<Timestamp> {
    if text.is_empty() || text.len() > 13 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = text.parse().ok()?;
    // Seconds do not have twelve digits for 30,000 years.
    Some(Timestamp::from_millis(if number < 100_000_000_000 { number * 1000 } else { number }))
}

/// Seconds since the epoch in hexadecimal digits.
pub(super) fn hex_epoch(text: &str) -> Option<Timestamp> {
    if text.len() != 8 {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(|seconds| Timestamp::from_millis(seconds * 1000))
}

/// `20260714T030000Z`, or `2026-07-14T03:00:00Z` with an optional fraction and offset, or only the date.
pub(crate) fn iso(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, ""));
    let date: Vec<u32> = match date.len() {
        8 => numbers(&[date.get(..4)?, date.get(4..6)?, date.get(6..)?])?,
        10 => numbers(&date.split('-').collect::<Vec<_>>())?,
        _ => return None,
    };
    let [year, month, day] = *date else { return None };
    let (time, offset) = zone(time)?;
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let time: Vec<u32> = match time.len() {
        0 => vec![0, 0, 0],
        4 | 6 => numbers(&[time.get(..2)?, time.get(2..4)?, time.get(4..).filter(|s| !s.is_empty()).unwrap_or("0")])?,
        _ => numbers(&time.split(':').collect::<Vec<_>>())?,
    };
    let (hour, minute, second) = match *time {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    at([year, month, day], [hour, minute, second], offset)
}

/// `Tue, 14 Jul 2026 03:00:00 GMT`, and the same with dashes.
pub(crate) fn http(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (_, rest) = text.split_once(',')?;
    let mut words = rest.split([' ', '-']).filter(|word| !word.is_empty());
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))?;
    let date = numbers(&[year, day])?;
    let year = if date[0] < 100 { date[0] + if date[0] < 70 { 2000 } else { 1900 } } else { date[0] };
    let time = numbers(&time.split(':').collect::<Vec<_>>())?;
    let [hour, minute, second] = *time else { return None };
    at([year, u32::try_from(month).ok()? + 1, date[1]], [hour, minute, second], 0)
}

/// The time without its zone, and the seconds by which that is ahead.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let digits: String = time.get(at + 1..)?.chars().filter(|c| *c != ':').collect();
    let parts = numbers(&[digits.get(..2)?, digits.get(2..).filter(|rest| !rest.is_empty()).unwrap_or("0")])?;
    let ahead = i64::from(parts[0]) * 3600 + i64::from(parts[1]) * 60;
    Some((&time[..at], if time.as_bytes()[at] == b'-' { -ahead } else { ahead }))
}

fn numbers(texts: &[&str]) -> Option<Vec<u32>> {
    let number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    texts.iter().map(number).collect()
}

fn at([year, month, day]: [u32; 3], [hour, minute, second]: [u32; 3], offset: i64) -> Option<Timestamp> {
    let legal = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !legal {
        return None;
    }
    let seconds = days(i64::from(year), i64::from(month), i64::from(day)) * 86_400
        + i64::from(hour * 3600 + minute * 60 + second)
        - offset;
    u64::try_from(seconds).ok().map(|seconds| Timestamp::from_millis(seconds * 1000))
}

/// Days since the epoch, by the algorithm of Howard Hinnant, "chrono-compatible low-level date algorithms".
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_reads_the_same_in_every_form() {
        let expected = Some(Timestamp::from_millis(1_783_998_000_000));
        for text in [
            "20260714T030000Z",
            "2026-07-14T03:00:00Z",
            "2026-07-14T03:00:00.123Z",
            "2026-07-14T05:00:00+02:00",
            "2026-07-13T22:00-0500",
        ] {
            assert_eq!(iso(text), expected, "{text}");
        }
        assert_eq!(http("Tue, 14 Jul 2026 03:00:00 GMT"), expected);
        assert_eq!(http("Tuesday, 14-Jul-26 03:00:00 GMT"), expected);
        assert_eq!(epoch("1783998000"), expected);
        assert_eq!(epoch("1783998000000"), expected);
        assert_eq!(hex_epoch("6a55a630"), expected);
        assert_eq!(iso("2024-02-29"), Some(Timestamp::from_millis(1_709_164_800_000)));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "T", "never", "2026-13-01", "2026-07-14T25:00:00Z", "99999999T000000Z", "2026-07-14T+", "é0260714"]
        {
            assert_eq!(iso(text), None, "{text}");
        }
        for text in ["0", "-1", "Tue, 14 Foo 2026 03:00:00 GMT", "Tue,"] {
            assert_eq!(http(text), None, "{text}");
        }
        assert_eq!(epoch("inf"), None);
        assert_eq!(epoch(""), None);
        assert_eq!(epoch("99999999999999999999"), None);
    }
}
