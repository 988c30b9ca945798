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
/// Pages that are compared at once: they stay in a core's own cache meanwhile.
const PIECE: usize = 32;
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
        let hashes = seal::read(layout, len.div_ceil(PAGE as u64))?;
        match are_in(&hashes, file, len) {
            Ok(true) => {
                let hashes = RwLock::new(hashes.into_iter().map(AtomicU64::new).collect());
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
        if !is_aligned || self.knows(first, bytes.len() / PAGE) {
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
        seal::write(&self.layout, &hashes)
    }

    /// Bytes that the seal will take on disk.
    pub(crate) fn seal_allocated(&self) -> u64 {
        seal::allocated(self.hashes.read().len() as u64)
    }

    /// Whether something is known of each of `count` pages.
    fn knows(&self, first: usize, count: usize) -> bool {
        let hashes = self.hashes.read();
        let pages = hashes.get(first..first + count);
        pages.is_some_and(|pages| pages.iter().all(|page| page.load(Ordering::Relaxed) != UNKNOWN))
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
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS).min(pieces / 16);
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::config::{Durability, FileConfig};
    use crate::fs::{Fs, OpenMode, RealFs};
    use crate::index::Index;
    use crate::opening::Opening;

    fn layout(dir: &Path) -> Layout {
        Layout::new(&FileConfig::new(dir))
    }

    fn file(layout: &Layout, mode: OpenMode) -> Arc<dyn FsFile> {
        layout.fs.open(&layout.index(), mode).unwrap()
    }

    fn is_sealed(layout: &Layout) -> bool {
        Pages::sealed(layout, &*file(layout, OpenMode::Existing)).is_some()
    }

    fn open(layout: &Layout) -> Index {
        let file = file(layout, OpenMode::Existing);
        Index::open(file, Durability::Process, Opening::unmarked(), layout).unwrap()
    }

    fn put(index: &Index, number: u32) {
        let record = Bytes::from(vec![number as u8; 700]);
        index.apply([(&number.to_le_bytes()[..], Some(record))]).unwrap();
    }

    /// A closed index of some entries.
    fn closed(dir: &Path, entries: u32) -> Layout {
        let layout = layout(dir);
        let index = Index::create(file(&layout, OpenMode::Create), Durability::Process, &layout).unwrap();
        (0..entries).for_each(|number| put(&index, number));
        index.close();
        layout
    }

    #[test]
    fn any_flipped_byte_cut_or_addition_shows() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let file = file(&layout, OpenMode::Create);
        let mut bytes: Vec<u8> = (0..2 * PAGE + 100).map(|at| (at % 251) as u8).collect();
        let pages = Pages::unknown(layout.clone());
        file.write_at(&bytes, 0).unwrap();
        pages.note_write(0, &bytes[..PAGE]);
        // The first of these is known before.
        pages.note_read(0, &bytes[..2 * PAGE]);
        // In parts: these two pages are read when the file is sealed.
        bytes[17..20].fill(0xEE);
        file.write_at(&bytes[17..20], 17).unwrap();
        pages.note_write(17, &bytes[17..20]);
        pages.note_write(2 * PAGE as u64, &bytes[2 * PAGE..]);
        pages.seal(&*file).unwrap();
        assert!(is_sealed(&layout));
        for (at, byte) in bytes.iter().enumerate() {
            file.write_at(&[!byte], at as u64).unwrap();
            assert!(!is_sealed(&layout), "byte {at}");
            file.write_at(&[*byte], at as u64).unwrap();
        }
        for len in [0, PAGE, bytes.len() - 1, bytes.len() + 1, 3 * PAGE] {
            file.set_len(len as u64).unwrap();
            assert!(!is_sealed(&layout), "{len} bytes");
            file.write_at(&bytes[..len.min(bytes.len())], 0).unwrap();
        }
        file.set_len(bytes.len() as u64).unwrap();
        assert!(is_sealed(&layout));
    }

    #[test]
    fn pages_are_compared_in_all_parts_of_a_long_file() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let file = file(&layout, OpenMode::Create);
        let bytes: Vec<u8> = (0..9 * PIECE * PAGE + 5 * PAGE).map(|at| (at / 977) as u8).collect();
        let pages = Pages::unknown(layout.clone());
        file.write_at(&bytes, 0).unwrap();
        pages.note_write(0, &bytes);
        pages.seal(&*file).unwrap();
        assert!(is_sealed(&layout));
        for at in (PAGE / 2..bytes.len()).step_by(PIECE * PAGE / 2) {
            file.write_at(&[!bytes[at]], at as u64).unwrap();
            assert!(!is_sealed(&layout), "byte {at}");
            file.write_at(&[bytes[at]], at as u64).unwrap();
        }
    }

    #[test]
    fn an_index_is_sealed_while_it_is_closed_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let layout = closed(dir.path(), 500);
        let old = fs::read(layout.seal()).unwrap();
        for round in 0..3 {
            assert!(is_sealed(&layout), "round {round}");
            let index = open(&layout);
            assert!(!layout.seal().exists(), "the library writes when it opens");
            put(&index, 1_000 + round);
            let expected = index.seal_allocated();
            index.close();
            let len = fs::metadata(layout.seal()).unwrap().len();
            assert!((expected - 4096..=expected).contains(&len), "{len} bytes, {expected} were expected");
        }
        let index = open(&layout);
        put(&index, 2_000);
        // Not closed: as if it had been killed.
        drop(index);
        assert!(!layout.seal().exists());
        fs::write(layout.seal(), old).unwrap();
        assert!(!is_sealed(&layout), "an older seal");
        let index = open(&layout);
        assert!(index.get(&2_000_u32.to_le_bytes()).unwrap().is_some() && !layout.seal().exists());
        index.close();
        assert!(is_sealed(&layout));
    }

    #[test]
    fn a_seal_of_another_index_or_a_damaged_one_is_none() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = [closed(dirs[0].path(), 50), closed(dirs[1].path(), 51)];
        let seal = fs::read(one.seal()).unwrap();
        fs::copy(other.seal(), one.seal()).unwrap();
        assert!(!is_sealed(&one));
        for at in 0..seal.len() {
            let mut flipped = seal.clone();
            flipped[at] ^= 1;
            fs::write(one.seal(), &flipped).unwrap();
            assert!(!is_sealed(&one), "byte {at} of the seal");
        }
        for len in 0..seal.len() {
            fs::write(one.seal(), &seal[..len]).unwrap();
            assert!(!is_sealed(&one), "{len} bytes of the seal");
        }
        fs::write(one.seal(), &seal).unwrap();
        assert!(is_sealed(&one));
    }

    #[test]
    fn an_index_whose_seal_cannot_be_broken_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let layout = closed(dir.path(), 50);
        let before = fs::read(layout.index()).unwrap();
        let mut stuck = layout.clone();
        stuck.fs = Arc::new(Stuck);
        let file = file(&layout, OpenMode::Existing);
        assert!(Index::open(file, Durability::Process, Opening::unmarked(), &stuck).is_err());
        assert!(fs::read(layout.index()).unwrap() == before && is_sealed(&layout));
    }

    /// A file system that deletes nothing.
    #[derive(Debug)]
    struct Stuck;

    impl Fs for Stuck {
        fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
            RealFs.open(path, mode)
        }
        fn list(&self, dir: &Path) -> io::Result<Vec<crate::fs::Listed>> {
            RealFs.list(dir)
        }
        fn create_dir(&self, path: &Path) -> io::Result<()> {
            RealFs.create_dir(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealFs.rename(from, to)
        }
        fn delete(&self, _path: &Path) -> io::Result<()> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            RealFs.sync_dir(dir)
        }
    }
}
