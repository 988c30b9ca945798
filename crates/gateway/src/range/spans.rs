//! The spans that a `Range` header asks for (RFC 9110, section 14).

use std::ops::Range;

use http::header::{self, HeaderMap};

/// More ranges than this in a header are an attack: no player asks for more than a few.
const MOST_ASKED: usize = 64;
/// The most parts of one answer.
const MOST_PARTS: usize = 8;
/// Spans are joined across gaps that cost less than the head of a part.
const GAP: u64 = 128;

/// What a `Range` header comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// No range, or one that is ignored: malformed, of another unit, or of too many parts.
    Everything,
    /// Only what is beyond the end.
    Nothing,
    /// Not empty, apart from each other, in the order in which they were asked for.
    Spans(Vec<Range<u64>>),
}

/// What is asked for of `len` bytes.
pub(super) fn asked(headers: &HeaderMap, len: u64) -> Asked {
    let mut given = headers.get_all(header::RANGE).iter();
    // It is no list, so twice is malformed.
    let (Some(value), None) = (given.next(), given.next()) else { return Asked::Everything };
    match value.to_str().ok().and_then(|text| parse(text, len)) {
        None => Asked::Everything,
        Some(spans) if spans.is_empty() => Asked::Nothing,
        // Of nothing there is no part.
        Some(_) if len == 0 => Asked::Everything,
        Some(spans) => joined(spans),
    }
}

/// `Content-Range` of a span of `len` bytes.
pub(super) fn content_range(span: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", span.start, span.end - 1)
}

/// The satisfiable spans of a header; `None` when it is malformed, of another unit or too long.
fn parse(text: &str, len: u64) -> Option<Vec<Range<u64>>> {
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut spans = Vec::new();
    let mut asked = 0;
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])) {
        // Empty places of a list are to be borne.
        if spec.is_empty() {
            continue;
        }
        asked += 1;
        if asked > MOST_ASKED {
            return None;
        }
        spans.extend(one(spec, len).ok()?);
    }
    (asked > 0).then_some(spans)
}

/// A range that is none.
struct Malformed;

/// The span of one range of a header, if it is satisfiable.
fn one(spec: &str, len: u64) -> Result<Option<Range<u64>>, Malformed> {
    let (from, to) = spec.split_once('-').ok_or(Malformed)?;
    if from.is_empty() {
        let suffix = number(to)?;
        return Ok((suffix > 0).then(|| len.saturating_sub(suffix)..len));
    }
    let first = number(from)?;
    let end = if to.is_empty() {
        len
    } else {
        let last = number(to)?;
        if magnitude(to) < magnitude(from) {
            return Err(Malformed);
        }
        last.saturating_add(1).min(len)
    };
    Ok((first < len).then_some(first..end))
}

/// Digits only. What does not fit is beyond every end.
fn number(digits: &str) -> Result<u64, Malformed> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Ok(digits.parse().unwrap_or(u64::MAX)) } else { Err(Malformed) }
}

/// What digits are compared by: numbers that do not fit, too.
fn magnitude(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

/// Joins spans that overlap or nearly touch, each in the place of the first of them.
fn joined(spans: Vec<Range<u64>>) -> Asked {
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(spans.len());
    for mut span in spans {
        let mut place = joined.len();
        // Whatever it touches becomes part of it, and it may touch more then.
        while let Some(at) = joined.iter().position(|known| touches(known, &span)) {
            let known = joined.remove(at);
            span = known.start.min(span.start)..known.end.max(span.end);
            place = place.min(at);
        }
        joined.insert(place.min(joined.len()), span);
    }
    if joined.len() > MOST_PARTS { Asked::Everything } else { Asked::Spans(joined) }
}

fn touches(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start <= other.end.saturating_add(GAP) && other.start <= one.end.saturating_add(GAP)
}
