//! `Volumes`: the append-only files that hold the longer entries, and the space they take.

mod place;
mod pool;
pub(crate) mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use tracing::warn;

use crate::config::Durability;
use crate::dir::Layout;
use crate::fs::{FsFile, OpenMode};
pub(crate) use place::{Place, has_header};
pub(crate) use pool::{Pool, open};
use record::{BLOCK, HEADER, aligned};

/// Bodies up to this length are copied behind their header, to be written at once, also with other records.
const COPIED: usize = 64 << 10;
/// Copied records that are written at once, beyond which no more are added.
const GATHERED: usize = 256 << 10;

/// One volume as its writer knows it.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) file: Arc<dyn FsFile>,
    /// Where the next record begins.
    pub(crate) tail: u64,
    /// Space of the records that count.
    pub(crate) live: u64,
    /// What the file took on disk when it was last asked.
    pub(crate) allocated: u64,
    /// Whether the file goes on behind the tail, and could not be cut off there.
    pub(crate) is_long: bool,
}

impl Volume {
    /// The one in `file`, in which a record may begin at `tail`.
    pub(crate) fn new(file: Arc<dyn FsFile>, tail: u64, allocated: u64) -> Self {
        Self { file, tail, live: 0, allocated, is_long: false }
    }

    /// Has the volume end at `end`. What could not be cut off is tried again when the volume is measured.
    pub(crate) fn cut(&mut self, end: u64) -> io::Result<()> {
        self.tail = end;
        let done = self.file.set_len(end);
        self.is_long = done.is_err();
        done
    }
}

/// All volumes, in the hands of the one writer.
#[derive(Debug)]
pub(crate) struct Volumes {
    layout: Layout,
    durability: Durability,
    volume_len: u64,
    by_number: BTreeMap<u32, Volume>,
    /// The highest number ever used: numbers are not used twice while the backend is open.
    last: u32,
    /// Appended to since the last sync.
    unsynced: BTreeSet<u32>,
    /// Changed since they were last measured.
    touched: BTreeSet<u32>,
    /// Whether volumes came or went since the readers were told.
    changed: bool,
    gathered: Gathered,
}

/// Records that follow each other in a volume and are yet to be written.
#[derive(Debug, Default)]
struct Gathered {
    volume: u32,
    offset: u64,
    bytes: Vec<u8>,
}

/// A state to fall back to when a group fails before its commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    last: u32,
    tail: u64,
    live: u64,
}

impl Gathered {
    fn add(&mut self, place: Place, front: &[u8], body: &[u8]) {
        if self.bytes.is_empty() {
            (self.volume, self.offset) = (place.volume, place.offset());
        }
        // What is between two records reads as zeros.
        self.bytes.resize((place.offset() - self.offset) as usize, 0);
        self.bytes.extend_from_slice(front);
        self.bytes.extend_from_slice(body);
    }
}

impl Volumes {
    pub(crate) fn new(layout: Layout, durability: Durability, volume_len: u64) -> Self {
        Self {
            layout,
            durability,
            volume_len,
            by_number: BTreeMap::new(),
            last: 0,
            unsynced: BTreeSet::new(),
            touched: BTreeSet::new(),
            changed: false,
            gathered: Gathered::default(),
        }
    }

    /// Takes a volume over that was found on disk.
    pub(crate) fn adopt(&mut self, number: u32, volume: Volume) {
        self.by_number.insert(number, volume);
        self.last = self.last.max(number);
    }

    /// Never uses the numbers up to that of `other` again: readers may hold places in them.
    pub(crate) fn succeed(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
    }

