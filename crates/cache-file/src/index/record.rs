//! What the index says of one entry, in bytes (docs/formats.md).

use bytes::{BufMut, Bytes, BytesMut};
use cache_core::{Entry, Error, ErrorKind, Meta, Result};
use xxhash_rust::xxh3::Xxh3;

use crate::volume::Place;

const INLINE: u8 = 1;
const VOLUME: u8 = 2;
const RENEWED: u8 = 3;
/// Checksum, kind, three zero bytes.
const FRONT: usize = 12;
/// Volume, offset, length.
const PLACE: usize = 16;
/// What a key and its record take in the index besides their own bytes.
const OVERHEAD: u64 = 32;

/// Where the bytes of an entry are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// In the index.
    Inline,
    Volume(Place),
    /// In a volume, where its meta is an older one: that in the index counts.
    Renewed(Place),
}

/// What the index says of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Indexed {
    /// Here.
    Inline(Entry),
    /// In a volume; meta is repeated here.
    Volume(Place, Meta),
    /// In a volume, under an older meta there.
    Renewed(Place, Meta),
}

impl Indexed {
    pub(crate) fn meta(&self) -> &Meta {
        match self {
            Self::Inline(entry) => &entry.meta,
            Self::Volume(_, meta) | Self::Renewed(_, meta) => meta,
        }
    }
}

/// The record of an entry whose envelope, given in parts, is kept in the index.
pub(crate) fn inline(key: &[u8], envelope: &[Bytes; 2]) -> Bytes {
    let mut record = BytesMut::with_capacity(FRONT + envelope[0].len() + envelope[1].len());
    record.put_slice(&[0; 8]);
    record.put_slice(&[INLINE, 0, 0, 0]);
    record.put_slice(&envelope[0]);
    record.put_slice(&envelope[1]);
    sealed(key, record)
}

/// The record of an entry in a volume; `stub` is the envelope of its meta without a body.
pub(crate) fn in_volume(key: &[u8], place: Place, stub: &[u8]) -> Bytes {
    placed(VOLUME, key, place, stub)
}

/// The record of an entry in a volume that has an older meta there; `stub` is the envelope of the meta that counts.
pub(crate) fn renewed(key: &[u8], place: Place, stub: &[u8]) -> Bytes {
    placed(RENEWED, key, place, stub)
}

fn placed(kind: u8, key: &[u8], place: Place, stub: &[u8]) -> Bytes {
    let mut record = BytesMut::with_capacity(FRONT + PLACE + stub.len());
    record.put_slice(&[0; 8]);
    record.put_slice(&[kind, 0, 0, 0]);
    record.put_u32_le(place.volume);
    record.put_u64_le(place.offset());
    record.put_u32_le(place.len);
    record.put_slice(stub);
    sealed(key, record)
}

/// The weight in the index of a record of an entry with an envelope of `envelope` bytes.
pub(crate) fn inline_charge(key: &[u8], envelope: u64) -> u64 {
    OVERHEAD + key.len() as u64 + FRONT as u64 + envelope
}

/// The weight in the index of a record that points into a volume.
pub(crate) fn volume_charge(key: &[u8], stub: u64) -> u64 {
    OVERHEAD + key.len() as u64 + (FRONT + PLACE) as u64 + stub
}

/// The weight in the index of a record as it is stored.
pub(crate) fn stored_charge(key: &[u8], record: &[u8]) -> u64 {
    OVERHEAD + key.len() as u64 + record.len() as u64
}

/// Reads a record.
///
/// # Errors
/// `Corrupt` for anything but exactly what was written for `key`.
pub(crate) fn decode(key: &[u8], record: &Bytes) -> Result<Indexed> {
    let (spot, envelope) = verify(key, record)?;
    let entry = Entry::decode(record.slice_ref(envelope))?;
    Ok(match spot {
        Spot::Inline => Indexed::Inline(entry),
        Spot::Volume(place) => Indexed::Volume(place, entry.meta),
        Spot::Renewed(place) => Indexed::Renewed(place, entry.meta),
    })
}

