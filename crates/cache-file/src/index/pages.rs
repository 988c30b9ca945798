//! `Pages`: a hash of each page of an index's file, by which the file is known again when it has been closed.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use parking_lot::RwLock;
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use crate::dir::Layout;
use crate::fs::FsFile;
use crate::seal;

const PAGE: usize = 4096;
/// The hash of a page that was neither read nor written: nothing is in it.
const UNKNOWN: u64 = 0;
/// The hash of a page that was written in part: it is taken when the index is closed.
const PARTIAL: u64 = 1;
/// Pages that are compared at once.
const PIECE: usize = 256;
/// Threads that compare pages at most: more of them wait for memory.
const THREADS: usize = 8;

/// The hashes of the pages of an open index, and the seal that holds those of the closed one.
///
/// The index library verifies no page when it reads it, and can end the process over one that is damaged. So all of them
/// are verified when the index is opened: against these hashes when the file was closed in order, which is fast; by the
/// library itself otherwise. Of two accesses to one page at the same time neither may be a write, which the library sees
/// to: it never writes over a page that is read.
#[derive(Debug)]
pub(crate) struct Pages {
    layout: Layout,
    /// Whether the seal in the directory may be one of what is in the file.
    is_sealed: AtomicBool,
    hashes: RwLock<Vec<AtomicU64>>,
}

impl Pages {
    /// Of a file of which nothing is known. A seal that is there is broken by the first write.
    pub(crate) const fn unknown(layout: Layout) -> Self {
        Self { layout, is_sealed: AtomicBool::new(true), hashes: RwLock::new(Vec::new()) }
    }

    /// Of `file` as its seal has it; none where there is no seal, or `file` is not what was sealed.
    pub(crate) fn sealed(layout: &Layout, file: &dyn FsFile) -> Option<Self> {
        let len = file.len().ok()?;
        let seal = seal::read(layout, len.div_ceil(PAGE as u64)).filter(|seal| seal.len == len)?;
        match are_in(&seal.hashes, file, len) {
            Ok(true) => {
                let hashes = RwLock::new(seal.hashes.into_iter().map(AtomicU64::new).collect());
                Some(Self { hashes, ..Self::unknown(layout.clone()) })
            }
            found => {
                warn!(?found, path = %layout.index().display(), "the index is not what was closed");
                None
            }
        }
    }

    /// Breaks the seal: the file is about to be changed.
    pub(crate) fn unseal(&self) -> io::Result<()> {
        if !self.is_sealed.load(Ordering::Acquire) {
            return Ok(());
        }
        seal::remove(&self.layout)?;
        self.is_sealed.store(false, Ordering::Release);
        Ok(())
    }

    /// Notes what was read. Of a page that was known before, that is no news.
    pub(crate) fn note_read(&self, offset: u64, bytes: &[u8]) {
        let (first, is_aligned) = page_at(offset);
        if !is_aligned || self.knows(first) {
            return;
        }
        self.reach(offset, bytes.len());
        let hashes = self.hashes.read();
        for (page, bytes) in hashes.iter().skip(first).zip(bytes.chunks_exact(PAGE)) {
            if page.load(Ordering::Relaxed) == UNKNOWN {
                page.store(hash(bytes), Ordering::Relaxed);
            }
        }
    }

    /// Notes what was written.
    pub(crate) fn note_write(&self, offset: u64, bytes: &[u8]) {
        self.reach(offset, bytes.len());
        let (first, is_aligned) = page_at(offset);
        let hashes = self.hashes.read();
        if is_aligned {
            for (page, bytes) in hashes.iter().skip(first).zip(bytes.chunks(PAGE)) {
                page.store(if bytes.len() == PAGE { hash(bytes) } else { PARTIAL }, Ordering::Relaxed);
            }
        } else {
            let end = (offset + bytes.len() as u64).div_ceil(PAGE as u64) as usize;
            hashes[first..end].iter().for_each(|page| page.store(PARTIAL, Ordering::Relaxed));
        }
    }

