//! The seal: what the index was when it was closed in order, beside it (docs/formats.md).

use std::io;

use bytes::{BufMut, BytesMut};
use tracing::debug;
use xxhash_rust::xxh3::xxh3_64;

use crate::dir::Layout;
use crate::fs::OpenMode;

/// Magic, version, three zero bytes.
const MAGIC: [u8; 8] = *b"RLCI\x01\0\0\0";
/// The checksum of what follows, then the length of the index.
const FRONT: usize = 8 + 8 + 8;
const HASH: usize = 8;

/// What is known of a closed index.
#[derive(Debug)]
pub(crate) struct Seal {
    /// Its length.
    pub(crate) len: u64,
    /// A hash of each page.
    pub(crate) hashes: Vec<u64>,
}

/// The seal, if one of `count` pages is there and verifies.
pub(crate) fn read(layout: &Layout, count: u64) -> Option<Seal> {
    try_read(layout, count).inspect_err(|error| debug!(%error, "the index is not sealed")).ok()
}

fn try_read(layout: &Layout, count: u64) -> io::Result<Seal> {
    let file = layout.fs.open(&layout.seal(), OpenMode::Existing)?;
    let len = file.len()?;
    if Some(len) != count.checked_mul(HASH as u64).and_then(|bytes| bytes.checked_add(FRONT as u64)) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_at(&mut bytes, 0)?;
    let words = bytes[8..].chunks_exact(8).filter_map(|word| word.try_into().ok()).map(u64::from_le_bytes);
    let mut words = words.peekable();
    if bytes[..8] != MAGIC || words.next() != Some(xxh3_64(&bytes[16..])) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Seal { len: words.next().unwrap_or(0), hashes: words.collect() })
}

/// Seals an index of `len` bytes. Half of a seal does not verify.
pub(crate) fn write(layout: &Layout, len: u64, hashes: &[u64]) -> io::Result<()> {
    let mut bytes = BytesMut::with_capacity(FRONT + hashes.len() * HASH);
    bytes.put_slice(&MAGIC);
    bytes.put_u64_le(0);
    bytes.put_u64_le(len);
    hashes.iter().for_each(|hash| bytes.put_u64_le(*hash));
    let checksum = xxh3_64(&bytes[16..]);
    bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
    layout.fs.open(&layout.seal(), OpenMode::Create)?.write_at(&bytes, 0)
}

/// Takes the seal away, or whatever stands in its place.
pub(crate) fn remove(layout: &Layout) -> io::Result<()> {
    match layout.fs.delete(&layout.seal()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes that the seal of an index of `index` bytes takes on disk.
pub(crate) const fn allocated(index: u64) -> u64 {
    (index / 4096 * HASH as u64 + FRONT as u64).next_multiple_of(4096)
}
