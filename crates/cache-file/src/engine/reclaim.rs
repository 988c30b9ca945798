//! Reclaiming: space in volumes that no entry names goes back to the file system.

use std::collections::BTreeMap;

use cache_core::Timestamp;
use tracing::warn;

use super::Shelves;
use crate::volume::{Place, Volume, Volumes, erase};

/// Cuts tails off, erases gaps and deletes volumes without entries; the bytes on disk that came back.
///
/// Such space is what a killed process appended and never committed, or freed in the index and not yet on disk. Of a
/// directory that `was_closed` in order, volumes without any are left as they are.
pub(super) fn reclaim(volumes: &mut Volumes, catalog: &Shelves, was_closed: bool) -> u64 {
    let mut named: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
    for place in catalog.iter(Timestamp::EPOCH).filter_map(|(_, entry)| entry.place()) {
        named.entry(place.volume).or_default().push(place);
    }
    let before = volumes.allocated();
    let mut dead = Vec::new();
    for (number, volume) in volumes.iter_mut() {
        match named.get_mut(&number) {
            Some(places) => tidy(number, volume, places, was_closed),
            None => dead.push(number),
        }
    }
    for number in dead {
        volumes.delete(number);
    }
    volumes.touch_all();
    before.saturating_sub(volumes.allocated())
}

fn tidy(number: u32, volume: &mut Volume, places: &mut [Place], was_closed: bool) {
    places.sort_unstable();
    let mut end = 0;
    // A hole costs a call at each opening. Blocks fewer than bytes say nothing: file systems compress.
    let is_tidy = was_closed && volume.allocated == volume.live;
    for place in places {
        if place.offset() > end && !is_tidy {
            erase_gap(volume, end, place.offset());
        }
        end = place.end();
    }
    // The length ends with the last record, which need not fill its last block.
    let tail = volume.tail;
    if tail > end
        && let Err(error) = volume.cut(end)
    {
        erase_gap(volume, end, tail);
        warn!(volume = number, %error, "the tail of a volume could not be cut off");
    }
}

fn erase_gap(volume: &Volume, start: u64, end: u64) {
    erase(&*volume.file, start, end - start);
}
