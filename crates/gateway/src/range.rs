//! What of a representation a request is answered with: conditions and ranges as in RFC 9110, sections 13 and 14.
//!
//! Nothing here reads a body or knows a server: a [`Plan`] is made of a method, headers and what is known of the
//! representation before its first byte, and tells status, headers and which bytes go out in which order.

mod conditions;
mod etag;
mod multipart;
mod spans;

use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use conditions::Verdict;
pub use etag::ETag;
use multipart::Multipart;
use spans::Asked;

/// What is known of a representation before its first byte. It stays the same for as long as the tag does.
#[derive(Debug, Clone)]
pub struct Representation {
    /// In bytes; `None` while it is not known, and then there are no ranges.
    pub len: Option<u64>,
    /// A strong one: equal tags mean equal bytes.
    pub etag: ETag,
    /// When it was last changed, as its origin tells.
    pub modified: Option<SystemTime>,
    /// Its media type.
    pub content_type: HeaderValue,
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    kind: Kind,
    /// Whether nothing but the head is sent.
    head_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// 200
    Whole,
    /// 206 with one range.
    Part(Range<u64>),
    /// 206 with several.
    Parts(Multipart),
    /// 304
    NotModified,
    /// 412
    PreconditionFailed,
    /// 416
    Unsatisfiable,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// These bytes: they are around the parts of a body of several.
    Text(Bytes),
    /// These positions of the representation. Never empty.
    Span(Range<u64>),
    /// All of a representation whose length is not known.
    All,
}

impl Plan {
    /// How a request is answered at `now`. Costs a look at its headers: a `Range` of more than 64 ranges is not looked
    /// at further, and ignored.
    pub fn of(method: &Method, headers: &HeaderMap, what: &Representation, now: SystemTime) -> Self {
        let head_only = *method == Method::HEAD;
        let kind = match conditions::verdict(method, headers, what) {
            Verdict::PreconditionFailed => Kind::PreconditionFailed,
            Verdict::NotModified => Kind::NotModified,
            // A range means something to GET alone.
            Verdict::Go if *method == Method::GET && conditions::allows_range(headers, what, now) => {
                Self::of_range(headers, what)
            }
            Verdict::Go => Kind::Whole,
        };
        Self { kind, head_only }
    }

    fn of_range(headers: &HeaderMap, what: &Representation) -> Kind {
        let Some(len) = what.len else { return Kind::Whole };
        match spans::asked(headers, len) {
            Asked::Everything => Kind::Whole,
            Asked::Nothing => Kind::Unsatisfiable,
            Asked::Spans(spans) => match <[_; 1]>::try_from(spans) {
                Ok([span]) => Kind::Part(span),
                Err(spans) => Multipart::new(spans, len, &what.content_type).map_or(Kind::Whole, Kind::Parts),
            },
        }
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Whole => StatusCode::OK,
            Kind::Part(_) | Kind::Parts(_) => StatusCode::PARTIAL_CONTENT,
            Kind::NotModified => StatusCode::NOT_MODIFIED,
            Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Kind::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// The headers that follow from the plan: those of the representation, and of what is sent of it.
    pub fn headers(&self, what: &Representation) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, what.etag.to_header());
        if let Some(modified) = what.modified
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(modified))
        {
            headers.insert(header::LAST_MODIFIED, date);
        }
        let unit = if what.len.is_some() { "bytes" } else { "none" };
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(unit));
        match &self.kind {
            Kind::Whole | Kind::Part(_) => {
                headers.insert(header::CONTENT_TYPE, what.content_type.clone());
            }
            Kind::Parts(parts) => {
                headers.insert(header::CONTENT_TYPE, parts.content_type());
            }
            Kind::NotModified | Kind::PreconditionFailed | Kind::Unsatisfiable => {}
        }
        let content_range = match (&self.kind, what.len) {
            (Kind::Part(span), Some(len)) => Some(spans::content_range(span, len)),
            (Kind::Unsatisfiable, Some(len)) => Some(format!("bytes */{len}")),
            _ => None,
        };
        if let Some(Ok(range)) = content_range.map(HeaderValue::try_from) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        if let Some(len) = self.content_length(what) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        }
        headers
    }

    /// The length of the body that a GET is answered with; `None` when it is not known, and for answers that have no
    /// body by their status.
    fn content_length(&self, what: &Representation) -> Option<u64> {
        match &self.kind {
            Kind::Whole => what.len,
            Kind::Part(span) => Some(span.end - span.start),
            Kind::Parts(parts) => Some(parts.len()),
            Kind::NotModified => None,
            Kind::PreconditionFailed | Kind::Unsatisfiable => Some(0),
        }
    }

    /// What the body is made of, in order.
    pub fn pieces(&self, what: &Representation) -> Vec<Piece> {
        match &self.kind {
            _ if self.head_only => Vec::new(),
            Kind::Whole => match what.len {
                Some(0) => Vec::new(),
                Some(len) => vec![Piece::Span(0..len)],
                None => vec![Piece::All],
            },
            Kind::Part(span) => vec![Piece::Span(span.clone())],
            Kind::Parts(parts) => parts.pieces(),
            Kind::NotModified | Kind::PreconditionFailed | Kind::Unsatisfiable => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
