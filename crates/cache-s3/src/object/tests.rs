//! Tests of the object format.

use cache_core::{Stamp, Timestamp};

use super::*;

fn sample() -> (Key, Entry, Bytes) {
    let key = Key::of("video").part("a").build().unwrap();
    let entry = Entry::new(Meta::new(Stamp::from_u64(7), Timestamp::from_millis(1)), "the body");
    let whole: Vec<u8> = encode(&key, &entry).unwrap().concat();
    (key, entry, whole.into())
}

fn decode(bytes: &Bytes) -> Result<(Key, Entry)> {
    match Head::read(bytes, bytes.len() as u64)? {
        Start::Whole(head) => Ok((head.key.clone(), head.entry(bytes.clone())?)),
        Start::Longer(_) => Err(corrupt("cut in the head")),
    }
}

#[test]
fn an_object_holds_key_meta_and_body() {
    let (key, entry, bytes) = sample();
    assert_eq!(decode(&bytes).unwrap(), (key, entry));
}

#[test]
fn every_flipped_bit_is_found() {
    let (.., bytes) = sample();
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        assert_eq!(decode(&flipped.into()).unwrap_err().kind(), ErrorKind::Corrupt, "bit {at}");
    }
}

#[test]
fn every_cut_and_every_tail_is_found() {
    let (.., bytes) = sample();
    for len in 0..bytes.len() {
        assert_eq!(decode(&bytes.slice(..len)).unwrap_err().kind(), ErrorKind::Corrupt, "cut at {len}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(decode(&longer.into()).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_head_is_read_without_its_body_and_knows_the_length_of_the_object() {
    let (key, entry, bytes) = sample();
    let len = bytes.len() as u64;
    let head = bytes.slice(..bytes.len() - entry.body.len());
    let Start::Whole(read) = Head::read(&head, len).unwrap() else { panic!("the head is whole") };
    assert_eq!((read.key, read.meta), (key, entry.meta));
    assert_eq!(Head::read(&head, len - 1).unwrap_err().kind(), ErrorKind::Corrupt);
    let Start::Longer(whole) = Head::read(&head.slice(..50), len).unwrap() else { panic!("the head was cut") };
    assert_eq!(whole, head.len() as u64);
}

#[test]
fn version_1_stays_readable() {
    let (key, entry, bytes) = sample();
    let kept = Bytes::from_static(include_bytes!("../../tests/fixtures/object-v1.bin"));
    assert_eq!(decode(&kept).unwrap(), (key, entry));
    assert_eq!(bytes, kept, "what is written is what was");
}
