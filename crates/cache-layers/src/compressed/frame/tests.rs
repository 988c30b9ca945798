//! Frames that are damaged or lie are refused; whole ones give their body back.

use cache_core::{Entry, ErrorKind};
use proptest::prelude::*;

use super::*;

const BOTH: &[Algorithm] = &[
    #[cfg(feature = "zstd")]
    Algorithm::Zstd,
    #[cfg(feature = "lz4")]
    Algorithm::Lz4,
];

fn pack(algorithm: Algorithm, raw: &[u8]) -> Bytes {
    compress(algorithm, 3, raw, raw.len() * 2 + 1_000).unwrap()
}

/// A frame whose checksum holds, as somebody makes it who means harm.
fn forged(algorithm: Algorithm, raw_len: u32, data: &[u8]) -> Vec<u8> {
    let mut frame =
        [&MAGIC[..], &[VERSION, number(algorithm.form()), 0, 0], &raw_len.to_le_bytes(), &[0; 8], data].concat();
    let checksum = checksum(&frame);
    frame[FRONT..HEADER].copy_from_slice(&checksum.to_le_bytes());
    frame
}

fn assert_corrupt(algorithm: Algorithm, frame: &[u8]) {
    let kind = decompress(algorithm.form(), frame).map_err(|error| error.kind());
    assert_eq!(kind.err(), Some(ErrorKind::Corrupt), "{algorithm:?}");
}

#[test]
fn every_flipped_bit_and_every_cut_is_corrupt() {
    for &algorithm in BOTH {
        let whole = pack(algorithm, &b"la la la ".repeat(40));
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.to_vec();
                flipped[at] ^= 1 << bit;
                assert_corrupt(algorithm, &flipped);
            }
            assert_corrupt(algorithm, &whole[..at]);
        }
        assert_corrupt(algorithm, &[&whole[..], &[0]].concat());
    }
}

#[cfg(feature = "zstd")]
#[test]
fn a_frame_of_zstd_that_another_follows_is_corrupt_even_if_that_holds_nothing() {
    let raw = b"la la la ".repeat(40);
    let frame = zstd::bulk::compress(&raw, 3).unwrap();
    let skipped = [&0x184D_2A50_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"skip"].concat();
    let empty = zstd::bulk::compress(&[], 3).unwrap();
    let forge = |data: &[u8]| forged(Algorithm::Zstd, raw.len() as u32, data);
    assert_eq!(decompress(Form::Zstd, &forge(&frame)).unwrap(), raw);
    for other in [&skipped, &empty, &frame] {
        assert_corrupt(Algorithm::Zstd, &forge(&[&frame[..], other].concat()));
        assert_corrupt(Algorithm::Zstd, &forge(&[other, &frame[..]].concat()));
    }
}

#[test]
fn a_declared_length_that_lies_is_corrupt() {
    let raw = b"la la la ".repeat(40);
    for &algorithm in BOTH {
        let whole = pack(algorithm, &raw);
        let len = raw.len() as u32;
        assert_eq!(decompress(algorithm.form(), &forged(algorithm, len, &whole[HEADER..])).unwrap(), raw);
        for lie in [0, 1, len - 1, len + 1, 2 * len, Entry::MAX_BODY as u32, 1 << 30, u32::MAX] {
            assert_corrupt(algorithm, &forged(algorithm, lie, &whole[HEADER..]));
        }
    }
}

#[test]
fn trust_24_a_bomb_is_corrupt_whatever_it_declares() {
    let zeros = vec![0; 8 << 20];
    for &algorithm in BOTH {
        let bomb = pack(algorithm, &zeros);
        for declared in [100, bomb.len() as u32, zeros.len() as u32 - 1, Entry::MAX_BODY as u32 + 1] {
            assert_corrupt(algorithm, &forged(algorithm, declared, &bomb[HEADER..]));
        }
    }
}

#[test]
fn a_frame_that_honestly_declares_more_than_a_body_may_have_is_corrupt() {
    for &algorithm in BOTH {
        let frame = pack(algorithm, &[7; 1_000]);
        assert!(decompress_within(1_000, algorithm.form(), &frame).is_ok());
        let refused = decompress_within(999, algorithm.form(), &frame);
        assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::Corrupt));
    }
}

#[cfg(feature = "zstd")]
#[test]
fn a_frame_of_zstd_that_tells_no_length_is_corrupt() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    std::io::Write::write_all(&mut encoder, &[7; 1_000]).unwrap();
    let data = encoder.finish().unwrap();
    assert_corrupt(Algorithm::Zstd, &forged(Algorithm::Zstd, 1_000, &data));
}

#[test]
fn a_frame_under_the_mark_of_another_algorithm_is_corrupt() {
    let frames: Vec<_> = BOTH.iter().map(|&algorithm| pack(algorithm, &[7; 1_000])).collect();
    for (&algorithm, frame) in BOTH.iter().zip(frames.iter().rev()).filter(|_| BOTH.len() > 1) {
        assert_corrupt(algorithm, frame);
    }
}

#[test]
fn a_frame_that_does_not_become_short_enough_is_none() {
    for &algorithm in BOTH {
        let whole = pack(algorithm, &[7; 1_000]);
        assert!(compress(algorithm, 3, &[7; 1_000], 875).is_some(), "{algorithm:?}");
        assert!(compress(algorithm, 3, &[7; 1_000], whole.len() - 1).is_none(), "{algorithm:?}");
        assert!(compress(algorithm, 3, &[7; 1_000], 0).is_none(), "{algorithm:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_comes_back_equal(seed in prop::collection::vec(any::<u8>(), 0..300), times in 1_usize..20) {
        let raw = seed.repeat(times);
        for &algorithm in BOTH {
            prop_assert_eq!(decompress(algorithm.form(), &pack(algorithm, &raw)).unwrap(), &raw);
        }
    }

    #[test]
    fn forged_bytes_never_panic_nor_give_more_than_they_declare(
        mut data in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        declared in 0_u32..4_000,
        genuine in any::<bool>(),
    ) {
        for &algorithm in BOTH {
            if genuine {
                data = pack(algorithm, &data.repeat(5))[HEADER..].to_vec();
                let at = at.index(data.len());
                data[at] = byte;
            }
            if let Ok(raw) = decompress(algorithm.form(), &forged(algorithm, declared, &data)) {
                prop_assert_eq!(raw.len(), declared as usize);
            }
        }
    }
}
