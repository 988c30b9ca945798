//! Loading: from whatever is in the directory to a catalog that says what is served.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Cause, Error, PolicyKind, Result, Timestamp};
use rustix::io::Errno;
use tracing::warn;

use super::survey::{Headers, Survey, Surveyed};
use super::{Live, Ref, Shelves, rebuild};
use crate::config::{Durability, FileConfig};
use crate::dir::Layout;
use crate::error::{IndexError, from_io};
use crate::fs::OpenMode;
use crate::index::Index;
use crate::opening::Opening;
use crate::recent;
use crate::report::{IndexOrigin, OpenReport};
use crate::volume::record::BLOCK;
use crate::volume::{Volume, Volumes};

/// What is in a directory.
pub(super) struct Loaded {
    pub(super) index: Index,
    pub(super) live: Live,
    pub(super) volumes: Volumes,
    pub(super) report: OpenReport,
    /// The last moment at which an entry was read.
    pub(super) moment: u32,
    /// Why the index still names entries that are not served. Until it does not, nothing may be written: what lies in
    /// their places would have two names.
    pub(super) stale: Option<Error>,
}

/// Why a directory is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Opening,
    /// Something failed: what the index names may have been erased.
    Failure,
}

/// Loads a directory that the caller has locked. Entries get generations after `generation`.
pub(super) fn load(config: &FileConfig, layout: &Layout, occasion: Occasion, generation: &mut u64) -> Result<Loaded> {
    let mut volumes = open_volumes(config, layout)?;
    let opening = Opening::begin(layout);
    let found = find_index(config, layout, occasion, &mut volumes, &opening);
    // An error is no crash: the next opening trusts the index as this one did.
    opening.end();
    let (index, mut report, survey) = found?;
    let mut dropped = survey.dropped;
    let recent = recent::read(layout);
    let moment = recent.values().copied().max().unwrap_or(0);
    let catalog = admit(config, survey.entries, &recent, generation, &mut dropped, &mut report);
    let (index, stale) = take_out(config, layout, index, &dropped)?;
    for (_, volume) in volumes.iter_mut() {
        volume.live = 0;
    }
    for (_, entry) in catalog.iter(Timestamp::EPOCH) {
        volumes.claim(entry.place());
    }
    let files = volumes.files();
    Ok(Loaded { index, live: Live { catalog, shadows: HashMap::new(), files }, volumes, report, moment, stale })
}

/// Takes the keys `dropped` out of the index; the error when that failed twice, and they are still in it.
fn take_out(
    config: &FileConfig,
    layout: &Layout,
    mut index: Index,
    dropped: &[Bytes],
) -> Result<(Index, Option<Error>)> {
    let path = layout.index();
    let mut stale = None;
    for _ in 0..2 {
        let changes = dropped.iter().map(|key| (&**key, None));
        let Err(error) = (if dropped.is_empty() { Ok(()) } else { index.apply(changes) }) else {
            return Ok((index, None));
        };
        warn!(?error, "entries that ended could not be taken out of the index");
        stale = Some(error.into_error(&path));
        // Whatever failed, the handle works no more.
        drop(index);
        let file = layout.fs.open(&path, OpenMode::Existing).map_err(|error| from_io(error, &path))?;
        index = Index::open(file, config.durability, Opening::unmarked(), layout)
            .map_err(|error| error.into_error(&path))?;
    }
    Ok((index, stale))
}

fn open_volumes(config: &FileConfig, layout: &Layout) -> Result<Volumes> {
    let mut volumes = Volumes::new(layout.clone(), config.durability, config.volume_len);
    for (number, file) in layout.list_volumes()? {
        let measured = file.len().and_then(|len| Ok((len, file.allocated()?)));
        let (len, allocated) = measured.map_err(|error| from_io(error, &layout.volume(number)))?;
        let tail = len.next_multiple_of(BLOCK);
        volumes.adopt(number, Volume::new(file, tail, allocated));
    }
    Ok(volumes)
}

/// An index, found or made, and what it says.
fn find_index(
    config: &FileConfig,
    layout: &Layout,
    occasion: Occasion,
    volumes: &mut Volumes,
    opening: &Arc<Opening>,
) -> Result<(Index, OpenReport, Survey)> {
    match open_index(config, layout, volumes, opening)? {
        Some((index, origin)) => survey_index(config, layout, occasion, (index, origin), volumes),
        None => rebuilt(config, layout, volumes),
    }
}

/// The index as it is found; `None` when it has to be made from the volumes.
fn open_index(
    config: &FileConfig,
    layout: &Layout,
    volumes: &Volumes,
    opening: &Arc<Opening>,
) -> Result<Option<(Index, IndexOrigin)>> {
    let path = layout.index();
    let file = match layout.fs.open(&path, OpenMode::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !volumes.is_empty() {
                return Ok(None);
            }
            let index = create(config, layout, &[])?;
            return Ok(Some((index, IndexOrigin::Created)));
        }
        Err(error) if is_refusal(&error) => return Err(from_io(error, &path)),
        Err(error) => {
            warn!(%error, path = %path.display(), "something else stands in the place of the index");
            layout.set_aside(&path)?;
            return Ok(None);
        }
    };
    if !opening.suspect {
        match Index::open(file, config.durability, opening.clone(), layout) {
            Ok(index) => {
                let origin = if index.recovered { IndexOrigin::Recovered } else { IndexOrigin::Opened };
                return Ok(Some((index, origin)));
            }
            Err(IndexError::Io(error)) if is_refusal(&error) => return Err(from_io(error, &path)),
            Err(error) => warn!(?error, path = %path.display(), "the index is damaged"),
        }
    }
    layout.set_aside(&path)?;
    Ok(None)
}

