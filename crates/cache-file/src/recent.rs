//! The list of what was read lately, kept beside the index so that a restart does not forget it.

use std::collections::HashMap;
use std::io;

use bytes::{BufMut, BytesMut};
use tracing::debug;
use xxhash_rust::xxh3::xxh3_64;

use crate::dir::Layout;
use crate::fs::OpenMode;

/// Magic, version, three zero bytes, checksum of what follows.
const FRONT: usize = 16;
const MAGIC: [u8; 8] = *b"RLCH\x01\0\0\0";
const HASH: usize = 8;
/// Hashes in a list at most: what lies further back says little.
pub(crate) const MOST: usize = 256 << 10;

/// The places of hashes of keys in the list, 1 for what was read the longest ago. Nothing where it does not verify.
pub(crate) fn read(layout: &Layout) -> HashMap<u64, u32> {
    match try_read(layout) {
        Ok(bytes) => {
            let hashes = bytes.chunks_exact(HASH).filter_map(|hash| hash.try_into().ok());
            hashes.map(u64::from_le_bytes).zip(1..).collect()
        }
        Err(error) => {
            debug!(%error, "nothing is known of what was read lately");
            HashMap::new()
        }
    }
}

fn try_read(layout: &Layout) -> io::Result<Vec<u8>> {
    let file = layout.fs.open(&layout.recent(), OpenMode::Existing)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len.min(FRONT + MOST * HASH)];
    file.read_at(&mut bytes, 0)?;
    let whole = bytes.get(..HASH) == Some(&MAGIC[..])
        && bytes.get(HASH..FRONT) == bytes.get(FRONT..).map(xxh3_64).map(u64::to_le_bytes).as_ref().map(|it| &it[..]);
    if !whole {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(bytes.split_off(FRONT))
}

/// Writes the list anew, longest ago first; the bytes that it takes on disk.
pub(crate) fn write(layout: &Layout, hashes: &[u64]) -> io::Result<u64> {
    let mut bytes = BytesMut::with_capacity(FRONT + hashes.len() * HASH);
    bytes.put_slice(&MAGIC);
    bytes.put_u64_le(0);
    for hash in hashes {
        bytes.put_u64_le(*hash);
    }
    let checksum = xxh3_64(&bytes[FRONT..]);
    bytes[HASH..FRONT].copy_from_slice(&checksum.to_le_bytes());
    layout.check()?;
    // Half of a list does not verify, and costs no more than that.
    let file = layout.fs.open(&layout.recent(), OpenMode::Create)?;
    file.write_at(&bytes, 0)?;
    file.allocated()
}

/// Bytes that the list takes on disk.
pub(crate) fn allocated(layout: &Layout) -> u64 {
    let found = layout.fs.open(&layout.recent(), OpenMode::Existing).and_then(|file| file.allocated());
    found.unwrap_or(0)
}
