//! What headers of HTTP say about the life of a link.

use std::time::Duration;

use cache_core::Timestamp;

use super::dates;

/// The end that `headers` set, and whether the link may be stored at all.
pub(super) fn limits(headers: &[(&str, &str)], now: Timestamp) -> (Option<Timestamp>, bool) {
    let all = |name: &'static str| {
        headers.iter().filter(move |(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let directives = || all("cache-control").flat_map(|value| value.split(',')).map(str::trim);
    let is = |directive: &str, name: &str| directive.eq_ignore_ascii_case(name);
    if directives().any(|directive| is(directive, "no-store") || is(directive, "no-cache")) {
        return (None, false);
    }
    let ages = directives().filter_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse::<u64>().ok()?;
        is(name.trim(), "max-age").then_some(seconds)
    });
    if let Some(max_age) = ages.min() {
        let age = all("age").find_map(|age| age.parse::<u64>().ok()).unwrap_or(0);
        let left = Duration::from_secs(max_age.saturating_sub(age));
        return if left.is_zero() { (None, false) } else { (Some(now.after(left)), true) };
    }
    // RFC 9111, 5.3: what is no date, such as 0, means the past; and the sender's clock is the one that counts.
    let Some(expires) = all("expires").next() else { return (None, true) };
    let sent = all("date").next().and_then(dates::http).unwrap_or(now);
    let left = dates::http(expires).map_or(Duration::ZERO, |expires| expires.since(sent));
    if left.is_zero() { (None, false) } else { (Some(now.after(left)), true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_783_998_000_000);

    fn after(seconds: u64) -> (Option<Timestamp>, bool) {
        (Some(NOW.after(Duration::from_secs(seconds))), true)
    }

    #[test]
    fn the_age_so_far_is_taken_off() {
        assert_eq!(limits(&[("Cache-Control", "public, max-age=600"), ("age", "100")], NOW), after(500));
        assert_eq!(limits(&[("cache-control", "max-age=\"60\"")], NOW), after(60));
    }

    #[test]
    fn max_age_goes_before_expires() {
        let expires = ("expires", "Tue, 14 Jul 2026 03:10:00 GMT");
        assert_eq!(limits(&[expires], NOW), after(600));
        assert_eq!(limits(&[expires, ("cache-control", "max-age=30")], NOW), after(30));
    }

    #[test]
    fn the_senders_clock_counts_for_its_own_dates() {
        let headers = [("date", "Tue, 14 Jul 2026 05:00:00 GMT"), ("expires", "Tue, 14 Jul 2026 05:01:00 GMT")];
        assert_eq!(limits(&headers, NOW), after(60));
    }

    #[test]
    fn what_must_not_be_stored_is_not() {
        for headers in [
            [("cache-control", "no-store, max-age=60")],
            [("cache-control", "no-cache")],
            [("cache-control", "max-age=0")],
            [("expires", "0")],
        ] {
            assert_eq!(limits(&headers, NOW), (None, false), "{headers:?}");
        }
        assert_eq!(limits(&[], NOW), (None, true));
        assert_eq!(limits(&[("cache-control", "max-age=soon")], NOW), (None, true));
    }
}