/// Makes a new index with `records` and puts it into place when it is whole.
pub(super) fn create(config: &FileConfig, layout: &Layout, records: &[(Bytes, Bytes)]) -> Result<Index> {
    let (path, target) = (layout.new_index(), layout.index());
    let file = match layout.fs.open(&path, OpenMode::Create) {
        Err(error) if !is_refusal(&error) => {
            warn!(%error, path = %path.display(), "something else stands in the place of a new index");
            layout.set_aside(&path)?;
            layout.fs.open(&path, OpenMode::Create)
        }
        opened => opened,
    }
    .map_err(|error| from_io(error, &path))?;
    let index = Index::create(file, config.durability, layout).map_err(|error| error.into_error(&path))?;
    index
        .apply(records.iter().map(|(key, record)| (&**key, Some(record.clone()))))
        .map_err(|error| error.into_error(&path))?;
    layout.fs.rename(&path, &target).map_err(|error| from_io(error, &target))?;
    if config.durability == Durability::Power {
        // The directory may be as new as the index in it.
        for dir in [Some(&*layout.root), layout.root.parent().filter(|dir| dir.is_absolute())].into_iter().flatten() {
            layout.fs.sync_dir(dir).map_err(|error| from_io(error, dir))?;
        }
    }
    Ok(index)
}

fn survey_index(
    config: &FileConfig,
    layout: &Layout,
    occasion: Occasion,
    (index, origin): (Index, IndexOrigin),
    volumes: &mut Volumes,
) -> Result<(Index, OpenReport, Survey)> {
    let mut report = OpenReport { index: origin, ..OpenReport::default() };
    // A clean stop leaves nothing that the index names and the volumes lack.
    let is_doubted = origin == IndexOrigin::Recovered || occasion == Occasion::Failure;
    let headers = if is_doubted { Headers::Checked } else { Headers::Trusted };
    match Survey::of(&index, volumes, config.clock.now(), headers, &mut report) {
        Ok(survey) => Ok((index, report, survey)),
        Err(IndexError::Io(error)) if is_refusal(&error) => Err(from_io(error, &layout.index())),
        Err(error) => {
            warn!(?error, "the index is damaged");
            drop(index);
            layout.set_aside(&layout.index())?;
            rebuilt(config, layout, volumes)
        }
    }
}

fn rebuilt(config: &FileConfig, layout: &Layout, volumes: &mut Volumes) -> Result<(Index, OpenReport, Survey)> {
    let records = rebuild::scan(volumes, layout)?;
    let index = create(config, layout, &records)?;
    let mut report = OpenReport { index: IndexOrigin::Rebuilt, ..OpenReport::default() };
    let now = config.clock.now();
    let survey = Survey::of(&index, volumes, now, Headers::Trusted, &mut report)
        .map_err(|error| error.into_error(&layout.index()))?;
    Ok((index, report, survey))
}

/// The index, as it can be read while the disk cannot be written.
pub(super) fn open_for_reading(config: &FileConfig, layout: &Layout) -> Option<Index> {
    let opened = layout.fs.open(&layout.index(), OpenMode::Existing).map_err(IndexError::Io);
    opened.and_then(Index::open_for_reading).inspect_err(|error| warn!(?error, name = %config.name, "no reads")).ok()
}

/// Offers what was found to the catalog: what nobody read lately first, oldest first, then the rest in the order in which
/// it was read, which counts as read again. So what does not fit is what is missed the least.
fn admit(
    config: &FileConfig,
    mut entries: Vec<Surveyed>,
    recent: &HashMap<u64, u32>,
    generation: &mut u64,
    dropped: &mut Vec<Bytes>,
    report: &mut OpenReport,
) -> Shelves {
    for Surveyed { key, entry, .. } in &entries {
        entry.seen.set(recent.get(&key.hash64()).copied().unwrap_or(0));
    }
    // What was written first leaves first, if that is the policy.
    let heat = |entry: &Ref| if config.policy == PolicyKind::Fifo { 0 } else { entry.seen.get() };
    let place = |surveyed: &Surveyed| (heat(&surveyed.entry), surveyed.entry.stamp);
    entries.sort_unstable_by(|one, other| (place(one), &one.key).cmp(&(place(other), &other.key)));
    let now = config.clock.now();
    let mut catalog = Shelves::new(config.capacity, config.entries, config.policy);
    for Surveyed { key, mut entry, weight, .. } in entries {
        *generation += 1;
        entry.generation = *generation;
        let read = (entry.seen.get() > 0).then(|| key.clone());
        for left in catalog.insert(entry.side(), entry.offer(key, weight), now) {
            match left.cause {
                Cause::Expired => report.expired += 1,
                _ => report.evicted += 1,
            }
            dropped.push(Bytes::copy_from_slice(left.key.as_str().as_bytes()));
        }
        if let Some(key) = read {
            // Twice: one hit is too little for some policies.
            catalog.get(&key, now);
            catalog.get(&key, now);
        }
    }
    catalog
}

/// Whether an error speaks of the medium or the rights, not of what is in the file or stands in its place.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    // A symbolic link, and a socket.
    let stand_ins = [Errno::LOOP, Errno::NXIO].map(|errno| Some(errno.raw_os_error()));
    let contents = [Kind::UnexpectedEof, Kind::InvalidData, Kind::InvalidInput, Kind::IsADirectory];
    !contents.contains(&error.kind()) && !stand_ins.contains(&error.raw_os_error())
}
