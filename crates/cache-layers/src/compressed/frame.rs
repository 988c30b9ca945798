//! The frame around compressed bytes: what it holds is checked before anything is decoded or allocated.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `RLCZ` |
//! | 4 | version, 1 |
//! | 5 | algorithm: 1 zstd (one frame with its content size), 2 LZ4 (one raw block) |
//! | 6..8 | zero |
//! | 8..12 | length of the body in bytes, little endian, at most 64 MiB |
//! | 12..20 | XXH3-64 of bytes 0..12 and of all after byte 20, little endian |
//! | 20.. | the compressed body |

use bytes::Bytes;
use cache_core::{Entry, Error, ErrorKind, Result};
use xxhash_rust::xxh3::Xxh3;

use super::Algorithm;
use super::mark::Form;

const MAGIC: [u8; 4] = *b"RLCZ";
const VERSION: u8 = 1;
const FRONT: usize = 12;
const HEADER: usize = FRONT + 8;

/// `raw` in a frame of at most `room` bytes; `None` when it does not become that short, or within a few bytes of it only.
pub(super) fn compress(algorithm: Algorithm, level: i32, raw: &[u8], room: usize) -> Option<Bytes> {
    let raw_len = u32::try_from(raw.len()).ok()?;
    let mut frame = match algorithm {
        #[cfg(feature = "zstd")]
        Algorithm::Zstd => {
            let mut frame = vec![0; room.max(HEADER)];
            let mut compressor = zstd::bulk::Compressor::new(level).ok()?;
            // What does not fit into the room fails early: the gain is too small.
            let len = compressor.compress_to_buffer(raw, &mut frame[HEADER..]).ok()?;
            frame.truncate(HEADER + len);
            frame
        }
        #[cfg(feature = "lz4")]
        Algorithm::Lz4 => {
            let _ = level;
            let mut frame = vec![0; HEADER + lz4_flex::block::get_maximum_output_size(raw.len())];
            let len = lz4_flex::block::compress_into(raw, &mut frame[HEADER..]).ok()?;
            frame.truncate(HEADER + len);
            frame
        }
    };
    if frame.len() > room {
        return None;
    }
    frame.shrink_to_fit();
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&[VERSION, number(algorithm.form()), 0, 0]);
    frame[8..FRONT].copy_from_slice(&raw_len.to_le_bytes());
    let checksum = checksum(&frame);
    frame[FRONT..HEADER].copy_from_slice(&checksum.to_le_bytes());
    Some(Bytes::from(frame))
}

/// The body in `frame`.
///
/// # Errors
/// [`ErrorKind::Corrupt`] for anything but one whole frame of `form` that holds what it declares. No more is allocated
/// than the declared length, which is at most [`Entry::MAX_BODY`].
pub(super) fn decompress(form: Form, frame: &[u8]) -> Result<Bytes> {
    decompress_within(Entry::MAX_BODY, form, frame)
}

fn decompress_within(most: u64, form: Form, frame: &[u8]) -> Result<Bytes> {
    let raw_len = check(most, form, frame).map_err(corrupt)?;
    let raw = match form {
        #[cfg(feature = "zstd")]
        Form::Zstd => unzstd(&frame[HEADER..], raw_len),
        #[cfg(feature = "lz4")]
        Form::Lz4 => unlz4(&frame[HEADER..], raw_len),
        _ => return Err(corrupt("the body is compressed in a way that this build leaves out: enable zstd and lz4")),
    };
    let raw = raw.ok_or_else(|| corrupt("the compressed body does not decode"))?;
    if raw.len() != raw_len {
        return Err(corrupt("the compressed body holds less than it declares"));
    }
    Ok(Bytes::from(raw))
}

/// A measure of the work to come with `frame`, before any check: its own bytes go through the checksum, and those that
/// it declares come out of the decoder.
pub(super) fn work(frame: &[u8]) -> u64 {
    declared(frame).min(Entry::MAX_BODY).max(frame.len() as u64)
}

/// Whether `body` begins like a frame, so that it takes a checksum to tell.
pub(super) fn begins(body: &[u8]) -> bool {
    body.len() >= HEADER && body[..4] == MAGIC
}

/// The length that `frame` declares for its body.
fn declared(frame: &[u8]) -> u64 {
    frame.get(8..FRONT).and_then(|len| len.try_into().ok()).map_or(0, |len| u64::from(u32::from_le_bytes(len)))
}

/// Whether `body` is a frame whose checksum holds. Costs a look at four bytes when it does not begin like one.
pub(super) fn is_whole(body: &[u8]) -> bool {
    begins(body) && body[FRONT..HEADER] == checksum(body).to_le_bytes()
}

/// The declared length, at most `most`, of a whole frame whose checksum holds.
fn check(most: u64, form: Form, frame: &[u8]) -> std::result::Result<usize, &'static str> {
    if !begins(frame) {
        return Err("the frame of the compressed body is missing");
    }
    if frame[4..8] != [VERSION, number(form), 0, 0] {
        return Err("the frame of the compressed body is not of the kind that its meta says");
    }
    if frame[FRONT..HEADER] != checksum(frame).to_le_bytes() {
        return Err("the checksum of the compressed body does not hold");
    }
    let raw_len = declared(frame);
    if raw_len > most {
        return Err("the compressed body declares more bytes than a body may have");
    }
    usize::try_from(raw_len).map_err(|_| "the compressed body declares more bytes than there are addresses")
}

#[cfg(feature = "zstd")]
fn unzstd(data: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    let content = zstd::zstd_safe::get_frame_content_size(data).ok().flatten()?;
    // What follows the frame, be it another that is empty or skipped, is not ours.
    let is_alone = zstd::zstd_safe::find_frame_compressed_size(data) == Ok(data.len());
    if content != raw_len as u64 || !is_alone {
        return None;
    }
    zstd::bulk::decompress(data, raw_len).ok()
}

#[cfg(feature = "lz4")]
fn unlz4(data: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    // A byte of an LZ4 block stands for 255 of its output at most.
    if raw_len / 255 > data.len() {
        return None;
    }
    lz4_flex::block::decompress(data, raw_len).ok()
}

const fn number(form: Form) -> u8 {
    match form {
        Form::AsIs => 0,
        Form::Zstd => 1,
        Form::Lz4 => 2,
    }
}

/// Over everything but its own place. `frame` has a header.
fn checksum(frame: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&frame[..FRONT]);
    hasher.update(&frame[HEADER..]);
    hasher.digest()
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests;
