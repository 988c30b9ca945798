//! Percent-escaping of user text inside keys.
//!
//! Escaped are the separators `:` and `=`, the pattern characters `*` and `?`, `%` itself, and control
//! characters. A key therefore never holds a literal `*` or `?`, and a [`KeyPattern`](super::KeyPattern) needs no
//! escape syntax of its own.

use std::borrow::Cow;
use std::fmt::{self, Write};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn must_escape(c: char) -> bool {
    matches!(c, ':' | '=' | '*' | '?' | '%') || c.is_control()
}

/// Whether it is a character by itself, and stands for itself.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii() && !must_escape(char::from(byte))
}

/// A writer that escapes what passes through it.
pub(super) struct Escaping<'a>(pub(super) &'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What needs no escape is copied in runs: most texts are one.
        let mut rest = text;
        loop {
            let run = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
            let (plain, tail) = rest.split_at(run);
            self.0.push_str(plain);
            let mut chars = tail.chars();
            let Some(c) = chars.next() else { break };
            rest = chars.as_str();
            if must_escape(c) {
                for byte in &tail.as_bytes()[..c.len_utf8()] {
                    self.0.push('%');
                    self.0.push(char::from(HEX[usize::from(byte >> 4)]));
                    self.0.push(char::from(HEX[usize::from(byte & 15)]));
                }
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

/// The text whose escaped form is `segment`.
pub(super) fn undo(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let (bytes, mut plain, mut at) = (segment.as_bytes(), Vec::with_capacity(segment.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = (byte == b'%').then(|| Some((hex(*bytes.get(at + 1)?)?, hex(*bytes.get(at + 2)?)?))).flatten();
        plain.push(digits.map_or(byte, |(high, low)| (high << 4) | low));
        at += if digits.is_some() { 3 } else { 1 };
    }
    // A key holds nothing else than what is escaped here.
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// Checks that `text` is what escaping prints (separators aside); the error is the offending byte's position.
pub(super) fn check(text: &str) -> Result<(), usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            at += check_escape(&text[at..]).ok_or(at)?;
        } else {
            let c = text[at..].chars().next().ok_or(at)?;
            if must_escape(c) && !matches!(c, ':' | '=') {
                return Err(at);
            }
            at += c.len_utf8();
        }
    }
    Ok(())
}

/// The length of the escape at the start of `text`, if it is one that [`Escaping`] writes.
fn check_escape(text: &str) -> Option<usize> {
    let mut utf8 = [0u8; 4];
    for (length, slot) in (1..).zip(0..4) {
        let escape = text.as_bytes().get(slot * 3..slot * 3 + 3)?;
        utf8[slot] = match escape {
            [b'%', high, low] => (hex(*high)? << 4) | hex(*low)?,
            _ => return None,
        };
        if let Ok(decoded) = std::str::from_utf8(&utf8[..length]) {
            return decoded.chars().next().filter(|c| must_escape(*c)).map(|_| length * 3);
        }
    }
    None
}

fn hex(digit: u8) -> Option<u8> {
    HEX.iter().position(|&d| d == digit).and_then(|at| u8::try_from(at).ok())
}
