//! Reads what ffmpeg prints: pictures on one stream, their times and its complaints on another.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::tool::STDERR_TAIL;

/// Pictures, each behind a header that tells its length.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    bytes: BytesMut,
}

/// What is printed is not what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// The longest header of a picture, in bytes.
const HEADER: usize = 1 << 10;
/// The longest picture, in bytes.
const PICTURE: usize = 64 << 20;

impl Pictures {
    /// Where to read to.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// The next picture, once all of it has been read.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Garbage> {
        let Some(header) = self.bytes.windows(4).take(HEADER).position(|end| end == b"\r\n\r\n") else {
            return if self.bytes.len() < HEADER { Ok(None) } else { Err(Garbage) };
        };
        let len = length(&self.bytes[..header]).filter(|len| *len <= PICTURE).ok_or(Garbage)?;
        let start = header + 4;
        if self.bytes.len() < start + len {
            // Grown once, not in many steps.
            self.bytes.reserve(start + len - self.bytes.len());
            return Ok(None);
        }
        self.bytes.advance(start);
        Ok(Some(self.bytes.split_to(len).freeze()))
    }

    /// Whether as much is held as one picture may be long.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > HEADER + PICTURE
    }

    /// Whether something is left that was no picture; a last delimiter may be.
    pub(super) fn is_cut_short(&self) -> bool {
        let rest = self.bytes.trim_ascii();
        !rest.is_empty() && !rest.starts_with(b"--ffmpeg")
    }
}

fn length(header: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(header).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Content-length: ")?.trim().parse().ok())
}

/// Times of frames, in lines like `frame:0    pts:80000   pts_time:0.08`, among complaints.
#[derive(Debug, Default)]
pub(super) struct Times {
    line: Vec<u8>,
    pub(super) read: VecDeque<i64>,
    /// The end of everything else.
    pub(super) complaint: Vec<u8>,
}

/// Longer lines are cut.
const LINE: usize = 4 << 10;
/// The most times that are told ahead of their pictures: many more than ffmpeg works on at once.
const AHEAD: usize = 1 << 16;

impl Times {
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<(), Garbage> {
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() < LINE {
                    self.line.push(byte);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            self.line(&line)?;
        }
        Ok(())
    }

    /// What is left is a line, too.
    pub(super) fn end(&mut self) -> Result<(), Garbage> {
        let line = std::mem::take(&mut self.line);
        self.line(&line)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Garbage> {
        if line.starts_with(b"frame:") {
            if self.read.len() == AHEAD {
                return Err(Garbage);
            }
            let time = std::str::from_utf8(line).ok().and_then(|line| line.split_once(" pts:"));
            let time = time.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
            self.read.push_back(time.ok_or(Garbage)?);
        } else if line != b"k=1" && !line.is_empty() {
            self.complaint.extend_from_slice(line);
            self.complaint.push(b'\n');
            let excess = self.complaint.len().saturating_sub(STDERR_TAIL);
            self.complaint.drain(..excess);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_cut_out_however_they_arrive() {
        let printed = b"--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: 3\r\n\r\nabc\r\n--ffmpeg\r\n\
                        Content-type: image/jpeg\r\nContent-length: 5\r\n\r\n\r\n\r\nd\r\n--ffmpeg\r\n";
        for step in 1..printed.len() {
            let (mut pictures, mut found) = (Pictures::default(), Vec::new());
            for piece in printed.chunks(step) {
                pictures.buffer().extend_from_slice(piece);
                while let Some(picture) = pictures.next().unwrap() {
                    found.push(picture);
                }
            }
            assert_eq!(found, ["abc".as_bytes(), b"\r\n\r\nd"], "{step}");
            assert!(!pictures.is_cut_short());
        }
    }

    #[test]
    fn what_is_no_picture_is_found_out() {
        let mut pictures = Pictures::default();
        pictures.buffer().extend_from_slice(&[b'x'; HEADER + 4]);
        assert_eq!(pictures.next(), Err(Garbage));
        let mut pictures = Pictures::default();
        pictures.buffer().extend_from_slice(b"Content-length: 99999999999\r\n\r\n");
        assert_eq!(pictures.next(), Err(Garbage));
        let mut pictures = Pictures::default();
        pictures.buffer().extend_from_slice(b"Content-length: 9\r\n\r\nabc");
        assert_eq!(pictures.next(), Ok(None));
        assert!(pictures.is_cut_short());
    }

    #[test]
    fn times_are_told_from_complaints() {
        let mut times = Times::default();
        times.hear(b"frame:0    pts:-80000  pts_time:-0.08\nk=1\nout of lu").unwrap();
        times.hear(b"ck\nframe:1    pts:5400000000 pts_time:5400\nk=1\nlast").unwrap();
        times.end().unwrap();
        assert_eq!(times.read, [-80_000, 5_400_000_000]);
        assert_eq!(times.complaint, b"out of luck\nlast\n");
        assert_eq!(Times::default().hear(b"frame:0    pts:NOPTS   pts_time:NOPTS\n"), Err(Garbage));
    }
}
