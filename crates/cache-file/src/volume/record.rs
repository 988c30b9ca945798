//! How an entry lies in a volume (docs/formats.md).

use bytes::{BufMut, Bytes, BytesMut};
use cache_core::{Entry, Error, ErrorKind, Result};
use xxhash_rust::xxh3::Xxh3;

use super::Place;

/// Records begin at multiples of this many bytes, so that freeing one touches no other.
pub(crate) const BLOCK: u64 = 4096;
/// Magic, version, three zero bytes, length of key, length of envelope, checksum.
pub(crate) const HEADER: usize = FRONT + 8;

const MAGIC: [u8; 4] = *b"RLCV";
const VERSION: u8 = 1;
const FRONT: usize = 16;

/// Lengths that a valid header states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key: usize,
    pub(crate) envelope: usize,
}

impl Header {
    /// Length of the whole record.
    pub(crate) const fn record(self) -> usize {
        HEADER + self.key + self.envelope
    }
}

/// Length of the record of an entry.
pub(crate) const fn len(key: &[u8], envelope: u64) -> u64 {
    HEADER as u64 + key.len() as u64 + envelope
}

/// The space that `len` bytes take in a volume.
pub(crate) const fn aligned(len: u64) -> u64 {
    len.next_multiple_of(BLOCK)
}

/// Header and key of a record at `offset` of `volume`; the envelope follows.
pub(crate) fn front(volume: u32, offset: u64, key: &[u8], envelope: u32) -> BytesMut {
    let mut front = BytesMut::with_capacity(HEADER + key.len());
    front.put_slice(&MAGIC);
    front.put_slice(&[VERSION, 0, 0, 0]);
    front.put_u32_le(key.len() as u32);
    front.put_u32_le(envelope);
    let checksum = checksum(volume, offset, &front, key);
    front.put_u64_le(checksum);
    front.put_slice(key);
    front
}

/// The header at the start of `bytes`, which must reach beyond the key, if one is there for this position.
pub(crate) fn header(volume: u32, offset: u64, bytes: &[u8]) -> Option<Header> {
    let front: &[u8; FRONT] = bytes.first_chunk()?;
    let [m0, m1, m2, m3, version, z0, z1, z2, k0, k1, k2, k3, e0, e1, e2, e3] = *front;
    if [m0, m1, m2, m3] != MAGIC || version != VERSION || [z0, z1, z2] != [0; 3] {
        return None;
    }
    let key_len = u32::from_le_bytes([k0, k1, k2, k3]) as usize;
    let envelope = u32::from_le_bytes([e0, e1, e2, e3]) as usize;
    let key = bytes.get(HEADER..HEADER.checked_add(key_len)?)?;
    let stored = &bytes[FRONT..HEADER];
    (checksum(volume, offset, front, key).to_le_bytes() == stored).then_some(Header { key: key_len, envelope })
}

/// The entry of `key` in the bytes that `place` names.
///
/// # Errors
/// `Corrupt` for anything but exactly the record that was written there for `key`.
pub(crate) fn decode(place: Place, key: &[u8], bytes: &Bytes) -> Result<Entry> {
    let header = header(place.volume, place.offset(), bytes).ok_or_else(|| corrupt("its header does not verify"))?;
    if bytes[HEADER..HEADER + header.key] != *key {
        return Err(corrupt("it belongs to another key"));
    }
    if header.record() != bytes.len() {
        return Err(corrupt("its length is not that of the index"));
    }
    Entry::decode(bytes.slice(HEADER + header.key..))
}

/// The position seeds the checksum: a record that lies elsewhere, be it inside of a body, is none.
fn checksum(volume: u32, offset: u64, front: &[u8], key: &[u8]) -> u64 {
    let mut hasher = Xxh3::with_seed((u64::from(volume) << 32) ^ (offset / BLOCK));
    hasher.update(front);
    hasher.update(key);
    hasher.digest()
}

fn corrupt(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a record in a volume is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use cache_core::{Meta, Stamp, Timestamp};

    use super::*;

    fn sample() -> (Place, Entry, Bytes) {
        let entry = Entry::new(Meta::new(Stamp::from_u64(1), Timestamp::from_millis(1)), "some body");
        let envelope = entry.encode().unwrap();
        let mut record = front(2, 4096, b"key", envelope.len() as u32);
        record.put_slice(&envelope);
        (Place::new(2, 4096, record.len() as u32).unwrap(), entry, record.freeze())
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let (place, entry, record) = sample();
        assert_eq!(len(b"key", entry.encode().unwrap().len() as u64), record.len() as u64);
        assert_eq!(decode(place, b"key", &record).unwrap(), entry);
    }

    #[test]
    fn every_flipped_bit_and_cut_is_found() {
        let (place, _, record) = sample();
        for bit in 0..record.len() * 8 {
            let mut flipped = record.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(place, b"key", &flipped.into()).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(decode(place, b"key", &record.slice(..len)).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn a_record_is_valid_only_for_its_key_and_where_it_was_written() {
        let (place, _, record) = sample();
        assert!(decode(place, b"kez", &record).is_err());
        assert!(decode(Place { volume: 3, ..place }, b"key", &record).is_err());
        assert!(decode(Place::new(2, 8192, place.len).unwrap(), b"key", &record).is_err());
    }
}