    /// Begins to count after the volumes that are there: nobody reads yet.
    ///
    /// Whatever has been deleted may have had any number, the greatest included.
    pub(crate) fn renumber(&mut self) {
        self.last = self.by_number.last_key_value().map_or(0, |(number, _)| *number);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The `count` volumes with the fewest bytes that count, the one that is written to excluded.
    pub(crate) fn sparsest(&self, count: usize) -> BTreeSet<u32> {
        let others = self.by_number.iter().filter(|(number, _)| **number != self.last);
        let mut by_live: Vec<_> = others.map(|(number, volume)| (volume.live, *number)).collect();
        by_live.sort_unstable();
        by_live.into_iter().take(count).map(|(_, number)| number).collect()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Volume> {
        self.by_number.get(&number)
    }

    /// Whether a record of `key` begins at `place`.
    pub(crate) fn has_header(&self, place: Place, key: &[u8]) -> bool {
        self.get(place.volume).is_some_and(|volume| has_header(&*volume.file, place, key))
    }

    /// Counts the record at `place`, if it is in a volume, as live.
    pub(crate) fn claim(&mut self, place: Option<Place>) {
        if let Some(place) = place
            && let Some(volume) = self.by_number.get_mut(&place.volume)
        {
            volume.live += place.space();
        }
    }

    /// Has every volume measured again.
    pub(crate) fn touch_all(&mut self) {
        self.touched = self.by_number.keys().copied().collect();
    }

    /// The files, for readers.
    pub(crate) fn files(&self) -> HashMap<u32, Arc<dyn FsFile>> {
        self.by_number.iter().map(|(number, volume)| (*number, volume.file.clone())).collect()
    }

    /// The files, if volumes came or went since this was asked last.
    pub(crate) fn changed_files(&mut self) -> Option<HashMap<u32, Arc<dyn FsFile>>> {
        std::mem::take(&mut self.changed).then(|| self.files())
    }

    /// The volumes by number, to be put in order before the first write.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Volume)> {
        self.by_number.iter_mut().map(|(number, volume)| (*number, volume))
    }

    /// Sum of the space of the records that count.
    pub(crate) fn live(&self) -> u64 {
        self.by_number.values().map(|volume| volume.live).sum()
    }

    /// What all volumes take on disk; asks the file system about those that changed.
    ///
    /// Tails that could not be cut off are tried again: entries would be evicted for their space, and not give it back.
    pub(crate) fn allocated(&mut self) -> u64 {
        for number in std::mem::take(&mut self.touched) {
            let Some(volume) = self.by_number.get_mut(&number) else { continue };
            if volume.is_long && volume.cut(volume.tail).is_err() {
                self.touched.insert(number);
            }
            match volume.file.allocated() {
                Ok(allocated) => volume.allocated = allocated,
                Err(error) => warn!(volume = number, %error, "the length of a volume on disk is unknown"),
            }
        }
        self.by_number.values().map(|volume| volume.allocated).sum()
    }

    pub(crate) fn mark(&self) -> Mark {
        let (tail, live) = self.by_number.get(&self.last).map_or((0, 0), |volume| (volume.tail, volume.live));
        Mark { last: self.last, tail, live }
    }

    /// Forgets and cuts off what was appended since `mark`.
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        self.gathered.bytes.clear();
        while let Some((&number, _)) = self.by_number.range((Bound::Excluded(mark.last), Bound::Unbounded)).next_back()
        {
            self.delete(number);
        }
        let Some(volume) = self.by_number.get_mut(&mark.last) else { return };
        volume.live = mark.live;
        self.touched.insert(mark.last);
        if let Err(error) = volume.cut(mark.tail) {
            warn!(volume = mark.last, %error, "the tail of a failed write stays until it is written over");
        }
    }

    /// Appends a record of `key`. It counts as live at once; nothing names it yet, and [`sync`](Self::sync) writes the
    /// last of it.
    pub(crate) fn append(&mut self, key: &[u8], envelope: &[Bytes; 2]) -> io::Result<Place> {
        let envelope_len = envelope[0].len() + envelope[1].len();
        let len = record::len(key, envelope_len as u64);
        let number = self.room_for(aligned(len))?;
        let is_copied = envelope[1].len() <= COPIED;
        if number != self.gathered.volume || !is_copied || self.gathered.bytes.len() >= GATHERED {
            self.write_gathered()?;
        }
        self.touched.insert(number);
        self.unsynced.insert(number);
        let Some(volume) = self.by_number.get_mut(&number) else { return Err(io::ErrorKind::NotFound.into()) };
        let place = Place::new(number, volume.tail, len as u32).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut front = record::front(number, place.offset(), key, envelope_len as u32);
        front.put_slice(&envelope[0]);
        if is_copied {
            self.gathered.add(place, &front, &envelope[1]);
        } else {
            // The body first: a header without its body would look like a record.
            volume.file.write_at(&envelope[1], place.offset() + front.len() as u64)?;
            volume.file.write_at(&front, place.offset())?;
        }
        volume.tail = place.end();
        volume.live += place.space();
        Ok(place)
    }

    fn write_gathered(&mut self) -> io::Result<()> {
        let Gathered { volume, offset, bytes } = &mut self.gathered;
        let written = match self.by_number.get(volume) {
            Some(volume) if !bytes.is_empty() => volume.file.write_at(bytes, *offset),
            _ => Ok(()),
        };
        bytes.clear();
        written
    }

