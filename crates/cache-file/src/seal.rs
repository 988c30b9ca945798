//! The seal: what the index was when it was closed in order, beside it (docs/formats.md).

use std::io;

use tracing::debug;

use crate::dir::Layout;
use crate::hashes::{self, Magic};

const MAGIC: Magic = *b"RLCI\x01\0\0\0";

/// The hashes of the pages of the closed index, if a seal of `count` pages is there and verifies.
pub(crate) fn read(layout: &Layout, count: u64) -> Option<Vec<u64>> {
    let sealed = hashes::read(layout, &layout.seal(), MAGIC, |found| found == count);
    sealed.inspect_err(|error| debug!(%error, "the index is not sealed")).ok()
}

/// Seals an index of pages with these hashes.
pub(crate) fn write(layout: &Layout, hashes: &[u64]) -> io::Result<()> {
    hashes::write(layout, &layout.seal(), MAGIC, hashes).map(drop)
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
    hashes::allocated(count)
}
