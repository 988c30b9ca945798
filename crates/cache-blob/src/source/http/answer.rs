//! `Answer`: what an origin says to a request for a range, checked before it is believed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    LAST_MODIFIED,
};
use reqwest::{Response, StatusCode};

use super::client::failed;
use crate::source::{ByteStream, Description, Version};
use crate::{BlobError, Result};

/// What an origin says to a request for the bytes from an offset on.
pub(super) enum Answer {
    /// Bytes.
    Bytes(Body),
    /// There are none there; the length, if it said so.
    End(Option<u64>),
}

/// An answer with bytes.
pub(super) struct Body {
    response: Response,
    /// Which bytes these are; to the largest number while the end is unknown.
    span: Range<u64>,
    /// Length of the whole blob.
    len: Option<u64>,
    ranges: bool,
}

impl Answer {
    /// Reads status and headers.
    ///
    /// # Errors
    /// When it is a refusal, or not an answer to the request.
    pub(super) fn of(response: Response) -> Result<Self> {
        let headers = response.headers();
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = text(headers, &CONTENT_RANGE).and_then(|range| parse_range(&range));
                let Some((span, len)) = range else {
                    return Err(BlobError::lasting("the origin sent a part without a range that makes sense"));
                };
                if length(headers).is_some_and(|length| length != span.end - span.start) {
                    return Err(BlobError::lasting("the origin sent a part that is not as long as its range"));
                }
                Self::bytes(response, span, len, true)
            }
            StatusCode::OK => {
                let len = length(headers);
                let ranges = text(headers, &ACCEPT_RANGES).is_some_and(|units| units.eq_ignore_ascii_case("bytes"));
                Self::bytes(response, 0..len.unwrap_or(u64::MAX), len, ranges)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let total = text(headers, &CONTENT_RANGE);
                Ok(Self::End(
                    total.and_then(|range| number(range.trim().strip_prefix("bytes")?.trim().strip_prefix("*/")?)),
                ))
            }
            status => Err(refused(status)),
        }
    }

    fn bytes(response: Response, span: Range<u64>, len: Option<u64>, ranges: bool) -> Result<Self> {
        let encoding = text(response.headers(), &CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(BlobError::lasting("the origin compresses although it was asked not to"));
        }
        Ok(Self::Bytes(Body { response, span, len, ranges }))
    }
}

impl Body {
    pub(super) fn describe(&self) -> Description {
        let headers = self.response.headers();
        let mut description = Description::new();
        description.len = self.len;
        description.validator = validator(headers);
        description.sha256 = sha256(headers);
        description.content_type = text(headers, &CONTENT_TYPE).map(Arc::from);
        description.ranges = self.ranges;
        description
    }

    /// Whether this is a part of `version`. An answer that does not say so is one of anything: an error page, another
    /// server.
    pub(super) fn belongs_to(&self, version: &Version) -> Result<()> {
        if let (Some(len), Some(wanted)) = (self.len, version.len)
            && len != wanted
        {
            return Err(BlobError::changed(format!("its length was {wanted} bytes and is {len}")));
        }
        let Some(wanted) = &version.validator else { return Ok(()) };
        match validator(self.response.headers()) {
            Some(found) if found == *wanted => Ok(()),
            Some(found) => Err(BlobError::changed(format!("its validator was {wanted} and is {found}"))),
            None if self.may_omit(wanted) => Ok(()),
            None => Err(BlobError::changed(format!("its validator was {wanted} and is none"))),
        }
    }

    /// A part that was asked for on condition of a date need not repeat it (RFC 9110, section 15.3.7).
    fn may_omit(&self, validator: &str) -> bool {
        self.is_part() && self.len.is_some() && !validator.contains('"')
    }

    fn is_part(&self) -> bool {
        self.response.status() == StatusCode::PARTIAL_CONTENT
    }

    /// Whether the bytes begin at `offset`, or everything was sent instead of a part.
    pub(super) fn begins_by(&self, offset: u64) -> Result<()> {
        let start = self.span.start;
        if start == offset || !self.is_part() {
            return Ok(());
        }
        Err(BlobError::lasting(format!(
            "the origin was asked for the bytes from {offset} on and sent those from {start} on"
        )))
    }

