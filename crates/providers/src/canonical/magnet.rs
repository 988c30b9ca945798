//! Magnet links: their info hash.

use std::fmt::Write;

use super::percent::{decoded, normal};

/// The info hash of the magnet link whose part behind the scheme is `query`, in lower-case hexadecimal digits, with the
/// files that it selects; several hashes, where it has several. Names, trackers and their passkeys are no part of it.
pub(super) fn identity(query: &str) -> Option<String> {
    // What reads links as addresses leaves a fragment out.
    let query = query.split_once('#').map_or(query, |(query, _fragment)| query);
    let query = normal(query.strip_prefix('?').unwrap_or(query));
    let params = || query.split('&').filter_map(|pair| pair.split_once('='));
    // Several topics are numbered: xt.1, xt.2.
    let topics =
        || params().filter(|(name, _)| *name == "xt" || name.starts_with("xt.")).map(|(_, topic)| decoded(topic));
    let all = |hash: fn(&str) -> Option<String>| {
        let mut all: Vec<String> = topics().filter_map(|topic| hash(&topic)).collect();
        all.dedup();
        all
    };
    // That of the first version, if there is one: links of hybrid torrents may lack the other.
    let hashes = Some(all(btih)).filter(|hashes| !hashes.is_empty()).unwrap_or_else(|| all(btmh));
    // What selects files, as it is written: one link may have several.
    let files: Vec<&str> = query.split('&').filter(|pair| pair.starts_with("so=") || pair.starts_with("so.")).collect();
    let files = if files.is_empty() { String::new() } else { format!("/{}", files.join("&")) };
    (!hashes.is_empty()).then(|| hashes.join("+") + &files)
}

fn btih(topic: &str) -> Option<String> {
    let hash = strip(topic, "urn:btih:")?;
    match hash.len() {
        40 if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => Some(hash.to_ascii_lowercase()),
        32 => base32(hash),
        _ => None,
    }
}

fn btmh(topic: &str) -> Option<String> {
    let hash = strip(topic, "urn:btmh:")?;
    let is_sha256 = hash.len() == 68 && hash.starts_with("1220") && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sha256.then(|| hash.to_ascii_lowercase())
}

fn strip<'a>(topic: &'a str, start: &str) -> Option<&'a str> {
    let (head, rest) = topic.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn base32(text: &str) -> Option<String> {
    let (mut hex, mut bits, mut held) = (String::with_capacity(40), 0_u32, 0_u32);
    for byte in text.bytes() {
        let five = match byte.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => letter - b'a',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(five);
        held += 5;
        if held >= 8 {
            held -= 8;
            write!(hex, "{:02x}", (bits >> held) & 0xff).ok()?;
        }
    }
    Some(hex)
}
