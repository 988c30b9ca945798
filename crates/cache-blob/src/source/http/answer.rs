//! `Answer`: what an origin says to a request for a range, checked before it is believed.

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
    /// Where the bytes begin.
    start: u64,
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
                let Some((start, len)) = range else {
                    return Err(BlobError::lasting("the origin sent a part without a range that makes sense"));
                };
                Self::bytes(response, start, len, true)
            }
            StatusCode::OK => {
                let len = text(headers, &CONTENT_LENGTH).and_then(|len| number(&len));
                let ranges = text(headers, &ACCEPT_RANGES).is_some_and(|units| units.eq_ignore_ascii_case("bytes"));
                Self::bytes(response, 0, len, ranges)
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

    fn bytes(response: Response, start: u64, len: Option<u64>, ranges: bool) -> Result<Self> {
        let encoding = text(response.headers(), &CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(BlobError::lasting("the origin compresses although it was asked not to"));
        }
        Ok(Self::Bytes(Body { response, start, len, ranges }))
    }
}

impl Body {
    pub(super) fn describe(&self) -> Description {
        let headers = self.response.headers();
        let mut description = Description::new();
        description.len = self.len;
        description.validator = validator(headers);
        description.content_type = text(headers, &CONTENT_TYPE).map(Arc::from);
        description.ranges = self.ranges;
        description
    }

    /// Whether this is a part of `version`, as far as the answer says.
    pub(super) fn belongs_to(&self, version: &Version) -> Result<()> {
        if let (Some(len), Some(wanted)) = (self.len, version.len)
            && len != wanted
        {
            return Err(BlobError::changed(format!("its length was {wanted} bytes and is {len}")));
        }
        match (validator(self.response.headers()), &version.validator) {
            (Some(found), Some(wanted)) if found != *wanted => {
                Err(BlobError::changed(format!("its validator was {wanted} and is {found}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether the bytes begin at `offset`, or before it, where everything was sent instead of a part.
    pub(super) fn begins_by(&self, offset: u64) -> Result<()> {
        if self.start == offset || self.start == 0 {
            return Ok(());
        }
        let start = self.start;
        Err(BlobError::lasting(format!(
            "the origin was asked for the bytes from {offset} on and sent those from {start} on"
        )))
    }

    /// The bytes from `offset` on. Those before it are read and dropped, with an empty piece for each.
    pub(super) fn stream(self, offset: u64) -> ByteStream {
        let ahead = offset.saturating_sub(self.start);
        let pieces = stream::unfold(Some((self.response, ahead)), |state| async {
            let (mut response, mut ahead) = state?;
            match response.chunk().await {
                Ok(piece) => {
                    let mut piece = piece?;
                    let skipped = ahead.min(piece.len() as u64);
                    drop(piece.split_to(skipped as usize));
                    ahead -= skipped;
                    Some((Ok::<Bytes, BlobError>(piece), Some((response, ahead))))
                }
                Err(error) => Some((Err(failed(error)), None)),
            }
        });
        pieces.boxed()
    }
}

/// Whether `validator` can tell versions apart byte by byte: a strong `ETag`, or a date.
pub(super) fn is_strong(validator: &str) -> bool {
    !validator.starts_with("W/")
}

fn refused(status: StatusCode) -> BlobError {
    let message = format!("the origin answered {}", status.as_u16());
    let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    if may_pass { BlobError::passing(message) } else { BlobError::lasting(message) }
}

fn validator(headers: &HeaderMap) -> Option<Arc<str>> {
    text(headers, &ETAG).or_else(|| text(headers, &LAST_MODIFIED)).map(Arc::from)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

/// Digits and nothing else: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Start and total length of `bytes 0-9/100`, when they agree with each other.
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (unit, rest) = text.split_once(' ')?;
    let (span, total) = rest.trim().split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = if total == "*" { None } else { Some(number(total)?) };
    let agrees = first <= last && total.is_none_or(|total| last < total);
    (unit.eq_ignore_ascii_case("bytes") && agrees).then_some((first, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_when_they_make_sense() {
        assert_eq!(parse_range("bytes 0-9/10"), Some((0, Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((5, None)));
        for text in [
            "bytes 0-9/9",
            "bytes 9-0/10",
            "bytes */10",
            "items 0-9/10",
            "bytes 0-9",
            "bytes -1-9/10",
            "",
            "bytes +0-9/10",
        ] {
            assert_eq!(parse_range(text), None, "{text:?}");
        }
    }
}
