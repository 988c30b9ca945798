//! `ETag`: a strong entity tag, and the lists of tags in requests (RFC 9110, section 8.8.3).

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// A strong entity tag: as long as it is the same, so is every byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// A tag of this text, without quotation marks; `None` when a character in it may not be in a tag.
    pub fn strong(text: &str) -> Option<Self> {
        text.bytes().all(is_etagc).then(|| Self(text.to_owned()))
    }

    pub(crate) fn to_header(&self) -> HeaderValue {
        // All that a tag may hold, a header may.
        HeaderValue::try_from(self.to_string()).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// Whether the lists under `name` have this tag; with `weakly`, also as a weak one.
    pub(super) fn is_among(&self, headers: &HeaderMap, name: &HeaderName, weakly: bool) -> bool {
        headers.get_all(name).iter().any(|list| {
            list.as_bytes().trim_ascii() == b"*"
                || tags(list.as_bytes()).any(|tag| tag.text == self.0.as_bytes() && (weakly || !tag.weak))
        })
    }

    /// Whether a header is this tag and nothing else, and strong.
    pub(super) fn is(&self, value: &HeaderValue) -> bool {
        let value = value.as_bytes().trim_ascii();
        let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        inner == Some(self.0.as_bytes())
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A tag in a request.
struct Tag<'a> {
    weak: bool,
    text: &'a [u8],
}

/// The tags of a list, up to the first thing that is none. A comma in a tag does not part it.
fn tags(list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        while let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
        }
        let (weak, quoted) = rest.strip_prefix(b"W/").map_or((false, rest), |quoted| (true, quoted));
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| !is_etagc(byte))?;
        let (text, after) = inner.split_at(end);
        let after = after.strip_prefix(b"\"")?.trim_ascii_start();
        if !(after.is_empty() || after.starts_with(b",")) {
            return None;
        }
        rest = after;
        Some(Tag { weak, text })
    })
}

/// Whether a byte may be within the quotation marks of a tag.
const fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..=0xff)
}
