//! Files of hashes beside the index: a magic, a checksum, then the hashes. Half of one does not verify.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use xxhash_rust::xxh3::xxh3_64;

use crate::dir::Layout;
use crate::fs::{FsFile, OpenMode};

/// Bytes of a hash.
const HASH: usize = 8;
/// What comes before the hashes: the magic and the checksum of what follows.
const FRONT: usize = 16;

/// Name, version, three zero bytes.
pub(crate) type Magic = [u8; HASH];

/// The hashes in the file at `path`.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for anything but a file as [`write`] makes it, of a length that `admits` says is one.
pub(crate) fn read(
    layout: &Layout,
    path: &Path,
    magic: Magic,
    admits: impl FnOnce(u64) -> bool,
) -> io::Result<Vec<u64>> {
    let file = layout.fs.open(path, OpenMode::Existing)?;
    let len = file.len()?;
    let is_one = len >= FRONT as u64 && len.is_multiple_of(HASH as u64) && admits(count(len));
    // Nothing is made room for that is not wanted.
    let len = usize::try_from(len).ok().filter(|_| is_one).ok_or(io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; len];
    file.read_at(&mut bytes, 0)?;
    let (front, hashes) = bytes.split_at(FRONT);
    if front[..HASH] != magic || front[HASH..] != xxh3_64(hashes).to_le_bytes() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(hashes.chunks_exact(HASH).filter_map(|hash| hash.try_into().ok()).map(u64::from_le_bytes).collect())
}

/// Writes the file at `path` anew, if the directory is still where it was.
pub(crate) fn write(layout: &Layout, path: &Path, magic: Magic, hashes: &[u64]) -> io::Result<Arc<dyn FsFile>> {
    let mut bytes = BytesMut::with_capacity(FRONT + hashes.len() * HASH);
    bytes.put_slice(&magic);
    bytes.put_u64_le(0);
    for hash in hashes {
        bytes.put_u64_le(*hash);
    }
    let checksum = xxh3_64(&bytes[FRONT..]);
    bytes[HASH..FRONT].copy_from_slice(&checksum.to_le_bytes());
    layout.check()?;
    let file = layout.fs.open(path, OpenMode::Create)?;
    file.write_at(&bytes, 0)?;
    Ok(file)
}

/// Bytes that a file of `count` hashes takes on disk.
pub(crate) const fn allocated(count: u64) -> u64 {
    (FRONT as u64 + count * HASH as u64).next_multiple_of(4096)
}

/// How many hashes a file of `len` bytes has.
const fn count(len: u64) -> u64 {
    (len - FRONT as u64) / HASH as u64
}
