//! Records of volumes: what is read at a place is written and read again as the same, at no other place and under no other
//! key.

use bytes::Bytes;
use cache_core::Key;
use cache_file::VolumePlace;

use crate::Verdict;
use crate::record::{hash, keyed, other, seal_envelope};

const VOLUME: u32 = 2;
const OFFSET: u64 = 3 * 4_096;
/// Where the header says how long the envelope is, and where its own checksum stands.
const ENVELOPE_LEN: std::ops::Range<usize> = 12..16;
const CHECKSUM: std::ops::Range<usize> = 16..24;

pub(super) fn body(input: &[u8]) -> Verdict {
    let Some((key, record)) = keyed(input) else { return Verdict::Refused };
    let is_read = [sealed(&key, &record), record].map(|record| check(&key, &record));
    is_read.contains(&true).into()
}

fn check(key: &Key, record: &Bytes) -> bool {
    let place = VolumePlace { volume: VOLUME, offset: OFFSET, len: record.len() as u32 };
    let Ok(entry) = place.decode(key, record) else { return false };
    assert!(record.ends_with(&entry.body), "a body that was not there");
    let envelope = (record.len() - CHECKSUM.end - key.as_str().len()) as u32;
    assert_eq!(record[ENVELOPE_LEN], envelope.to_le_bytes(), "a header of another record");
    let written = place.encode(key, &entry).expect("what was read is written");
    assert_eq!(place.decode(key, &written).expect("what was written is read"), entry);
    let elsewhere = VolumePlace { offset: 4 * 4_096, ..place };
    assert!(elsewhere.decode(key, record).is_err(), "the record of another place");
    assert!(place.decode(&other(key), record).is_err(), "the record of another key");
    true
}

/// The record with an envelope behind its key, and checksums that hold.
fn sealed(key: &Key, record: &Bytes) -> Bytes {
    let mut sealed = record.to_vec();
    let envelope = CHECKSUM.end + key.as_str().len();
    if sealed.len() > envelope {
        seal_envelope(&mut sealed[envelope..]);
        let seed = (u64::from(VOLUME) << 32) ^ (OFFSET / 4_096);
        let sum = hash(seed, [&sealed[..CHECKSUM.start], &sealed[CHECKSUM.end..envelope]]);
        sealed[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    }
    sealed.into()
}
