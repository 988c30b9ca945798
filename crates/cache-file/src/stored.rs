//! The stored forms of entries, for tools that look into a directory which no backend has open (docs/formats.md).

use bytes::{BufMut, Bytes};
use cache_core::{Entry, Error, ErrorKind, Key, Meta, Result};

use crate::index::record::{self as index, Indexed};
use crate::volume::{Place, record as volume};

/// What a record of the index says of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexRecord {
    /// The entry itself.
    Inline(Entry),
    /// Where it lies in a volume.
    Placed {
        /// The place.
        place: VolumePlace,
        /// Its meta, which counts.
        meta: Meta,
        /// Whether the volume has an older meta.
        is_renewed: bool,
    },
}

/// Where the record of an entry lies in a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumePlace {
    /// The number of the volume.
    pub volume: u32,
    /// Where the record begins, in bytes: a multiple of 4,096 within the first 16 TiB.
    pub offset: u64,
    /// Its length, in bytes.
    pub len: u32,
}

impl IndexRecord {
    /// Reads the record of `key`. A body is a slice of `record`, not a copy.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for anything but exactly what was written for `key`.
    pub fn decode(key: &Key, record: &Bytes) -> Result<Self> {
        let placed = |place: Place, meta, is_renewed| {
            let place = VolumePlace { volume: place.volume, offset: place.offset(), len: place.len };
            Self::Placed { place, meta, is_renewed }
        };
        Ok(match index::decode(bytes_of(key), record)? {
            Indexed::Inline(entry) => Self::Inline(entry),
            Indexed::Volume(place, meta) => placed(place, meta, false),
            Indexed::Renewed(place, meta) => placed(place, meta, true),
        })
    }

    /// The record for `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a place where no record begins, and when the meta is above 1 MiB.
    pub fn encode(&self, key: &Key) -> Result<Bytes> {
        let key = bytes_of(key);
        match self {
            Self::Inline(entry) => Ok(index::inline(key, &entry.encode_parts()?)),
            Self::Placed { place, meta, is_renewed } => {
                let (place, stub) = (place.checked()?, Entry::new(meta.clone(), Bytes::new()).encode()?);
                let write = if *is_renewed { index::renewed } else { index::in_volume };
                Ok(write(key, place, &stub))
            }
        }
    }
}

impl VolumePlace {
    /// Reads the record of `key` that was found here. The body is a slice of `record`, not a copy.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for anything but exactly what was written here for `key`; [`ErrorKind::Invalid`] for a place
    /// where no record begins.
    pub fn decode(self, key: &Key, record: &Bytes) -> Result<Entry> {
        volume::decode(self.checked()?, bytes_of(key), record)
    }

    /// The record of `entry` and `key` for this volume and offset, whatever the length here is: a copy of the body.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a place where no record begins, and when the meta is above 1 MiB.
    pub fn encode(self, key: &Key, entry: &Entry) -> Result<Bytes> {
        let (place, envelope) = (self.checked()?, entry.encode()?);
        let mut record = volume::front(place.volume, place.offset(), bytes_of(key), envelope.len() as u32);
        record.put_slice(&envelope);
        Ok(record.freeze())
    }

    fn checked(self) -> Result<Place> {
        let nowhere = || Error::new(ErrorKind::Invalid, "no record begins there: an offset is a multiple of 4,096");
        Place::new(self.volume, self.offset, self.len).ok_or_else(nowhere)
    }
}

fn bytes_of(key: &Key) -> &[u8] {
    key.as_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use cache_core::{Stamp, Timestamp};

    use super::*;

    #[test]
    fn what_is_stored_reads_back() {
        let key = Key::of("film").part(1).build().unwrap();
        let meta = Meta::new(Stamp::from_u64(7), Timestamp::from_millis(9));
        let entry = Entry::new(meta.clone(), "body");
        let mut place = VolumePlace { volume: 3, offset: 8_192, len: 0 };
        let record = place.encode(&key, &entry).unwrap();
        place.len = record.len() as u32;
        assert_eq!(place.decode(&key, &record).unwrap(), entry);
        let records = [true, false].map(|is_renewed| IndexRecord::Placed { place, meta: meta.clone(), is_renewed });
        for record in records.into_iter().chain([IndexRecord::Inline(entry)]) {
            assert_eq!(IndexRecord::decode(&key, &record.encode(&key).unwrap()).unwrap(), record);
        }
    }

    #[test]
    fn a_place_between_blocks_is_refused() {
        let place = VolumePlace { volume: 1, offset: 1, len: 9 };
        let key = Key::of("film").build().unwrap();
        assert_eq!(place.decode(&key, &Bytes::new()).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