    /// Makes what was appended survive what the durability promises.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.write_gathered()?;
        let unsynced = std::mem::take(&mut self.unsynced);
        if self.durability == Durability::Process {
            return Ok(());
        }
        for volume in unsynced.iter().filter_map(|number| self.by_number.get(number)) {
            volume.file.sync()?;
        }
        Ok(())
    }

    /// Gives the space of records back that no index names any more; neighbours' at once.
    ///
    /// Failures are logged: the next start reclaims what they left.
    pub(crate) fn free(&mut self, mut places: Vec<Place>) {
        places.sort_unstable();
        for neighbours in places.chunk_by(|one, next| one.volume == next.volume && one.end() == next.offset()) {
            let (first, space) = (neighbours[0], neighbours.iter().map(|place| place.space()).sum());
            let Some(volume) = self.by_number.get_mut(&first.volume) else { continue };
            volume.live = volume.live.saturating_sub(space);
            if !self.delete_if_empty(first.volume)
                && let Some(volume) = self.by_number.get(&first.volume)
            {
                self.touched.insert(first.volume);
                erase(&*volume.file, first.offset(), space);
            }
        }
    }

    /// Counts a record as gone and leaves its place as it is: what lies there may be another one. A place that was
    /// damaged is erased at the next start.
    pub(crate) fn disown(&mut self, place: Place) {
        if let Some(volume) = self.by_number.get_mut(&place.volume) {
            volume.live = volume.live.saturating_sub(place.space());
            self.delete_if_empty(place.volume);
        }
    }

    fn delete_if_empty(&mut self, number: u32) -> bool {
        let is_empty = self
            .by_number
            .get(&number)
            .is_some_and(|volume| volume.live == 0 && (number != self.last || volume.is_long));
        if is_empty {
            self.delete(number);
        }
        is_empty
    }

    /// Erases a record that is to be freed, ahead of its time.
    pub(crate) fn vacate(&mut self, place: Place) {
        if let Some(volume) = self.by_number.get(&place.volume) {
            self.touched.insert(place.volume);
            erase(&*volume.file, place.offset(), place.space());
        }
    }

    /// Deletes the file of a volume and forgets it.
    pub(crate) fn delete(&mut self, number: u32) {
        self.by_number.remove(&number);
        self.changed = true;
        if let Err(error) = self.layout.delete_volume(number) {
            warn!(volume = number, %error, "a volume without entries could not be deleted");
        }
    }

    /// The volume that the next `space` bytes go to.
    fn room_for(&mut self, space: u64) -> io::Result<u32> {
        if let Some(volume) = self.by_number.get(&self.last)
            && (volume.tail == 0 || volume.tail + space <= self.volume_len)
        {
            return Ok(self.last);
        }
        let (number, file) = self.create()?;
        if self.durability == Durability::Power {
            self.layout.fs.sync_dir(&self.layout.volumes())?;
        }
        self.changed = true;
        let full = std::mem::replace(&mut self.last, number);
        self.by_number.insert(number, Volume::new(file, 0, 0));
        if self.by_number.get(&full).is_some_and(|volume| volume.live == 0) {
            self.delete(full);
        }
        Ok(number)
    }

    /// A new volume. What somebody else put in the place of one stays there.
    fn create(&self) -> io::Result<(u32, Arc<dyn FsFile>)> {
        let mut number = self.last;
        loop {
            number = number.checked_add(1).ok_or_else(|| io::Error::other("there are no numbers for volumes left"))?;
            match self.layout.open_volume(number, OpenMode::CreateNew) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                opened => return Ok((number, opened?)),
            }
        }
    }
}

/// Makes a range read as nothing that a rebuilt index would take for a record, and gives its space back if possible.
pub(crate) fn erase(file: &dyn FsFile, offset: u64, space: u64) {
    let Err(error) = file.punch(offset, space) else { return };
    if error.kind() != io::ErrorKind::Unsupported {
        warn!(%error, offset, space, "space could not be given back");
    }
    // The range may be that of several records, each of which begins a block.
    for block in (offset..offset.saturating_add(space)).step_by(BLOCK as usize) {
        if let Err(error) = file.write_at(&[0; HEADER], block) {
            warn!(%error, offset, "a record without an entry could not be erased");
            return;
        }
    }
}
