//! Percent-encoding: its normal form, and text without it.

use std::borrow::Cow;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// `text` without percent-encoding; what is no UTF-8 then is replaced, so that several texts read as one.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(String::from_utf8_lossy(&bytes(text)).into_owned())
}

/// `text` without percent-encoding, if that is UTF-8.
pub(super) fn exactly_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    String::from_utf8(bytes(text)).ok().map(Cow::Owned)
}

/// `text` in normal form (RFC 3986, 6.2.2): unreserved characters plain, other escapes with capital digits, and what needs
/// an escape with one. That of a normal form is itself.
pub(super) fn normal(text: &str) -> Cow<'_, str> {
    // Everything but these passes as it is, mostly in one piece.
    let is_plain =
        |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}');
    let bytes = text.as_bytes();
    let Some(mut at) = bytes.iter().position(|byte| !is_plain(byte)) else { return Cow::Borrowed(text) };
    let mut to = String::with_capacity(text.len() + 16);
    // All that is plain is ASCII, so no character is cut; within one, there is nothing plain.
    to.push_str(text.get(..at).unwrap_or_default());
    while let Some(byte) = bytes.get(at).copied() {
        if let Some(byte) = escape(&bytes[at..]) {
            push(&mut to, byte, is_unreserved(byte));
            at += 3;
        } else {
            // A percent sign that escapes nothing is escaped itself, or two texts would read the same.
            push(&mut to, byte, is_plain(&byte));
            at += 1;
        }
    }
    Cow::Owned(to)
}

fn push(to: &mut String, byte: u8, plain: bool) {
    if plain {
        to.push(char::from(byte));
    } else {
        to.push('%');
        to.push(char::from(HEX[usize::from(byte >> 4)]));
        to.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The bytes that `text` is without percent-encoding.
fn bytes(text: &str) -> Vec<u8> {
    let (bytes, mut at) = (text.as_bytes(), 0);
    let mut plain = Vec::with_capacity(bytes.len());
    while at < bytes.len() {
        if let Some(byte) = escape(&bytes[at..]) {
            plain.push(byte);
            at += 3;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    plain
}

/// The byte that the escape at the start of `bytes` stands for.
fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    Some((hex(*high)? << 4) | hex(*low)?)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_has_one_normal_form() {
        assert_eq!(normal("/a%7eb%2fc%3D"), "/a~b%2Fc%3D");
        assert_eq!(normal("é\" %"), "%C3%A9%22%20%25");
        assert_eq!(normal("%C3%a9"), "%C3%A9");
        assert_eq!(normal("%zz%4"), "%25zz%254");
    }

    #[test]
    fn decoding_undoes_it() {
        assert_eq!(decoded(&normal("é\" %")), "é\" %");
        assert_eq!(decoded("%ff%4"), "\u{fffd}%4");
        assert_eq!((exactly_decoded("%c3%a9").as_deref(), exactly_decoded("%ff")), (Some("é"), None));
        assert!(matches!(decoded("plain"), Cow::Borrowed(_)));
    }
}
