//! `Image`: what is on a disk in memory, and the changes that can be made to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Unit of allocation.
pub(crate) const PAGE: u64 = 4096;

/// A page of a file; one that is absent reads as zeros and takes no space.
type Page = Arc<[u8; PAGE as usize]>;

/// One change of a disk.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Makes the file or empties it.
    Create {
        path: PathBuf,
        id: u64,
    },
    MakeDir {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Delete {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
    Write {
        id: u64,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    SetLen {
        id: u64,
        len: u64,
    },
    Punch {
        id: u64,
        offset: u64,
        len: u64,
    },
    Sync {
        id: u64,
    },
}

/// The contents of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub(crate) len: u64,
    pages: BTreeMap<u64, Page>,
}

/// What is on a disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) dirs: BTreeSet<PathBuf>,
    pub(crate) names: BTreeMap<PathBuf, u64>,
    pub(crate) files: BTreeMap<u64, Contents>,
    /// The number of the next file.
    pub(crate) next: u64,
}

impl Contents {
    pub(crate) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        if offset + bytes.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (at, page, inner, len) in pieces(offset, bytes.len()) {
            let target = &mut bytes[at..at + len];
            match self.pages.get(&page) {
                Some(page) => target.copy_from_slice(&page[inner..inner + len]),
                None => target.fill(0),
            }
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) {
        for (at, page, inner, len) in pieces(offset, bytes.len()) {
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE as usize]));
            Arc::make_mut(page)[inner..inner + len].copy_from_slice(&bytes[at..at + len]);
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        self.pages.split_off(&len.div_ceil(PAGE));
        if let Some(page) = self.pages.get_mut(&(len / PAGE)) {
            Arc::make_mut(page)[(len % PAGE) as usize..].fill(0);
        }
        self.len = len;
    }

    pub(crate) fn punch(&mut self, offset: u64, len: u64) {
        let whole = offset.div_ceil(PAGE)..(offset + len) / PAGE;
        self.pages.retain(|page, _| !whole.contains(page));
        for (_, page, inner, len) in pieces(offset, len as usize) {
            if let Some(page) = self.pages.get_mut(&page) {
                Arc::make_mut(page)[inner..inner + len].fill(0);
            }
        }
    }

    /// Flips bits of one byte.
    pub(crate) fn flip(&mut self, offset: u64, mask: u8) {
        let mut byte = [0];
        if self.read(&mut byte, offset).is_ok() {
            self.write(&[byte[0] ^ mask], offset);
        }
    }

    pub(crate) fn allocated(&self) -> u64 {
        self.pages.len() as u64 * PAGE
    }

    /// Offsets of the pages that take space.
    pub(crate) fn pages(&self) -> impl Iterator<Item = u64> {
        self.pages.keys().map(|page| page * PAGE)
    }
}

impl Image {
    /// Makes one change.
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { path, id } => {
                self.names.insert(path.clone(), *id);
                self.files.insert(*id, Contents::default());
                self.next = self.next.max(id + 1);
            }
            Op::MakeDir { path } => drop(self.dirs.insert(path.clone())),
            Op::Rename { from, to } => {
                if let Some(id) = self.names.remove(from) {
                    self.names.insert(to.clone(), id);
                }
            }
            Op::Delete { path } => {
                self.names.retain(|name, _| !name.starts_with(path));
                self.dirs.retain(|dir| !dir.starts_with(path));
            }
            Op::Write { id, offset, bytes } => {
                self.files.entry(*id).or_default().write(bytes, *offset);
            }
            Op::SetLen { id, len } => self.files.entry(*id).or_default().set_len(*len),
            Op::Punch { id, offset, len } => self.files.entry(*id).or_default().punch(*offset, *len),
            Op::Sync { .. } | Op::SyncDir { .. } => {}
        }
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &Path) -> Option<&Contents> {
        self.files.get(self.names.get(path)?)
    }

    pub(crate) fn file_mut(&mut self, path: &Path) -> Option<&mut Contents> {
        self.files.get_mut(self.names.get(path)?)
    }

    /// Bytes that named files take, those whose names end in `suffix`.
    pub(crate) fn allocated(&self, suffix: &str) -> u64 {
        let named = self.names.iter().filter(|(path, _)| path.to_string_lossy().ends_with(suffix));
        named.filter_map(|(_, id)| self.files.get(id)).map(Contents::allocated).sum()
    }
}

/// A range in pieces that lie in one page each: where in the range, which page, where in it, how long.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (usize, u64, usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let place = offset + at as u64;
        let inner = (place % PAGE) as usize;
        let piece = (len - at).min(PAGE as usize - inner);
        let found = (piece > 0).then_some((at, place / PAGE, inner, piece));
        at += piece;
        found
    })
}
