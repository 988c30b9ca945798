//! Headers of a corpus, each compared with what the RFC says: a parser of its own, over numbers that nothing here overflows.

use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::*;

const TAG: &str = "a3f4";

fn film(len: u64) -> Representation {
    let content_type = HeaderValue::from_static("video/mp4");
    Representation { len: Some(len), etag: ETag::strong(TAG).unwrap(), modified: Some(day(1)), content_type }
}

fn day(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(24 * (20_000 + day))
}

/// The files of a folder of the corpus, without the line feed at their ends.
fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = format!("{}/tests/corpus/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), bytes.strip_suffix(b"\n").unwrap().to_vec())
    };
    files.into_iter().map(read).collect()
}

fn plan(given: &[(&str, &[u8])], len: u64) -> Plan {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    Plan::of(&Method::GET, &headers, &film(len), day(2))
}

/// A number as the RFC knows them: of any length.
fn number(digits: &str) -> Option<u128> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u128::MAX))
}

/// The positions that each range of a header asks for (RFC 9110, section 14.1.2); `None` of one that is none.
fn asked(value: &[u8], len: u128) -> Option<Vec<Option<RangeInclusive<u128>>>> {
    let text = std::str::from_utf8(value).ok()?;
    let set = text.get(..6).filter(|unit| unit.eq_ignore_ascii_case("bytes=")).map(|_| &text[6..])?;
    let specs: Vec<&str> =
        set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()).collect();
    let one = |spec: &&str| {
        let (first, last) = spec.split_once('-')?;
        let (first, last) = match (first, last) {
            ("", suffix) => (len.saturating_sub(number(suffix)?), len.checked_sub(1)),
            (first, "") => (number(first)?, len.checked_sub(1)),
            (first, last) if number(first)? > number(last)? => return None,
            (first, last) => (number(first)?, number(last)?.min(len.wrapping_sub(1)).into()),
        };
        Some(last.filter(|last| first <= *last && first < len).map(|last| first..=last))
    };
    let asked = specs.iter().map(one).collect::<Option<Vec<_>>>()?;
    (!asked.is_empty()).then_some(asked)
}

#[test]
fn trust_02_ranges_of_the_corpus_are_answered_as_the_rfc_says() {
    let files = corpus("range");
    assert!(files.len() > 50);
    for (name, value) in &files {
        for len in [1, 2, 10, 1_000, 1 << 40, u64::MAX] {
            compare(name, value, len);
        }
        // Of nothing there is no part, whatever is asked for.
        assert!([200, 416].contains(&plan(&[("range", value)], 0).status().as_u16()), "{name}");
    }
}

fn compare(name: &str, value: &[u8], len: u64) {
    let plan = plan(&[("range", value)], len);
    let pieces = plan.pieces(&film(len));
    let told =
        plan.headers(&film(len)).get("content-length").map(|told| told.to_str().unwrap().parse::<u128>().unwrap());
    let bytes = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.len() as u128,
        Piece::Span(span) => u128::from(span.end - span.start),
        Piece::All => 0,
    });
    assert_eq!(told, Some(bytes.sum()), "{name} of {len}: Content-Length");
    let Some(asked) = asked(value, u128::from(len)) else {
        assert_eq!(plan.kind, Kind::Whole, "{name} of {len} is ignored");
        return;
    };
    let wanted: Vec<_> = asked.iter().flatten().collect();
    // More than eight parts, or more bytes than there are numbers, are too many.
    if plan.kind == Kind::Whole && !wanted.is_empty() {
        assert!(asked.len() > 8 || len == u64::MAX, "{name} of {len} is not ignored");
        return;
    }
    assert_eq!(plan.kind == Kind::Unsatisfiable, wanted.is_empty(), "{name} of {len}");
    let spans = pieces.iter().filter_map(|piece| if let Piece::Span(span) = piece { Some(span) } else { None });
    let spans: Vec<_> = spans.map(|span| u128::from(span.start)..=u128::from(span.end - 1)).collect();
    for span in &wanted {
        let is_sent = spans.iter().any(|sent| sent.contains(span.start()) && sent.contains(span.end()));
        assert!(is_sent, "{name} of {len}: {span:?} of {spans:?}");
    }
    for (at, span) in spans.iter().enumerate() {
        let is_asked = |end: &u128| wanted.iter().any(|wanted| wanted.contains(end));
        assert!(is_asked(span.start()) && is_asked(span.end()), "{name} of {len}: {span:?} is more than was asked for");
        let apart =
            |other: &RangeInclusive<u128>| other.end() + 128 < *span.start() || span.end() + 128 < *other.start();
        assert!(spans[..at].iter().all(apart), "{name} of {len}: {spans:?}");
    }
}

