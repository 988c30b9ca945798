//! The list of what was read lately, kept beside the index so that a restart does not forget it (docs/formats.md).

use std::collections::HashMap;
use std::io;

use tracing::debug;

use crate::dir::Layout;
use crate::fs::OpenMode;
use crate::hashes::{self, Magic};

const MAGIC: Magic = *b"RLCH\x01\0\0\0";
/// Hashes in a list at most: what lies further back says little.
pub(crate) const MOST: usize = 256 << 10;

/// The places of hashes of keys in the list, 1 for what was read the longest ago. Nothing where it does not verify.
pub(crate) fn read(layout: &Layout) -> HashMap<u64, u32> {
    let listed = hashes::read(layout, &layout.recent(), MAGIC, |count| count <= MOST as u64);
    let listed = listed.inspect_err(|error| debug!(%error, "nothing is known of what was read lately"));
    listed.unwrap_or_default().into_iter().zip(1..).collect()
}

/// Writes the list anew, longest ago first; the bytes that it takes on disk.
pub(crate) fn write(layout: &Layout, hashes: &[u64]) -> io::Result<u64> {
    hashes::write(layout, &layout.recent(), MAGIC, hashes)?.allocated()
}

/// Bytes that the list takes on disk.
pub(crate) fn allocated(layout: &Layout) -> u64 {
    let found = layout.fs.open(&layout.recent(), OpenMode::Existing).and_then(|file| file.allocated());
    found.unwrap_or(0)
}
