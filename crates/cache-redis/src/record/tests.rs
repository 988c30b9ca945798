//! Tests of the stored form.

use std::time::Duration;

use cache_core::{Stamp, ttl};

use super::*;

fn key() -> Key {
    Key::parse("video:1").unwrap()
}

fn entry(len: usize) -> Entry {
    let mut meta =
        Meta::new(Stamp::from_u64(7 << 40), Timestamp::from_millis(1_000)).with_lifetime(ttl(Duration::from_secs(5)));
    meta.tags = ["a".into(), "b".into()].into();
    Entry::new(meta, vec![7; len])
}

#[test]
fn a_record_comes_back_equal() {
    for len in [0, 1, 1_000, COPIED + 1] {
        let record = encode(&key(), &entry(len)).unwrap();
        assert_eq!(decode(&key(), &record), Some(entry(len)), "{len} bytes");
        let front = Front::read(&record).unwrap();
        assert_eq!((front.total(), front.expires()), (record.len() as u64, Timestamp::from_millis(6_000)));
        assert_eq!(front.meta(&key(), &record.slice(..front.envelope_end())), Some(entry(len).meta));
    }
}

#[test]
fn no_flipped_bit_and_no_missing_byte_passes() {
    let record = encode(&key(), &entry(100)).unwrap();
    for bit in 0..record.len() * 8 {
        let mut flipped = BytesMut::from(&record[..]);
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode(&key(), &flipped.freeze()), None, "bit {bit}");
    }
    for len in 0..record.len() {
        assert_eq!(decode(&key(), &record.slice(..len)), None, "{len} bytes");
    }
    let longer = [&record[..], b"x"].concat();
    assert_eq!(decode(&key(), &longer.into()), None);
}

#[test]
fn a_record_of_another_key_does_not_pass() {
    let record = encode(&key(), &entry(100)).unwrap();
    assert_eq!(decode(&Key::parse("video:2").unwrap(), &record), None);
}

#[test]
fn a_new_head_fits_the_old_body() {
    let record = encode(&key(), &entry(100)).unwrap();
    let mut meta = entry(0).meta;
    meta.stamp = Stamp::from_u64(8 << 40);
    let head = Head::new(&key(), &meta).unwrap();
    let old = Front::read(&record).unwrap();
    let renewed = [&head.front, &record[FACTS..FRONT], &head.rest, &record[old.head_len()..]].concat();
    assert_eq!(decode(&key(), &renewed.into()), Some(Entry { meta, body: entry(100).body }));
}

#[test]
fn a_huge_announced_length_allocates_nothing() {
    let mut record = encode(&key(), &entry(0)).unwrap().to_vec();
    record[28..32].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(decode(&key(), &record.clone().into()), None);
    record[24..28].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Front::read(&record), None);
}
