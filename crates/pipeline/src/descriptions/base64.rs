//! Bytes as base64, with padding (RFC 4648).

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends `bytes` to `text`.
pub(super) fn push(bytes: &[u8], text: &mut String) {
    text.reserve(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for (letter, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let six = (bits >> shift) & 63;
            let is_padding = letter > three.len();
            let shown = LETTERS.get(six as usize).copied().map_or('=', char::from);
            text.push(if is_padding { '=' } else { shown });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_standard() {
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            let mut text = String::new();
            push(bytes.as_bytes(), &mut text);
            assert_eq!(text, expected);
        }
        let mut text = String::new();
        push(&[0xFB, 0xFF, 0xFE], &mut text);
        assert_eq!(text, "+//+");
    }
}
