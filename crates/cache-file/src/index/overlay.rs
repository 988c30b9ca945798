//! `Overlay`: a file that is only read; what is written to it stays in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fs::FsFile;

const PAGE: u64 = 4096;

/// A file that cannot be written, for an index that has to be read all the same.
///
/// The index library writes when it opens a file after a failure. Those pages are all that is held.
#[derive(Debug)]
pub(crate) struct Overlay {
    below: Arc<dyn FsFile>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(crate) fn new(below: Arc<dyn FsFile>) -> io::Result<Self> {
        let len = below.len()?;
        Ok(Self { below, written: Mutex::new(Written { len, pages: BTreeMap::new() }) })
    }

    /// The page below, zeros where the file has ended.
    fn page(&self, page: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; PAGE as usize];
        let there = self.below.len()?.saturating_sub(page * PAGE).min(PAGE) as usize;
        self.below.read_at(&mut bytes[..there], page * PAGE)?;
        Ok(bytes)
    }
}

impl FsFile for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written.lock().len)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.below.allocated()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let written = self.written.lock();
        if offset + bytes.len() as u64 > written.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, inner, range) in pieces(offset, bytes.len()) {
            let target = &mut bytes[range];
            let end = inner + target.len();
            match written.pages.get(&page) {
                Some(page) => target.copy_from_slice(&page[inner..end]),
                None => target.copy_from_slice(&self.page(page)?[inner..end]),
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut written = self.written.lock();
        for (page, inner, range) in pieces(offset, bytes.len()) {
            let from = &bytes[range];
            let held = match written.pages.entry(page) {
                std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => place.insert(self.page(page)?),
            };
            held[inner..inner + from.len()].copy_from_slice(from);
        }
        written.len = written.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.written.lock().len = len;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn punch(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A range in pieces that lie in one page each: the page, where in it, and which part of the range.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let place = offset + at as u64;
        let inner = (place % PAGE) as usize;
        let end = len.min(at + PAGE as usize - inner);
        let piece = (at < len).then_some((place / PAGE, inner, at..end));
        at = end;
        piece
    })
}
