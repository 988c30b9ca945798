//! Why yt-dlp has failed: what its complaints mean, without what they may give away.

use std::os::unix::process::ExitStatusExt;

use super::process::Output;
use crate::canonical::shown;
use crate::{Failure, Reason};

/// The longest complaint that is passed on, in characters.
const MAX_SHOWN: usize = 300;
/// How it says that it was called wrongly.
const USAGE: i32 = 2;

/// What complaints have in them, in lower case; the first that fits counts.
const PHRASES: &[(&str, Reason)] = &[
    ("http error 429", Reason::RateLimited),
    ("too many requests", Reason::RateLimited),
    ("rate-limit", Reason::RateLimited),
    ("rate limit", Reason::RateLimited),
    ("not a bot", Reason::RateLimited),
    ("unsupported url", Reason::Unsupported),
    ("is not a valid url", Reason::Unsupported),
    ("private", Reason::Forbidden),
    ("members-only", Reason::Forbidden),
    ("sign in", Reason::Forbidden),
    ("log in", Reason::Forbidden),
    ("login", Reason::Forbidden),
    ("registered users", Reason::Forbidden),
    ("your country", Reason::Forbidden),
    ("your location", Reason::Forbidden),
    ("geo restrict", Reason::Forbidden),
    ("geo-restrict", Reason::Forbidden),
    ("drm", Reason::Forbidden),
    ("http error 401", Reason::Forbidden),
    ("http error 403", Reason::Forbidden),
    ("http error 451", Reason::Forbidden),
    ("http error 404", Reason::NotFound),
    ("http error 410", Reason::NotFound),
    ("removed", Reason::NotFound),
    ("terminated", Reason::NotFound),
    ("unavailable", Reason::NotFound),
    ("not available", Reason::NotFound),
    ("no longer available", Reason::NotFound),
    ("does not exist", Reason::NotFound),
    ("no video formats found", Reason::NotFound),
    ("timed out", Reason::Timeout),
    ("unable to extract", Reason::Malformed),
    ("failed to parse", Reason::Malformed),
];

/// The failure that a run which has not gone well is.
pub(super) fn failure(output: &Output) -> Failure {
    if let Some(signal) = output.status.signal() {
        return Failure::new(Reason::Unavailable, format!("yt-dlp was ended by signal {signal}"));
    }
    let line = complaint(&output.stderr);
    if output.status.code() == Some(USAGE) {
        let message = format!("yt-dlp was called as its version does not understand: update it ({line})");
        return Failure::new(Reason::Unsupported, message);
    }
    Failure::new(reason(&line), format!("yt-dlp has failed: {line}"))
}

fn reason(line: &str) -> Reason {
    // The names of pages say things that it does not complain about.
    let line = line.trim_start().to_ascii_lowercase();
    let line = if line.starts_with('[') { line.split_once(": ").map_or(&*line, |(_, said)| said) } else { &line };
    let said = line.split(' ').filter(|word| !word.contains("://")).collect::<Vec<_>>().join(" ");
    let status = said.contains("http error 5").then_some(Reason::Unavailable);
    let known = || PHRASES.iter().find(|(phrase, _)| said.contains(phrase)).map(|(_, reason)| *reason);
    status.or_else(known).unwrap_or(Reason::Unavailable)
}

/// The last complaint in `stderr`, short and without queries and names of accounts.
fn complaint(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().rev().find_map(|line| line.strip_prefix("ERROR:")).or_else(|| lines().next_back());
    let line = line.unwrap_or("it does not say why");
    let line = line.split("; please report this issue").next().unwrap_or_default();
    let words: Vec<String> = line.split_whitespace().map(word).collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
}

/// `word`, less what is behind a question mark where that may be a query.
fn word(word: &str) -> String {
    match word.find("://") {
        Some(_) => shown(word),
        None if word.contains('=') => word.split(['?', '&', '=']).next().unwrap_or_default().to_owned() + "…",
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stderr: &str) -> (Reason, String) {
        let line = complaint(stderr);
        (reason(&line), line)
    }

    #[test]
    fn known_complaints_have_their_meaning() {
        for (stderr, expected) in [
            ("ERROR: [youtube] a: Private video. Sign in if you've been granted access", Reason::Forbidden),
            ("ERROR: [youtube] a: Video unavailable. This video has been removed by the uploader", Reason::NotFound),
            ("ERROR: [youtube] a: Video unavailable", Reason::NotFound),
            ("ERROR: [x] a: This video is not available in your country.", Reason::Forbidden),
            ("ERROR: [x] a: The uploader has not made this video available in your country", Reason::Forbidden),
            ("ERROR: [x] a: This video is DRM protected", Reason::Forbidden),
            ("ERROR: [x] a: Unable to download webpage: HTTP Error 429: Too Many Requests", Reason::RateLimited),
            ("ERROR: [youtube] a: Sign in to confirm you're not a bot. Use --cookies", Reason::RateLimited),
            ("ERROR: [x] a: Unable to download webpage: HTTP Error 404: Not Found", Reason::NotFound),
            ("ERROR: [x] a: Unable to download webpage: HTTP Error 503: Service Unavailable", Reason::Unavailable),
            ("ERROR: Unsupported URL: https://x.org/private", Reason::Unsupported),
            ("ERROR: [x] a: Unable to download webpage: The read operation timed out", Reason::Timeout),
            (
                "ERROR: [x] a: Unable to extract title; please report this issue on  https://x.org/login",
                Reason::Malformed,
            ),
            ("ERROR: [x] removed: Unable to download webpage: https://x.org/removed is cold", Reason::Unavailable),
            ("Traceback\nKeyError", Reason::Unavailable),
            ("", Reason::Unavailable),
        ] {
            assert_eq!(said(stderr).0, expected, "{stderr}");
        }
    }

    #[test]
    fn queries_and_names_of_accounts_are_not_passed_on() {
        let (_, line) = said("ERROR: [generic] v?token=SECRET: https://me:SECRET@x.org/a?sig=SECRET failed\n");
        assert_eq!(line, "[generic] v… https://x.org/a?… failed");
        assert!(said(&format!("ERROR: {}", "a ".repeat(10_000))).1.len() <= MAX_SHOWN);
    }
}
