//! The record of an entry: its meta, its full key and a digest of its body under one checksum.

use bytes::{BufMut, Bytes, BytesMut};
use cache_core::{Entry, Key, Meta, Result};
use xxhash_rust::xxh3::xxh3_64;

/// Digest and length of the body, before the key.
const FRONT: usize = 16;
/// What an entry takes besides key, record and body: its rows, and its places in three indexes.
const OVERHEAD: u64 = 96;

/// What a record says.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) meta: Meta,
    digest: u64,
    body_len: u64,
    /// Of the record itself.
    len: u64,
}

impl Record {
    /// The record of an entry, and what the entry weighs.
    pub(crate) fn seal(key: &Key, entry: &Entry) -> Result<(Bytes, u64)> {
        let (digest, len) = (xxh3_64(&entry.body), entry.len());
        encode(key, entry.meta.clone(), digest, len)
    }

    /// The record and the weight of the entry with another meta and the body that it has.
    pub(crate) fn renewed(&self, key: &Key, meta: Meta) -> Result<(Bytes, u64)> {
        encode(key, meta, self.digest, self.body_len)
    }

    /// Reads a record back; `None` when it does not verify, or is another key's.
    pub(crate) fn open(key: &str, sealed: &[u8]) -> Option<Self> {
        let Entry { meta, body } = Entry::decode(Bytes::copy_from_slice(sealed)).ok()?;
        let (front, of) = body.split_first_chunk::<FRONT>()?;
        let [d0, d1, d2, d3, d4, d5, d6, d7, l0, l1, l2, l3, l4, l5, l6, l7] = *front;
        let digest = u64::from_le_bytes([d0, d1, d2, d3, d4, d5, d6, d7]);
        let body_len = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        (of == key.as_bytes()).then_some(Self { meta, digest, body_len, len: sealed.len() as u64 })
    }

    /// Whether `body` is the one that was put.
    pub(crate) fn holds(&self, body: &[u8]) -> bool {
        body.len() as u64 == self.body_len && xxh3_64(body) == self.digest
    }

    /// What the entry weighs.
    pub(crate) fn weight(&self, key: &str) -> u64 {
        weight(key, self.len, self.body_len)
    }
}

fn encode(key: &Key, meta: Meta, digest: u64, body_len: u64) -> Result<(Bytes, u64)> {
    let mut body = BytesMut::with_capacity(FRONT + key.as_str().len());
    body.put_u64_le(digest);
    body.put_u64_le(body_len);
    body.put_slice(key.as_str().as_bytes());
    let sealed = Entry::new(meta, body.freeze()).encode()?;
    let weight = weight(key.as_str(), sealed.len() as u64, body_len);
    Ok((sealed, weight))
}

fn weight(key: &str, record: u64, body: u64) -> u64 {
    key.len() as u64 + record + body + OVERHEAD
}

#[cfg(test)]
mod tests {
    use cache_core::{Stamp, Timestamp};

    use super::*;

    #[test]
    fn a_record_is_read_back_for_its_own_key_and_body_alone() {
        let key = Key::of("a").part(1).build().unwrap();
        let entry = Entry::new(Meta::new(Stamp::from_u64(7), Timestamp::EPOCH), "the body");
        let (sealed, weight) = Record::seal(&key, &entry).unwrap();
        let record = Record::open("a:1", &sealed).unwrap();
        assert_eq!((&record.meta, record.weight("a:1")), (&entry.meta, weight));
        assert!(record.holds(b"the body"));
        assert!(!record.holds(b"the bodY") && !record.holds(b""));
        assert!(Record::open("a:2", &sealed).is_none());
    }

    #[test]
    fn no_flipped_bit_of_a_record_goes_unseen() {
        let key = Key::of("a").part(1).build().unwrap();
        let entry = Entry::new(Meta::new(Stamp::from_u64(7), Timestamp::EPOCH), "the body");
        let (sealed, _) = Record::seal(&key, &entry).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::open("a:1", &flipped).is_none(), "bit {bit}");
        }
    }
}