/// Reads a record without its body, and without a copy of it.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_meta(key: &[u8], record: &[u8]) -> Result<(Spot, Meta)> {
    let (spot, envelope) = verify(key, record)?;
    Ok((spot, Entry::decode_meta(envelope)?))
}

/// Where a record that verifies says that its entry is, and the envelope in it.
fn verify<'a>(key: &[u8], record: &'a [u8]) -> Result<(Spot, &'a [u8])> {
    let front: &[u8; FRONT] = record.first_chunk().ok_or_else(corrupt)?;
    let [c0, c1, c2, c3, c4, c5, c6, c7, kind, z0, z1, z2] = *front;
    if checksum(key, &record[8..]).to_le_bytes() != [c0, c1, c2, c3, c4, c5, c6, c7] || [z0, z1, z2] != [0; 3] {
        return Err(corrupt());
    }
    match kind {
        INLINE => Ok((Spot::Inline, &record[FRONT..])),
        VOLUME | RENEWED => {
            let place: &[u8; PLACE] = record[FRONT..].first_chunk().ok_or_else(corrupt)?;
            let [v0, v1, v2, v3, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = *place;
            let (volume, len) = (u32::from_le_bytes([v0, v1, v2, v3]), u32::from_le_bytes([l0, l1, l2, l3]));
            let offset = u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
            let place = Place::new(volume, offset, len).ok_or_else(corrupt)?;
            let spot = if kind == VOLUME { Spot::Volume(place) } else { Spot::Renewed(place) };
            Ok((spot, &record[FRONT + PLACE..]))
        }
        _ => Err(corrupt()),
    }
}

fn sealed(key: &[u8], mut record: BytesMut) -> Bytes {
    let checksum = checksum(key, &record[8..]);
    record[..8].copy_from_slice(&checksum.to_le_bytes());
    record.freeze()
}

/// The length of the key is the seed, so that no byte can move from the key to the record.
fn checksum(key: &[u8], rest: &[u8]) -> u64 {
    let mut hasher = Xxh3::with_seed(key.len() as u64);
    hasher.update(key);
    hasher.update(rest);
    hasher.digest()
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "a record of the index does not verify")
}

#[cfg(test)]
mod tests {
    use cache_core::{Stamp, Timestamp};

    use super::*;

    fn entry() -> Entry {
        Entry::new(Meta::new(Stamp::from_u64(7), Timestamp::from_millis(9)), "body")
    }

    fn samples() -> [(Bytes, Indexed); 3] {
        let entry = entry();
        let place = Place::new(3, 8192, 777).unwrap();
        let stub = Entry::new(entry.meta.clone(), "").encode().unwrap();
        [
            (inline(b"key", &entry.encode_parts().unwrap()), Indexed::Inline(entry.clone())),
            (in_volume(b"key", place, &stub), Indexed::Volume(place, entry.meta.clone())),
            (renewed(b"key", place, &stub), Indexed::Renewed(place, entry.meta)),
        ]
    }

    #[test]
    fn a_record_reads_back_as_written_and_weighs_what_was_charged() {
        let entry = entry();
        let envelope = entry.encode().unwrap().len() as u64;
        let stub = Entry::new(entry.meta, "").encode().unwrap().len() as u64;
        let in_volume = volume_charge(b"key", stub);
        let charges = [inline_charge(b"key", envelope), in_volume, in_volume];
        for ((record, meant), charged) in samples().into_iter().zip(charges) {
            assert_eq!(stored_charge(b"key", &record), charged);
            assert_eq!(decode(b"key", &record).unwrap(), meant);
            assert_eq!(decode_meta(b"key", &record).unwrap().1, *meant.meta());
        }
    }

    #[test]
    fn every_flipped_bit_cut_and_foreign_key_is_found() {
        for (record, _) in samples() {
            assert!(decode(b"kez", &record).is_err());
            for bit in 0..record.len() * 8 {
                let mut flipped = record.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(decode(b"key", &flipped.into()).is_err(), "bit {bit}");
            }
            for len in 0..record.len() {
                assert!(decode(b"key", &record.slice(..len)).is_err(), "cut to {len}");
            }
        }
    }
}
