//! `Place`: where a record lies, and whether it does.

use super::record::{self, BLOCK, HEADER, aligned};
use crate::fs::FsFile;

/// Where a record lies: `len` bytes from a [`BLOCK`] on. Every entry in memory has one, so it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) volume: u32,
    pub(super) block: u32,
    pub(crate) len: u32,
}

impl Place {
    /// `len` bytes at `offset`, where that is the beginning of a block within the first 16 TiB.
    pub(crate) fn new(volume: u32, offset: u64, len: u32) -> Option<Self> {
        let block = u32::try_from(offset / BLOCK).ok().filter(|_| offset.is_multiple_of(BLOCK))?;
        Some(Self { volume, block, len })
    }

    pub(crate) const fn offset(self) -> u64 {
        self.block as u64 * BLOCK
    }

    /// The space that the record takes.
    pub(crate) const fn space(self) -> u64 {
        aligned(self.len as u64)
    }

    /// Where its space ends.
    pub(crate) const fn end(self) -> u64 {
        self.offset() + self.space()
    }
}

/// Whether a record of `key` could begin at `place` and does.
pub(crate) fn has_header(file: &dyn FsFile, place: Place, key: &[u8]) -> bool {
    let mut front = vec![0; (HEADER + key.len()).min(place.len as usize)];
    file.read_at(&mut front, place.offset()).is_ok()
        && front.get(HEADER..) == Some(key)
        && record::header(place.volume, place.offset(), &front)
            .is_some_and(|header| header.record() == place.len as usize)
}

const _: () = assert!(BLOCK.is_power_of_two(), "offsets are checked by remainder");
