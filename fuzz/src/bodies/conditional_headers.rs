//! Conditions, compared with what the RFC says, header by header.

use std::time::SystemTime;

use http::header::HeaderValue;

use super::range_header::{MOST_PARTS, TAG, asked, day, plan};
use crate::Verdict;

/// What is looked at.
const NAMES: [&str; 6] = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];
/// More lines than this no request has.
const MOST_LINES: usize = 100;

/// A value that is no text: anything goes.
struct NoText;

/// Lines of a request.
struct Headers<'a>(Vec<(&'a str, &'a [u8])>);

pub(super) fn body(input: &[u8]) -> Verdict {
    let lines = input.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        let value = line[colon + 1..].trim_ascii();
        let is_ours =
            NAMES.iter().any(|ours| ours.eq_ignore_ascii_case(name)) && HeaderValue::from_bytes(value).is_ok();
        is_ours.then_some((name, value))
    });
    let headers = Headers(lines.take(MOST_LINES).collect());
    let found = plan(&headers.0, 1_000).status().as_u16();
    let expected = headers.status();
    if let Some(expected) = expected {
        assert_eq!(found, expected);
    }
    (expected.is_some() && !headers.0.is_empty()).into()
}

impl Headers<'_> {
    /// What they come to (RFC 9110, section 13.2.2); `None` where a list is malformed, and anything goes.
    fn status(&self) -> Option<u16> {
        match (self.all("if-match").ok()?, self.date("if-unmodified-since").ok()?) {
            (Some(list), _) if !is_among(&list, false)? => return Some(412),
            (None, Some(since)) if day(1) > since => return Some(412),
            _ => {}
        }
        match (self.all("if-none-match").ok()?, self.date("if-modified-since").ok()?) {
            (Some(list), _) if is_among(&list, true)? => return Some(304),
            (None, Some(since)) if day(1) <= since => return Some(304),
            _ => {}
        }
        let is_same =
            |one: &str| one == format!("\"{TAG}\"") || httpdate::parse_http_date(one).is_ok_and(|date| date == day(1));
        let (range, lines) = (self.all("range").ok()?, self.lines("range"));
        match (range.filter(|_| lines == 1), self.all("if-range").ok()?) {
            (Some(_), Some(one)) if !is_same(&one) => Some(200),
            (Some(range), _) => match asked(range.as_bytes(), 1_000) {
                Some(asked) if asked.len() > MOST_PARTS => None,
                Some(asked) => Some(if asked.iter().flatten().count() == 0 { 416 } else { 206 }),
                None => Some(200),
            },
            (None, _) => Some(200),
        }
    }

    fn lines(&self, name: &str) -> usize {
        self.0.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name)).count()
    }

    /// The values under a name as one list.
    fn all(&self, name: &str) -> Result<Option<String>, NoText> {
        let found = self.0.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let texts =
            found.map(|(_, value)| std::str::from_utf8(value).map_err(|_| NoText)).collect::<Result<Vec<_>, _>>()?;
        Ok((!texts.is_empty()).then(|| texts.join(", ")))
    }

    /// The date under a name, if it is one.
    fn date(&self, name: &str) -> Result<Option<SystemTime>, NoText> {
        Ok(self.all(name)?.and_then(|text| httpdate::parse_http_date(&text).ok()))
    }
}

/// Whether the tag is among those of a list; `None` of one that is none.
fn is_among(list: &str, weakly: bool) -> Option<bool> {
    Some(list == "*" || tags(list)?.iter().any(|(weak, tag)| *tag == TAG && (weakly || !weak)))
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
