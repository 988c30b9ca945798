//! The conditions of a request, in the order of RFC 9110, section 13.2.2.

use std::time::{Duration, SystemTime};

use http::Method;
use http::header::{self, HeaderMap, HeaderName};

use super::Representation;

/// A date is strong evidence only when the representation was not changed again within this time (section 8.8.2.2).
const SETTLED: Duration = Duration::from_mins(1);

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    NotModified,
    PreconditionFailed,
}

pub(super) fn verdict(method: &Method, headers: &HeaderMap, what: &Representation) -> Verdict {
    if headers.contains_key(header::IF_MATCH) {
        if !what.etag.is_among(headers, &header::IF_MATCH, false) {
            return Verdict::PreconditionFailed;
        }
    } else if let Some((since, modified)) = dates(headers, &header::IF_UNMODIFIED_SINCE, what)
        && modified > since
    {
        return Verdict::PreconditionFailed;
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    if headers.contains_key(header::IF_NONE_MATCH) {
        if what.etag.is_among(headers, &header::IF_NONE_MATCH, true) {
            return if reads { Verdict::NotModified } else { Verdict::PreconditionFailed };
        }
    } else if reads
        && let Some((since, modified)) = dates(headers, &header::IF_MODIFIED_SINCE, what)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether `If-Range` lets a range count (section 13.1.5): it does not when the client has part of something else.
pub(super) fn allows_range(headers: &HeaderMap, what: &Representation, now: SystemTime) -> bool {
    let mut given = headers.get_all(header::IF_RANGE).iter();
    let value = match (given.next(), given.next()) {
        (None, _) => return true,
        (Some(value), None) => value,
        (Some(_), Some(_)) => return false,
    };
    let is_date = || {
        let (since, modified) = dates(headers, &header::IF_RANGE, what)?;
        let settled = seconds(now)?.checked_sub(modified)? >= SETTLED.as_secs();
        Some(since == modified && settled)
    };
    what.etag.is(value) || is_date().unwrap_or(false)
}

/// The date of a header and that of the last change, in seconds; `None` when either is missing or no date.
fn dates(headers: &HeaderMap, name: &HeaderName, what: &Representation) -> Option<(u64, u64)> {
    let mut given = headers.get_all(name).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let since = httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()?;
    Some((seconds(since)?, seconds(what.modified?)?))
}

fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}
