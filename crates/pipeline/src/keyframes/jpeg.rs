//! Reads the dimensions of a JPEG from its frame header.

/// Width and height in pixels; `None` when these bytes are no complete JPEG.
pub(super) fn dimensions(jpeg: &[u8]) -> Option<(u32, u32)> {
    if !jpeg.ends_with(&[0xFF, 0xD9]) {
        return None;
    }
    let mut rest = jpeg.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        let (&[0xFF, marker], after) = rest.split_first_chunk()? else { return None };
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        if is_frame_header(marker) {
            let height = u16::from_be_bytes([*after.get(3)?, *after.get(4)?]);
            let width = u16::from_be_bytes([*after.get(5)?, *after.get(6)?]);
            return (width > 0 && height > 0).then_some((width.into(), height.into()));
        }
        rest = after.get(length..)?;
    }
}

/// SOF0 to SOF15; three numbers in between mean other things.
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: [u8; 19] = [
        0xFF, 0xD8, // start
        0xFF, 0xE0, 0, 3, 9, // a segment to pass over
        0xFF, 0xC0, 0, 8, 8, 0, 48, 0, 64, // frame header: 64 x 48
        1, 0xFF, 0xD9,
    ];

    #[test]
    fn the_frame_header_is_found() {
        assert_eq!(dimensions(&JPEG), Some((64, 48)));
    }

    #[test]
    fn anything_cut_short_is_no_jpeg() {
        for len in 0..JPEG.len() {
            assert_eq!(dimensions(&JPEG[..len]), None, "{len}");
        }
        assert_eq!(dimensions(b"<html>"), None);
    }
}
