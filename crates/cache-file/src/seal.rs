//! The seal: what the index was when it was closed in order, beside it (docs/formats.md).

use std::io;

use bytes::{BufMut, BytesMut};
use tracing::debug;
use xxhash_rust::xxh3::xxh3_64;

use crate::dir::Layout;
use crate::fs::OpenMode;

/// Magic, version, three zero bytes.
const MAGIC: [u8; 8] = *b"RLCI\x01\0\0\0";
/// The magic and the checksum of what follows.
const FRONT: usize = 16;
const HASH: usize = 8;

/// The hashes of the pages of the closed index, if a seal of `count` pages is there and verifies.
pub(crate) fn read(layout: &Layout, count: u64) -> Option<Vec<u64>> {
    try_read(layout, count).inspect_err(|error| debug!(%error, "the index is not sealed")).ok()
}

fn try_read(layout: &Layout, count: u64) -> io::Result<Vec<u64>> {
    let file = layout.fs.open(&layout.seal(), OpenMode::Existing)?;
    let len = file.len()?;
    if Some(len) != count.checked_mul(HASH as u64).and_then(|bytes| bytes.checked_add(FRONT as u64)) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_at(&mut bytes, 0)?;
    let (front, hashes) = bytes.split_at(FRONT);
    if front[..HASH] != MAGIC || front[HASH..] != xxh3_64(hashes).to_le_bytes() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(hashes.chunks_exact(HASH).filter_map(|hash| hash.try_into().ok()).map(u64::from_le_bytes).collect())
}

/// Seals an index of pages with these hashes. Half of a seal does not verify.
pub(crate) fn write(layout: &Layout, hashes: &[u64]) -> io::Result<()> {
    let mut bytes = BytesMut::with_capacity(FRONT + hashes.len() * HASH);
    bytes.put_slice(&MAGIC);
    bytes.put_u64_le(0);
    for hash in hashes {
        bytes.put_u64_le(*hash);
    }
    let checksum = xxh3_64(&bytes[FRONT..]);
    bytes[HASH..FRONT].copy_from_slice(&checksum.to_le_bytes());
    layout.check()?;
    layout.fs.open(&layout.seal(), OpenMode::Create)?.write_at(&bytes, 0)
}

/// Takes the seal away, or whatever stands in its place.
pub(crate) fn remove(layout: &Layout) -> io::Result<()> {
    layout.check()?;
    match layout.fs.delete(&layout.seal()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes that a seal of `count` pages takes on disk.
pub(crate) const fn allocated(count: u64) -> u64 {
    (FRONT as u64 + count * HASH as u64).next_multiple_of(4096)
}
