//! Ends that the text of a signed link carries.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cache_core::Timestamp;

use super::{dates, tokens};
use crate::canonical::percent::decoded;

/// Parameters that sign others, in lower case.
const SIGNATURES: &[&str] = &[
    "auth",
    "auth_key",
    "bcdn_token",
    "cnonce",
    "h",
    "hash",
    "hm",
    "hmac",
    "key",
    "key-pair-id",
    "lsig",
    "md5",
    "oh",
    "policy",
    "q-signature",
    "s",
    "sig",
    "sign",
    "signature",
    "ticket",
    "token",
    "txsecret",
    "upsig",
    "verify",
    "wowzatokenhash",
    "x-signature",
];
/// Parameters that name an end, in lower case.
const ENDS: &[&str] = &[
    "deadline",
    "e",
    "exp",
    "expiration",
    "expire",
    "expires",
    "expires_at",
    "expiresat",
    "expiretime",
    "expiry",
    "se",
    "valid_until",
    "validto",
    "validuntil",
    "wowzatokenendtime",
    "x-expires",
];

type Param<'a> = (String, Cow<'a, str>);

/// Every end that `url` may have, plausible or not.
pub(super) fn expiries(url: &str, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let (path, query) = parts(url);
    let params: Vec<Param<'_>> = query.split('&').filter_map(|pair| pair.split_once('=')).map(param).collect();
    let mut ends = of_path(path);
    ends.extend(of_params(&params, now));
    ends.into_iter()
}

/// The address that `url` says it is bound to.
pub(super) fn bound_address(url: &str) -> Option<String> {
    let (path, query) = parts(url);
    let mut params = query.split('&').filter_map(|pair| pair.split_once('=')).map(param);
    let is_signed =
        || query.split('&').filter_map(|pair| pair.split_once('=')).any(|pair| is_signature(&param(pair).0));
    if let Some((_, address)) = params.find(|(name, _)| name == "ip").filter(|_| is_signed()) {
        return Some(address.into_owned());
    }
    let segments: Vec<&str> = path.split('/').collect();
    let is_signed = segments.iter().any(|segment| is_signature(segment));
    let bound = segments.windows(2).find(|pair| pair[0] == "ip" && is_signed)?;
    Some(decoded(bound[1]).into_owned())
}

pub(super) fn parts(url: &str) -> (&str, &str) {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    url.split_once('?').unwrap_or((url, ""))
}

fn param<'a>((name, value): (&'a str, &'a str)) -> Param<'a> {
    (decoded(name).to_ascii_lowercase(), decoded(value))
}

pub(super) fn is_signature(name: &str) -> bool {
    // Of every vendor: X-Amz-Signature, X-Goog-Signature, X-Oss-Signature.
    let vendors = || name.len() > 12 && starts(name, "x-") && ends(name, "-signature");
    SIGNATURES.iter().any(|signature| name.eq_ignore_ascii_case(signature)) || vendors()
}

fn starts(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

pub(super) fn ends(name: &str, end: &str) -> bool {
    name.len().checked_sub(end.len()).and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

fn of_params(params: &[Param<'_>], now: Timestamp) -> Vec<Timestamp> {
    // A hostile link has as many parameters as fit: each is looked at a fixed number of times.
    let names: HashSet<&str> = params.iter().map(|(name, _)| &**name).collect();
    let dates = dates_of(params);
    let is_signed = params.iter().any(|(name, _)| is_signature(name));
    let mut ends: Vec<Timestamp> = params.iter().filter_map(|(_, value)| tokens::end_of(value)).collect();
    for (name, value) in params.iter().filter(|_| is_signed) {
        ends.extend(tokens::numbered(value).filter(|_| is_signature(name)));
        ends.extend(match name.as_str() {
            "policy" => tokens::policy(value),
            "token" => tokens::stated(value),
            "ex" if names.contains("hm") => dates::hex_epoch(value),
            "oe" if names.contains("oh") => dates::hex_epoch(value),
            "txtime" if names.contains("txsecret") => dates::hex_epoch(value),
            "q-sign-time" => value.split_once(';').and_then(|(_, end)| dates::epoch(end)),
            name if name.starts_with("x-") && name.ends_with("-expires") => relative(&dates, name, value, now),
            name if ENDS.contains(&name) => dates::epoch(value).or_else(|| dates::iso(value)),
            _ => None,
        });
    }
    ends
}

/// The dates of signatures, by vendor: of two, the first.
fn dates_of<'a>(params: &'a [Param<'_>]) -> HashMap<&'a str, &'a str> {
    let mut dates = HashMap::new();
    for (name, value) in params {
        if let Some(vendor) = name.strip_suffix("-date") {
            dates.entry(vendor).or_insert(&**value);
        }
    }
    dates
}

/// The end of the fourth version of signatures: a date and the seconds from then on.
fn relative(dates: &HashMap<&str, &str>, name: &str, value: &str, now: Timestamp) -> Option<Timestamp> {
    let vendor = name.strip_suffix("-expires")?;
    let seconds: u64 = value.parse().ok()?;
    match dates.get(vendor) {
        Some(date) => Some(dates::iso(date)?.after(Duration::from_secs(seconds))),
        // Without a date, it is the seconds of now, or an instant.
        None if seconds < 100_000_000 => Some(now.after(Duration::from_secs(seconds))),
        None => dates::epoch(value),
    }
}

/// Ends in the path: `/expire/1784021600/…/sig/…`, or a token as a segment.
fn of_path(path: &str) -> Vec<Timestamp> {
    let segments: Vec<&str> = path.split('/').collect();
    let is_signed = segments.iter().any(|segment| is_signature(segment));
    let pairs = segments.windows(2).filter(|pair| is_signed && ENDS.contains(&pair[0]));
    let named = pairs.filter_map(|pair| dates::epoch(pair[1]));
    named.chain(segments.iter().filter_map(|segment| tokens::end_of(&decoded(segment)))).collect()
}
