//! Entries and bodies for tests, the bodies saying who wrote them.

use bytes::Bytes;
use cache_core::{Entry, Meta, Stamp};

use crate::Bench;

/// An entry with the stamp of number `stamp`, created at [`Bench::START`], that never expires.
pub fn entry(stamp: u64, body: impl Into<Bytes>) -> Entry {
    Entry::new(Meta::new(Stamp::from_u64(stamp), Bench::START), body)
}

/// A body of `len` bytes in which every group of eight is `writer`: [`writer_of`] sees a mixture of two.
pub fn body_of(writer: u64, len: usize) -> Bytes {
    let mut body = writer.to_le_bytes().repeat(len.div_ceil(8));
    body.truncate(len);
    Bytes::from(body)
}

/// Who wrote `body`, if it is one whole body made by [`body_of`] with at least eight bytes.
pub fn writer_of(body: &[u8]) -> Option<u64> {
    let writer = body.first_chunk::<8>()?;
    let whole = body.chunks(8).all(|group| writer.starts_with(group));
    whole.then(|| u64::from_le_bytes(*writer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_writer() {
        assert_eq!(writer_of(&body_of(258, 21)), Some(258));
    }

    #[test]
    fn a_mixture_of_two_bodies_names_nobody() {
        let mixture = [body_of(1, 16), body_of(2, 16)].concat();
        assert_eq!(writer_of(&mixture), None);
        assert_eq!(writer_of(b"short"), None);
    }
}
