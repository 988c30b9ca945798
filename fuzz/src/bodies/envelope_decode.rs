//! Envelopes: what is read is one whole envelope of the version that is known, is written and read again as the same, and its
//! body is the end of what it was read from.

use bytes::Bytes;
use cache_core::Entry;

use crate::Verdict;
use crate::record::seal_envelope;

/// Magic, version and reserved bytes; the lengths behind them; the checksum behind those.
const START: &[u8] = b"RLCE\x01\0\0\0";
const META_LEN: std::ops::Range<usize> = 8..12;
const BODY_LEN: std::ops::Range<usize> = 12..16;
const HEADER: usize = 24;

pub(super) fn body(input: &[u8]) -> Verdict {
    let mut sealed = input.to_vec();
    seal_envelope(&mut sealed);
    let is_read = [Bytes::copy_from_slice(input), sealed.into()].map(|bytes| check(&bytes));
    is_read.contains(&true).into()
}

fn check(bytes: &Bytes) -> bool {
    let meta = Entry::decode_meta(bytes);
    let Ok(entry) = Entry::decode(bytes.clone()) else {
        assert!(meta.is_err(), "a meta without its entry");
        return false;
    };
    assert_eq!(meta.expect("the meta of an entry"), entry.meta);
    assert!(bytes.ends_with(&entry.body), "a body that was not there");
    let [meta_len, body_len] = [META_LEN, BODY_LEN].map(|range| number(&bytes[range]));
    assert!(bytes.starts_with(START) && HEADER + meta_len + body_len == bytes.len(), "more or less than an envelope");
    assert_eq!(sealed(bytes.to_vec()), bytes[..], "a checksum that does not hold");
    assert!(Entry::decode(with_tail(bytes, meta_len).into()).is_err(), "a meta with a tail");
    let written = entry.encode().expect("what was read is written");
    assert_eq!(Entry::decode(written).expect("what was written is read"), entry);
    true
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    seal_envelope(&mut bytes);
    bytes
}

/// The envelope with one more value behind its meta, which has so many bytes.
fn with_tail(bytes: &[u8], meta_len: usize) -> Vec<u8> {
    const NOTHING: u8 = 0xc0;
    let mut longer = bytes.to_vec();
    longer.insert(HEADER + meta_len, NOTHING);
    longer[META_LEN].copy_from_slice(&(meta_len as u32 + 1).to_le_bytes());
    sealed(longer)
}
