//! `Multipart`: several spans in one body (RFC 9110, section 14.6).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use bytes::Bytes;
use http::header::HeaderValue;

use super::{Piece, spans};

/// Several spans in one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Multipart {
    boundary: String,
    /// Each with the text before it.
    parts: Vec<(Bytes, Range<u64>)>,
    end: Bytes,
    /// In bytes, with what is around the parts.
    len: u64,
}

impl Multipart {
    /// `spans` of `len` bytes of a type; `None` when all of it is longer than numbers go.
    pub(super) fn new(spans: Vec<Range<u64>>, len: u64, content_type: &HeaderValue) -> Option<Self> {
        let boundary = boundary();
        let content_type = String::from_utf8_lossy(content_type.as_bytes()).into_owned();
        let head = |(index, span): (usize, Range<u64>)| {
            let before = if index == 0 { "" } else { "\r\n" };
            let range = spans::content_range(&span, len);
            let head =
                format!("{before}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {range}\r\n\r\n");
            (Bytes::from(head), span)
        };
        let parts: Vec<_> = spans.into_iter().enumerate().map(head).collect();
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let add = |sum: u64, (head, span): &(Bytes, Range<u64>)| {
            sum.checked_add(head.len() as u64)?.checked_add(span.end - span.start)
        };
        let len = parts.iter().try_fold(end.len() as u64, add)?;
        Some(Self { boundary, parts, end, len })
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("multipart/byteranges"))
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn pieces(&self) -> Vec<Piece> {
        let parts = self.parts.iter().cloned();
        let parts = parts.flat_map(|(head, span)| [Piece::Text(head), Piece::Span(span)]);
        parts.chain([Piece::Text(self.end.clone())]).collect()
    }
}

/// By chance, so that nobody can have put it into a body. Hashers are keyed by chance.
fn boundary() -> String {
    let chance = || RandomState::new().build_hasher().finish();
    format!("reelcache-{:016x}{:016x}", chance(), chance())
}
