//! A look at a few pieces of a long body: whether to compress the whole is worth its time.

use super::{Algorithm, frame};

/// Bodies that are shorter are tried as they are.
const LONG: usize = 512 << 10;
const PIECES: usize = 8;
const PIECE: usize = 4 << 10;

/// Whether `body` may become much shorter: pieces of it, evenly spread, become a sixteenth shorter together. Costs a
/// sixteenth of trying the whole at most; a body that compresses in a few places alone may be missed.
pub(super) fn promises(algorithm: Algorithm, level: i32, body: &[u8]) -> bool {
    if body.len() < LONG {
        return true;
    }
    let step = (body.len() - PIECE) / (PIECES - 1);
    let piece = |number: usize| body.get(number * step..number * step + PIECE).unwrap_or_default();
    let sample: Vec<u8> = (0..PIECES).flat_map(piece).copied().collect();
    let enough = sample.len() - sample.len() / 16;
    frame::compress(algorithm, level, &sample, enough).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 2 << 20;

    fn algorithms() -> impl Iterator<Item = Algorithm> {
        [
            #[cfg(feature = "zstd")]
            Algorithm::Zstd,
            #[cfg(feature = "lz4")]
            Algorithm::Lz4,
        ]
        .into_iter()
    }

    /// Bytes without any order.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn a_film_promises_nothing_and_what_compresses_in_a_quarter_of_it_does() {
        let text: Vec<u8> = (0..LEN / 8).flat_map(|number| format!("{number:07} ").into_bytes()).collect();
        let mut mixed = noise(LEN);
        mixed[LEN / 2..LEN / 4 * 3].fill(0);
        for algorithm in algorithms() {
            assert!(!promises(algorithm, 3, &noise(LEN)), "{algorithm:?}");
            assert!(promises(algorithm, 3, &text) && promises(algorithm, 3, &mixed), "{algorithm:?}");
            assert!(promises(algorithm, 3, &noise(LONG - 1)), "what is short is tried");
        }
    }
}
