//! Rebuilding: records for a new index from what the volumes say of themselves.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use cache_core::{Entry, Key, Meta, Result};

use crate::dir::Layout;
use crate::error::from_io;
use crate::fs::FsFile;
use crate::index::record::in_volume;
use crate::volume::record::{self, BLOCK, aligned};
use crate::volume::{Place, Volumes};

/// Records of the index for every whole entry in `volumes`; of one key, for that with the newest stamp.
///
/// Reads a block at each place where a record could begin, holes included, and every record whole.
pub(super) fn scan(volumes: &mut Volumes, layout: &Layout) -> Result<Vec<(Bytes, Bytes)>> {
    let mut newest: HashMap<Key, (Place, Meta)> = HashMap::new();
    for (number, volume) in volumes.iter_mut() {
        let scanned = scan_volume(number, &*volume.file, |key, place, meta| {
            // Of two with one stamp the later one was put later.
            if newest.get(&key).is_none_or(|(_, present)| present.stamp <= meta.stamp) {
                newest.insert(key, (place, meta));
            }
        });
        scanned.map_err(|error| from_io(error, &layout.volume(number)))?;
    }
    let mut records = Vec::with_capacity(newest.len());
    for (key, (place, meta)) in newest {
        let key = key.as_str().as_bytes();
        let stub = Entry::new(meta, Bytes::new()).encode()?;
        records.push((Bytes::copy_from_slice(key), in_volume(key, place, &stub)));
    }
    records.sort_unstable();
    Ok(records)
}

fn scan_volume(number: u32, file: &dyn FsFile, mut found: impl FnMut(Key, Place, Meta)) -> io::Result<()> {
    let len = file.len()?;
    let mut offset = 0;
    let mut block = vec![0; BLOCK as usize];
    while offset < len {
        let front = &mut block[..usize::try_from(len - offset).unwrap_or(usize::MAX).min(BLOCK as usize)];
        file.read_at(front, offset)?;
        let whole = record::header(number, offset, front)
            .filter(|header| header.record() as u64 <= len - offset)
            .and_then(|header| Place::new(number, offset, header.record() as u32));
        offset += match whole.map(|place| read(file, place)).transpose()?.flatten() {
            Some((key, place, meta)) => {
                found(key, place, meta);
                aligned(u64::from(place.len))
            }
            None => BLOCK,
        };
    }
    Ok(())
}

/// The record at `place`, if all of it verifies.
fn read(file: &dyn FsFile, place: Place) -> io::Result<Option<(Key, Place, Meta)>> {
    let mut bytes = vec![0; place.len as usize];
    file.read_at(&mut bytes, place.offset())?;
    let Some(header) = record::header(place.volume, place.offset(), &bytes) else { return Ok(None) };
    let key = &bytes[record::HEADER..record::HEADER + header.key];
    let Some(name) = std::str::from_utf8(key).ok().and_then(|text| Key::parse(text).ok()) else { return Ok(None) };
    let entry = record::decode(place, name.as_str().as_bytes(), &Bytes::from(bytes));
    Ok(entry.ok().map(|entry| (name, place, entry.meta)))
}
