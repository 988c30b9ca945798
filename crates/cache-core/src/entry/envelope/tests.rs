//! The binary form: exact, bounded, and readable for ever.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::{Entry, ErrorKind, Meta, Role, Stamp, Timestamp};

use bytes::Bytes;

fn full() -> Entry {
    let mut meta = Meta::new(Stamp::from_u64(0x0123_4567_89AB_CDEF), Timestamp::from_millis(1_700_000_000_000));
    meta.fresh_until = Timestamp::from_millis(1_700_000_060_000);
    meta.stale_until = Timestamp::from_millis(1_700_000_120_000);
    meta.valid_until = Timestamp::from_millis(1_700_000_090_000);
    meta.cost = Duration::from_micros(42_000_001);
    meta.tags = Arc::from([Arc::from("channel:7"), Arc::from("größe")]);
    meta.content_type = Some(Arc::from("video/mp4"));
    meta.etag = Some(Arc::from("\"5d41402a\""));
    meta.codec = Some(Arc::from("msgpack"));
    meta.schema = 3;
    Entry::new(meta, "the body")
}

/// Entries as version 1 of the format stores them. Never regenerate these: a change here breaks stored caches.
const V1_FULL: &[u8] = include_bytes!("../../../tests/fixtures/entry-v1-full.bin");
const V1_MINIMAL: &[u8] = include_bytes!("../../../tests/fixtures/entry-v1-minimal.bin");
const V1_TOMBSTONE: &[u8] = include_bytes!("../../../tests/fixtures/entry-v1-tombstone.bin");
const V1_MARK: &[u8] = include_bytes!("../../../tests/fixtures/entry-v1-mark.bin");

fn minimal() -> Entry {
    Entry::new(Meta::new(Stamp::ZERO, Timestamp::EPOCH), Bytes::new())
}

fn of_role(role: Role, body: &'static str) -> Entry {
    let mut meta = Meta::new(Stamp::from_u64(7), Timestamp::from_millis(1_700_000_000_000));
    meta.role = role;
    Entry::new(meta, body)
}

fn fixtures() -> [(&'static [u8], Entry); 4] {
    [
        (V1_FULL, full()),
        (V1_MINIMAL, minimal()),
        (V1_TOMBSTONE, of_role(Role::Tombstone, "")),
        (V1_MARK, of_role(Role::Mark, "a mark")),
    ]
}

#[test]
fn the_stored_fixtures_of_version_1_read_back() {
    for (stored, entry) in fixtures() {
        assert_eq!(Entry::decode(Bytes::from_static(stored)).unwrap(), entry);
        assert_eq!(Entry::decode_meta(stored).unwrap(), entry.meta);
    }
}

#[test]
fn version_1_is_written_byte_for_byte() {
    for (stored, entry) in fixtures() {
        assert_eq!(entry.encode().unwrap(), stored);
    }
}

#[test]
fn the_parts_are_the_whole() {
    let [head, body] = full().encode_parts().unwrap();
    assert_eq!([head, body].concat(), V1_FULL);
}

#[test]
fn every_flipped_bit_is_noticed() {
    for bit in 0..V1_FULL.len() * 8 {
        let mut bytes = V1_FULL.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = Entry::decode(bytes.into()).expect_err("a flipped bit must not read");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}");
    }
}

#[test]
fn every_truncation_and_any_tail_is_noticed() {
    for len in 0..V1_FULL.len() {
        assert!(Entry::decode(Bytes::from_static(&V1_FULL[..len])).is_err(), "{len} bytes");
    }
    assert!(Entry::decode([V1_FULL, b"x"].concat().into()).is_err());
}

#[test]
fn decoding_shares_the_body() {
    let whole = full().encode().unwrap();
    let body = Entry::decode(whole.clone()).unwrap().body;
    assert!(whole.as_ptr_range().contains(&body.as_ptr()));
}

#[test]
fn meta_with_unknown_fields_of_a_later_build_reads() {
    #[derive(serde::Serialize)]
    struct Later {
        s: u64,
        c: u64,
        zz: &'static str,
    }
    let meta = rmp_serde::to_vec_named(&Later { s: 1, c: 2, zz: "unknown" }).unwrap();
    let meta = super::decode_meta(&meta).unwrap();
    assert_eq!(meta, Meta::new(Stamp::from_u64(1), Timestamp::from_millis(2)));
}

#[test]
fn meta_that_is_nested_without_end_is_corrupt() {
    let nested = |depth: usize| {
        let fields = [&b"\x83\xa1s\x01\xa1c\x02\xa2zz"[..], &b"\x91".repeat(depth), b"\xc0"].concat();
        super::decode_meta(&fields)
    };
    assert!(nested(10).is_ok());
    for depth in [100, 1_000, 500_000] {
        assert_eq!(nested(depth).unwrap_err().kind(), ErrorKind::Corrupt, "{depth}");
    }
}

#[test]
fn meta_with_an_unknown_role_of_a_later_build_is_corrupt() {
    #[derive(serde::Serialize)]
    struct Later {
        s: u64,
        c: u64,
        r: &'static str,
    }
    let of_role = |r| super::decode_meta(&rmp_serde::to_vec_named(&Later { s: 1, c: 2, r }).unwrap());
    assert_eq!(of_role("m").unwrap().role, Role::Mark);
    assert_eq!(of_role("x").unwrap_err().kind(), ErrorKind::Corrupt);
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(
        numbers in any::<[u64; 6]>(),
        cost in any::<u64>(),
        texts in any::<[Option<String>; 3]>(),
        tags in prop::collection::vec(any::<String>(), 0..4),
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut meta = Meta::new(Stamp::from_u64(numbers[0]), Timestamp::from_millis(numbers[1]));
        meta.fresh_until = Timestamp::from_millis(numbers[2]);
        meta.stale_until = Timestamp::from_millis(numbers[3]);
        meta.valid_until = Timestamp::from_millis(numbers[4]);
        meta.schema = numbers[5];
        meta.cost = Duration::from_micros(cost);
        let [content_type, etag, codec] = texts.map(|text| text.map(Arc::from));
        (meta.content_type, meta.etag, meta.codec) = (content_type, etag, codec);
        meta.tags = tags.into_iter().map(Arc::from).collect();
        let entry = Entry::new(meta, body);
        prop_assert_eq!(Entry::decode(entry.encode().unwrap()).unwrap(), entry);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Entry::decode(bytes.into()).is_err());
    }

    #[test]
    fn arbitrary_meta_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = super::decode_meta(&bytes);
    }
}
