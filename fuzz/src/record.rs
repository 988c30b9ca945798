//! Checksums of stored forms, made as docs/formats.md says: a reader is to be tried with more than checksums that fail.

use bytes::Bytes;
use cache_core::Key;
use xxhash_rust::xxh3::Xxh3;

/// Where the checksum of an envelope stands.
const CHECKSUM: std::ops::Range<usize> = 16..24;

/// `bytes` as an envelope whose checksum holds; left alone when they are too few.
pub(crate) fn seal_envelope(bytes: &mut [u8]) {
    if bytes.len() >= CHECKSUM.end {
        let sum = hash(0, [&bytes[..CHECKSUM.start], &bytes[CHECKSUM.end..]]);
        bytes[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    }
}

/// XXH3-64 of the parts, one behind the other.
pub(crate) fn hash<const N: usize>(seed: u64, parts: [&[u8]; N]) -> u64 {
    let mut hasher = Xxh3::with_seed(seed);
    for part in parts {
        hasher.update(part);
    }
    hasher.digest()
}

/// An input that is a key and what is stored under it: a byte, whose lower half is the number of bytes that the text of the
/// key has, that text, and the record.
pub(crate) fn keyed(input: &[u8]) -> Option<(Key, Bytes)> {
    let (&len, rest) = input.split_first()?;
    let (text, record) = rest.split_at_checked(usize::from(len & 15))?;
    let key = Key::of("k").part(String::from_utf8_lossy(text)).build().ok()?;
    Some((key, Bytes::copy_from_slice(record)))
}

/// Another key than `key`.
pub(crate) fn other(key: &Key) -> Key {
    key.child("other").build().expect("a short key has children")
}
