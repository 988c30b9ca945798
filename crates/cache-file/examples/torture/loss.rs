//! Images of a disk after a kill or a loss of power, made from the log of its changes.

use std::path::Path;
use std::sync::Arc;

use crate::image::{Image, Op, PAGE};
use crate::script::Rng;

/// What a disk writes at once.
const SECTOR: usize = 512;

/// What a loss of power leaves of the changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// None of them.
    None,
    /// All but one.
    AllBut(usize),
    /// Some, drawn by chance, each whole.
    Some,
    /// Some sectors of some.
    Torn,
}

/// Walks through a log and makes images of each place in it.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    log: &'a [Op],
    /// With all changes so far: what a kill leaves.
    pub(crate) whole: Image,
    /// With what has been synced alone.
    synced: Image,
    /// Changes that have not been synced, in their order.
    pending: Vec<usize>,
    at: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(start: Image, log: &'a [Op]) -> Self {
        Self { log, whole: start.clone(), synced: start, pending: Vec::new(), at: 0 }
    }

    /// Goes on to the place before the change `at`.
    pub(crate) fn advance(&mut self, at: usize) {
        while self.at < at {
            let op = &self.log[self.at];
            self.whole.apply(op);
            match op {
                Op::Sync { id } => {
                    self.synced.files.extend(self.whole.files.get(id).map(|file| (*id, file.clone())));
                    self.pending.retain(|pending| file_of(&self.log[*pending]) != Some(*id));
                }
                Op::SyncDir { path } => self.sync_dir(path),
                _ => self.pending.push(self.at),
            }
            self.at += 1;
        }
    }

    fn sync_dir(&mut self, dir: &Path) {
        for at in std::mem::take(&mut self.pending) {
            if is_in(&self.log[at], dir) {
                redo(&mut self.synced, &self.log[at]);
            } else {
                self.pending.push(at);
            }
        }
    }

    /// What a kill in the middle of the next change leaves, if that can be carried out in part.
    pub(crate) fn torn_by_kill(&self, rng: &mut Rng) -> Option<Image> {
        let Op::Write { id, offset, bytes } = self.log.get(self.at)? else { return None };
        // The kernel copies page by page.
        let first = (PAGE - offset % PAGE) as usize;
        let pages = bytes.len().checked_sub(first + 1)? as u64 / PAGE;
        let cut = first + (rng.below(pages + 1) * PAGE) as usize;
        let mut image = self.whole.clone();
        image.apply(&Op::Write { id: *id, offset: *offset, bytes: bytes[..cut].into() });
        Some(image)
    }

    /// How many changes a loss of power may take here.
    pub(crate) fn at_stake(&self) -> usize {
        self.pending.len()
    }

    /// What a loss of power leaves here.
    pub(crate) fn after(&self, loss: Loss, rng: &mut Rng) -> Image {
        let mut image = self.synced.clone();
        for (nth, at) in self.pending.iter().enumerate() {
            let op = &self.log[*at];
            match loss {
                Loss::None => break,
                Loss::AllBut(missing) if missing == nth => {}
                Loss::AllBut(_) => redo(&mut image, op),
                Loss::Some => {
                    if rng.below(2) == 0 {
                        redo(&mut image, op);
                    }
                }
                Loss::Torn => torn(op, rng).iter().for_each(|op| redo(&mut image, op)),
            }
        }
        image
    }
}

/// Makes a change that reaches the disk after contents that were synced: a new name leaves those alone.
fn redo(image: &mut Image, op: &Op) {
    match op {
        Op::Create { path, id } => {
            image.names.insert(path.clone(), *id);
            image.files.entry(*id).or_default();
        }
        _ => image.apply(op),
    }
}

/// Parts of a change: some sectors of a write, or all or nothing of another.
fn torn(op: &Op, rng: &mut Rng) -> Vec<Op> {
    let Op::Write { id, offset, bytes } = op else {
        return if rng.below(3) > 0 { vec![op.clone()] } else { Vec::new() };
    };
    let first = SECTOR - (*offset as usize % SECTOR);
    let cuts = std::iter::once(0).chain((first..bytes.len()).step_by(SECTOR));
    let parts = cuts.filter_map(|start| {
        let end = bytes.len().min(if start == 0 { first } else { start + SECTOR });
        let part: Arc<[u8]> = bytes[start..end].into();
        (rng.below(3) > 0).then_some(Op::Write { id: *id, offset: offset + start as u64, bytes: part })
    });
    parts.collect()
}

/// The file whose contents a change changes.
fn file_of(op: &Op) -> Option<u64> {
    match op {
        Op::Write { id, .. } | Op::SetLen { id, .. } | Op::Punch { id, .. } => Some(*id),
        _ => None,
    }
}

fn is_in(op: &Op, dir: &Path) -> bool {
    match op {
        Op::Create { path, .. } | Op::MakeDir { path } | Op::Delete { path } => path.parent() == Some(dir),
        Op::Rename { from, to } => from.parent() == Some(dir) && to.parent() == Some(dir),
        _ => false,
    }
}
