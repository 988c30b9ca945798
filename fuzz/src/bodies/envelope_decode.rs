//! Envelopes: what is read is written and read again as the same, and a body is the end of what it was read from.

use bytes::Bytes;
use cache_core::Entry;

use crate::Verdict;
use crate::record::seal_envelope;

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
    let written = entry.encode().expect("what was read is written");
    assert_eq!(Entry::decode(written).expect("what was written is read"), entry);
    true
}
