//! Texts of pages: their character set, their white space, and what resolutions say.

use encoding_rs::{Encoding, UTF_8};

use crate::http::Reply;

/// How far into a page its character set is looked for, in bytes.
const DECLARED_WITHIN: usize = 1024;
/// The longest text that is kept, in characters.
const MAX_TEXT: usize = 500;
/// How far into a text that is looked for, in characters: what is before it may be all white space.
const MAX_READ: usize = 100_000;
/// Higher than any picture.
const MAX_HEIGHT: u32 = 20_000;

/// The text of `reply`, in the character set that its mark, its header or itself says, UTF-8 otherwise. What is wrong in
/// it becomes replacement characters.
pub(super) fn decoded(reply: &Reply) -> String {
    let body = reply.body();
    let told = reply.header("content-type").and_then(|value| charset(value.as_bytes()));
    let own = || charset(body.get(..DECLARED_WITHIN).unwrap_or(body));
    // A mark at the beginning counts before both.
    told.or_else(own).unwrap_or(UTF_8).decode(body).0.into_owned()
}

/// The texts `parts` as one, without needless white space.
pub(super) fn squeezed<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut all = String::new();
    let mut left = MAX_TEXT;
    let mut is_apart = false;
    for c in parts.flat_map(str::chars).take(MAX_READ) {
        if left == 0 {
            break;
        }
        if c.is_whitespace() || c.is_control() {
            is_apart = !all.is_empty();
            continue;
        }
        if std::mem::take(&mut is_apart) {
            all.push(' ');
        }
        all.push(c);
        left -= 1;
    }
    all
}

/// The height of a picture that `resolution` names: `1080p`, `1920x1080`, `720`.
pub(super) fn height(resolution: &str) -> Option<u32> {
    let words = resolution.split(|c: char| !c.is_ascii_alphanumeric() && c != '×').filter(|word| !word.is_empty());
    words.into_iter().find_map(|word| {
        let digits = match word.split_once(['x', 'X', '×']) {
            Some((width, height)) if width.parse::<u32>().is_ok() => height,
            _ => word,
        };
        let digits = digits.trim_end_matches(['p', 'P', 'i', 'I']);
        digits.parse().ok().filter(|height| (1..=MAX_HEIGHT).contains(height))
    })
}

/// What `charset=` says in `text`.
fn charset(text: &[u8]) -> Option<&'static Encoding> {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let label = text.split_once("charset=")?.1.trim_start_matches(['"', '\'', ' ']);
    let end =
        label.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | ':' | '.')).unwrap_or(label.len());
    Encoding::for_label(label.get(..end)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_read_from_what_resolutions_say() {
        for (text, expected) in [
            ("1080p", Some(1080)),
            ("1920x1080", Some(1080)),
            ("1920×1080", Some(1080)),
            ("Full HD (1080p, stereo)", Some(1080)),
            ("720", Some(720)),
            ("HD", None),
            ("4K", None),
            ("", None),
            ("99999999999p", None),
        ] {
            assert_eq!(height(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_have_no_needless_space_and_an_end() {
        assert_eq!(squeezed([" a\n", "\t b", "c "].into_iter()), "a bc");
        assert_eq!(squeezed(["ä".repeat(10_000).as_str()].into_iter()).chars().count(), MAX_TEXT);
    }

    #[test]
    fn character_sets_are_found_where_they_are_declared() {
        for text in
            ["text/html; charset=windows-1251", "<meta charset='windows-1251'>", "<META CHARSET=Windows-1251 />"]
        {
            assert_eq!(charset(text.as_bytes()).map(Encoding::name), Some("windows-1251"), "{text}");
        }
        assert_eq!(charset(b"text/html; charset=klingon"), None);
    }
}
