//! Records of the index: what is read under a key is written and read again as the same, and under no other key.

use bytes::Bytes;
use cache_core::Key;
use cache_file::IndexRecord;

use crate::Verdict;
use crate::record::{hash, keyed, other, seal_envelope};

/// Where the checksum ends, and where the envelope begins: in the index, and of an entry in a volume.
const CHECKSUM: usize = 8;
const ENVELOPES: [usize; 2] = [12, 28];
/// What says of which kind it is, and where it lies.
const KIND: usize = 8;
const PLACE: std::ops::Range<usize> = 12..28;

pub(super) fn body(input: &[u8]) -> Verdict {
    let Some((key, record)) = keyed(input) else { return Verdict::Refused };
    let sealed = ENVELOPES.map(|at| sealed(&key, &record, at));
    let is_read = sealed.into_iter().chain([record]).map(|record| check(&key, &record)).collect::<Vec<_>>();
    is_read.contains(&true).into()
}

fn check(key: &Key, record: &Bytes) -> bool {
    let Ok(read) = IndexRecord::decode(key, record) else { return false };
    let written = read.encode(key).expect("what was read is written");
    let kind = match &read {
        IndexRecord::Placed { is_renewed, .. } => 2 + u8::from(*is_renewed),
        _ => 1,
    };
    match &read {
        IndexRecord::Inline(entry) => assert!(record.ends_with(&entry.body), "a body that was not there"),
        _ => assert_eq!(written[PLACE], record[PLACE], "another place"),
    }
    assert_eq!((record[KIND], written[KIND]), (kind, kind), "another kind");
    assert_eq!(IndexRecord::decode(key, &written).expect("what was written is read"), read);
    assert!(IndexRecord::decode(&other(key), record).is_err(), "the record of another key");
    true
}

/// The record with an envelope at `at` and checksums that hold.
fn sealed(key: &Key, record: &Bytes, at: usize) -> Bytes {
    let mut sealed = record.to_vec();
    if sealed.len() > at {
        seal_envelope(&mut sealed[at..]);
        let text = key.as_str().as_bytes();
        let sum = hash(text.len() as u64, [text, &sealed[CHECKSUM..]]);
        sealed[..CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    }
    sealed.into()
}