/// The tags of a list (RFC 9110, section 8.8.3), each with whether it is weak; `None` of one that is none.
fn tags(list: &str) -> Option<Vec<(bool, &str)>> {
    let (mut rest, mut tags) = (list.trim_matches([' ', '\t', ',']), Vec::new());
    while !rest.is_empty() {
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        let next = after.trim_start_matches([' ', '\t']);
        let is_tag = (next.is_empty() || next.starts_with(',')) && tag.bytes().all(|byte| byte > 0x20 && byte != 0x7f);
        tags.push(is_tag.then_some((weak, tag))?);
        rest = next.trim_start_matches([' ', '\t', ',']);
    }
    Some(tags)
}

/// What the conditions come to (RFC 9110, section 13.2.2); `None` where a header is malformed, and anything goes.
fn status(given: &[(&str, &[u8])]) -> Option<u16> {
    let all = |name: &str| -> Option<Option<String>> {
        let found: Vec<_> = given.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name)).collect();
        let texts = found.iter().map(|(_, value)| std::str::from_utf8(value).ok()).collect::<Option<Vec<_>>>()?;
        Some((!texts.is_empty()).then(|| texts.join(", ")))
    };
    let is_among = |list: &str, weakly: bool| {
        Some(list == "*" || tags(list)?.iter().any(|(weak, tag)| *tag == TAG && (weakly || !weak)))
    };
    let date = |name| Some(all(name)?.and_then(|text| httpdate::parse_http_date(&text).ok()));
    match (all("if-match")?, date("if-unmodified-since")?) {
        (Some(list), _) if !is_among(&list, false)? => return Some(412),
        (None, Some(since)) if day(1) > since => return Some(412),
        _ => {}
    }
    match (all("if-none-match")?, date("if-modified-since")?) {
        (Some(list), _) if is_among(&list, true)? => return Some(304),
        (None, Some(since)) if day(1) <= since => return Some(304),
        _ => {}
    }
    let is_same =
        |one: &str| one == format!("\"{TAG}\"") || httpdate::parse_http_date(one).is_ok_and(|date| date == day(1));
    match (all("range")?, all("if-range")?) {
        (Some(_), Some(one)) if !is_same(&one) => Some(200),
        (Some(range), _) => Some(if asked(range.as_bytes(), 1_000)?.iter().flatten().count() == 0 { 416 } else { 206 }),
        (None, _) => Some(200),
    }
}

#[test]
fn conditions_of_the_corpus_are_answered_as_the_rfc_says() {
    let files = corpus("conditions");
    assert!(files.len() > 50);
    let mut malformed = 0;
    for (name, lines) in &files {
        let headers: Vec<(&str, &[u8])> = lines
            .split(|&byte| byte == b'\n')
            .map(|line| {
                let colon = line.iter().position(|&byte| byte == b':').unwrap();
                (std::str::from_utf8(&line[..colon]).unwrap(), line[colon + 1..].trim_ascii())
            })
            .collect();
        let found = plan(&headers, 1_000).status().as_u16();
        match status(&headers) {
            Some(status) => assert_eq!(found, status, "{name}"),
            None => malformed += 1,
        }
    }
    assert!(malformed < 12, "{malformed} of {} say nothing", files.len());
}