    /// Where a part of a blob of unknown length ends: more may follow there.
    pub(super) fn open_end(&self) -> Option<u64> {
        (self.is_part() && self.len.is_none()).then_some(self.span.end)
    }

    /// The bytes from `offset` on. Those before it are read and dropped, with an empty piece for each; those behind the
    /// end that the answer named are nobody's.
    pub(super) fn stream(self, offset: u64) -> ByteStream {
        let pieces = stream::unfold(Some((self.response, self.span)), move |state| async move {
            let (mut response, mut span) = state?;
            if span.is_empty() {
                return None;
            }
            match response.chunk().await {
                Ok(piece) => {
                    let Some(mut piece) = piece else {
                        let is_short = span.end < u64::MAX;
                        return is_short.then(|| (Err(BlobError::passing("an answer ended before its range")), None));
                    };
                    piece.truncate(usize::try_from(span.end - span.start).unwrap_or(usize::MAX));
                    let before = offset.saturating_sub(span.start).min(piece.len() as u64);
                    span.start += piece.len() as u64;
                    drop(piece.split_to(before as usize));
                    Some((Ok::<Bytes, BlobError>(piece), Some((response, span))))
                }
                Err(error) => Some((Err(failed(error)), None)),
            }
        });
        pieces.boxed()
    }
}

fn refused(status: StatusCode) -> BlobError {
    let message = format!("the origin answered {}", status.as_u16());
    let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    if may_pass { BlobError::passing(message) } else { BlobError::lasting(message) }
}

fn validator(headers: &HeaderMap) -> Option<Arc<str>> {
    text(headers, &ETAG).or_else(|| text(headers, &LAST_MODIFIED)).map(Arc::from)
}

/// The SHA-256 of the whole (RFC 9530, and RFC 3230 before it).
fn sha256(headers: &HeaderMap) -> Option<[u8; 32]> {
    let fields = [HeaderName::from_static("repr-digest"), HeaderName::from_static("digest")];
    fields.iter().filter_map(|field| text(headers, field)).find_map(|digests| {
        let named = digests.split(',').filter_map(|digest| digest.trim().split_once('='));
        let (_, digest) = named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("sha-256"))?;
        base64(digest.trim_matches(':'))?.try_into().ok()
    })
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | DIGITS.iter().position(|&digit| digit == byte)? as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    number(&text(headers, &CONTENT_LENGTH)?)
}

/// Digits and nothing else: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Span and total length of `bytes 0-9/100`, when they agree with each other.
fn parse_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (unit, rest) = text.split_once(' ')?;
    let (span, total) = rest.trim().split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = if total == "*" { None } else { Some(number(total)?) };
    let end = last.checked_add(1)?;
    let agrees = first < end && total.is_none_or(|total| end <= total);
    (unit.eq_ignore_ascii_case("bytes") && agrees).then_some((first..end, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_in_both_manners() {
        // Of no bytes.
        let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let told = |name: &'static str, value: &str| {
            sha256(&HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]))
        };
        let digest = told("repr-digest", &format!("sha-512=:AA==:, sha-256=:{empty}:")).unwrap();
        assert_eq!(digest[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_eq!(digest[28..], [0x78, 0x52, 0xb8, 0x55]);
        assert_eq!(told("digest", &format!("md5=AA==,SHA-256={empty}")), Some(digest));
        for wrong in ["sha-256=:AA==:", "sha-256", "sha-256=::", "sha-256=:!!!!:", "md5=:AA==:"] {
            assert_eq!(told("repr-digest", wrong), None, "{wrong}");
        }
        assert_eq!(told("content-digest", &format!("sha-256=:{empty}:")), None, "that is one of a part");
    }

    #[test]
    fn ranges_are_read_when_they_make_sense() {
        assert_eq!(parse_range("bytes 0-9/10"), Some((0..10, Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((5..10, None)));
        for text in [
            "bytes 0-9/9",
            "bytes 9-0/10",
            "bytes */10",
            "items 0-9/10",
            "bytes 0-9",
            "bytes -1-9/10",
            "",
            "bytes +0-9/10",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(parse_range(text), None, "{text:?}");
        }
    }
}