    /// Notes that the file has `len` bytes now.
    pub(crate) fn note_len(&self, len: u64) {
        let count = len.div_ceil(PAGE as u64) as usize;
        let mut hashes = self.hashes.write();
        hashes.resize_with(count, || AtomicU64::new(UNKNOWN));
        if let Some(cut) = hashes.get(len as usize / PAGE) {
            cut.store(PARTIAL, Ordering::Relaxed);
        }
    }

    /// Seals `file`, which nobody changes any more.
    pub(crate) fn seal(&self, file: &dyn FsFile) -> io::Result<()> {
        let len = file.len()?;
        self.note_len(len);
        let mut hashes = Vec::new();
        let mut page = [0; PAGE];
        for (at, noted) in self.hashes.read().iter().enumerate() {
            let mut noted = noted.load(Ordering::Relaxed);
            if noted == PARTIAL {
                let start = (at * PAGE) as u64;
                let bytes = &mut page[..(len - start).min(PAGE as u64) as usize];
                file.read_at(bytes, start)?;
                noted = hash(bytes);
            }
            hashes.push(noted);
        }
        seal::write(&self.layout, len, &hashes)
    }

    fn knows(&self, page: usize) -> bool {
        self.hashes.read().get(page).is_some_and(|page| page.load(Ordering::Relaxed) != UNKNOWN)
    }

    /// Makes room for what is known of `len` bytes from `offset` on.
    fn reach(&self, offset: u64, len: usize) {
        let count = (offset + len as u64).div_ceil(PAGE as u64) as usize;
        if self.hashes.read().len() < count {
            let mut hashes = self.hashes.write();
            let count = count.max(hashes.len());
            hashes.resize_with(count, || AtomicU64::new(UNKNOWN));
        }
    }
}

fn page_at(offset: u64) -> (usize, bool) {
    ((offset / PAGE as u64) as usize, offset.is_multiple_of(PAGE as u64))
}

fn hash(page: &[u8]) -> u64 {
    xxh3_64(page).max(PARTIAL + 1)
}

/// Whether each page of `file` has the one of `hashes` that is its own.
fn are_in(hashes: &[u64], file: &dyn FsFile, len: u64) -> io::Result<bool> {
    let (next, pieces) = (AtomicUsize::new(0), hashes.len().div_ceil(PIECE));
    let compare = || -> io::Result<bool> {
        let mut bytes = vec![0; PIECE * PAGE];
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            let Some(hashes) = hashes.chunks(PIECE).nth(piece) else { return Ok(true) };
            let start = (piece * PIECE * PAGE) as u64;
            if !is_in(hashes, file, start, len, &mut bytes).inspect_err(|_| next.store(pieces, Ordering::Relaxed))? {
                next.store(pieces, Ordering::Relaxed);
                return Ok(false);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS).min(pieces / 2);
    thread::scope(|scope| {
        // Without a thread for it the others have its part.
        let helpers: Vec<_> =
            (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, compare).ok()).collect();
        let mut all = compare()?;
        for helper in helpers {
            all &= helper.join().unwrap_or(Ok(false))?;
        }
        Ok(all)
    })
}

/// The same of some pages, which begin at `start`.
fn is_in(hashes: &[u64], file: &dyn FsFile, start: u64, len: u64, buffer: &mut [u8]) -> io::Result<bool> {
    let (Some(first), Some(last)) =
        (hashes.iter().position(|known| *known != UNKNOWN), hashes.iter().rposition(|known| *known != UNKNOWN))
    else {
        return Ok(true);
    };
    let start = start + (first * PAGE) as u64;
    let bytes = &mut buffer[..((last + 1 - first) * PAGE).min((len - start) as usize)];
    file.read_at(bytes, start)?;
    let mut pages = hashes[first..=last].iter().zip(bytes.chunks(PAGE));
    Ok(pages.all(|(known, page)| *known == UNKNOWN || *known == hash(page)))
}
