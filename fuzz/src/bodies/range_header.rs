//! `Range`, compared with what the RFC says: by a parser of its own, over numbers that nothing here overflows.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use gateway::range::{ETag, Piece, Plan, Representation};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::Verdict;

/// The tag of the film.
pub(super) const TAG: &str = "a3f4";
/// More parts than this are not sent.
pub(super) const MOST_PARTS: usize = 8;

pub(super) fn body(input: &[u8]) -> Verdict {
    let value = input.strip_suffix(b"\n").unwrap_or(input);
    if HeaderValue::from_bytes(value).is_err() {
        return Verdict::Refused;
    }
    for len in [1, 2, 10, 1_000, 1 << 40, u64::MAX] {
        compare(value, len);
    }
    // Of nothing there is no part, whatever is asked for.
    assert!([200, 416].contains(&plan(&[("range", value)], 0).status().as_u16()), "a part of nothing");
    asked(value, 1_000).is_some().into()
}

pub(super) fn film(len: u64) -> Representation {
    let content_type = HeaderValue::from_static("video/mp4");
    Representation { len: Some(len), etag: ETag::strong(TAG).expect("a tag"), modified: Some(day(1)), content_type }
}

pub(super) fn day(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(24 * (20_000 + day))
}

/// How a request with these headers is answered; those that are none are left out.
pub(super) fn plan(given: &[(&str, &[u8])], len: u64) -> Plan {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    Plan::of(&Method::GET, &headers, &film(len), day(2))
}

/// A number as the RFC knows them: of any length.
fn number(digits: &str) -> Option<u128> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u128::MAX))
}

/// The positions that each range of a header asks for (RFC 9110, section 14.1.2); `None` of one that is none.
pub(super) fn asked(value: &[u8], len: u128) -> Option<Vec<Option<RangeInclusive<u128>>>> {
    let text = std::str::from_utf8(value).ok()?;
    let set = text.get(..6).filter(|unit| unit.eq_ignore_ascii_case("bytes=")).map(|_| &text[6..])?;
    let specs: Vec<&str> =
        set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()).collect();
    let one = |spec: &&str| {
        let (first, last) = spec.split_once('-')?;
        let (first, last) = match (first, last) {
            ("", suffix) => (len.saturating_sub(number(suffix)?), len.checked_sub(1)),
            (first, "") => (number(first)?, len.checked_sub(1)),
            (first, last) if larger(first, last)? => return None,
            (first, last) => (number(first)?, number(last)?.min(len.wrapping_sub(1)).into()),
        };
        Some(last.filter(|last| first <= *last && first < len).map(|last| first..=last))
    };
    let asked = specs.iter().map(one).collect::<Option<Vec<_>>>()?;
    (!asked.is_empty()).then_some(asked)
}

/// Whether one number is larger than another, however long they are.
fn larger(one: &str, other: &str) -> Option<bool> {
    number(one).and(number(other))?;
    let [one, other] = [one, other].map(|digits| digits.trim_start_matches('0'));
    Some((one.len(), one) > (other.len(), other))
}

fn compare(value: &[u8], len: u64) {
    let plan = plan(&[("range", value)], len);
    let pieces = plan.pieces(&film(len));
    let told = plan.headers(&film(len)).get("content-length").and_then(|told| told.to_str().ok()?.parse::<u128>().ok());
    let bytes = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.len() as u128,
        Piece::Span(span) => u128::from(span.end - span.start),
        _ => 0,
    });
    assert_eq!(told, Some(bytes.sum()), "{len}: Content-Length");
    let Some(asked) = asked(value, u128::from(len)) else {
        assert_eq!(plan.status(), StatusCode::OK, "{len}: what is malformed is ignored");
        return;
    };
    let wanted: Vec<_> = asked.iter().flatten().collect();
    // More than eight parts, or more bytes than there are numbers, are too many.
    if plan.status() == StatusCode::OK && (wanted.len() > MOST_PARTS || asked.len() > 64 || len == u64::MAX) {
        return;
    }
    let expected = if wanted.is_empty() { StatusCode::RANGE_NOT_SATISFIABLE } else { StatusCode::PARTIAL_CONTENT };
    assert_eq!(plan.status(), expected, "{len}");
    let spans = pieces.iter().filter_map(|piece| if let Piece::Span(span) = piece { Some(span) } else { None });
    let spans: Vec<_> = spans.map(|span| u128::from(span.start)..=u128::from(span.end - 1)).collect();
    for span in &wanted {
        let is_sent = spans.iter().any(|sent| sent.contains(span.start()) && sent.contains(span.end()));
        assert!(is_sent, "{len}: {span:?} of {spans:?}");
    }
    for (at, span) in spans.iter().enumerate() {
        let is_asked = |end: &u128| wanted.iter().any(|wanted| wanted.contains(end));
        assert!(is_asked(span.start()) && is_asked(span.end()), "{len}: {span:?} is more than was asked for");
        let apart =
            |other: &RangeInclusive<u128>| other.end() + 128 < *span.start() || span.end() + 128 < *other.start();
        assert!(spans[..at].iter().all(apart), "{len}: {spans:?}");
    }
}
