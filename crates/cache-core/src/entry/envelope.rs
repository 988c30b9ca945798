//! The versioned binary form of an entry, described byte by byte in docs/formats.md.

use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3;

use super::Entry;
use crate::{Error, ErrorKind, Meta, Result};

const MAGIC: [u8; 4] = *b"RLCE";
const VERSION: u8 = 1;
/// Magic, version, three zero bytes, length of meta, length of body.
const FRONT: usize = 16;
/// The front and its checksum.
const HEADER: usize = FRONT + 8;
/// Longest meta: room for some thousand tags.
const MAX_META: usize = 1 << 20;
/// How deep a meta is nested at most. What a later build adds may be deeper than what is known, but a stack is not endless.
const MAX_DEPTH: usize = 16;

impl Entry {
    /// The binary form in one buffer: a copy of the body. [`encode_parts`](Self::encode_parts) avoids it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the meta is above 1 MiB, [`ErrorKind::TooLarge`] when the body is above
    /// [`Entry::MAX_BODY`].
    pub fn encode(&self) -> Result<Bytes> {
        let head = self.encode_head()?;
        let mut whole = BytesMut::with_capacity(head.len() + self.body.len());
        whole.put_slice(&head);
        whole.put_slice(&self.body);
        Ok(whole.freeze())
    }

    /// The binary form in two buffers to be stored one behind the other: head, and the body as it is.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_parts(&self) -> Result<[Bytes; 2]> {
        Ok([self.encode_head()?, self.body.clone()])
    }

    fn encode_head(&self) -> Result<Bytes> {
        self.check_body(Self::MAX_BODY)?;
        let meta = rmp_serde::to_vec_named(&self.meta)
            .map_err(|error| Error::new(ErrorKind::Internal, "the meta does not encode").with_source(error))?;
        if meta.len() > MAX_META {
            let len = meta.len();
            return Err(Error::new(ErrorKind::Invalid, format!("meta of {len} bytes exceeds 1 MiB: use fewer tags")));
        }
        let mut head = BytesMut::with_capacity(HEADER + meta.len());
        head.put_slice(&MAGIC);
        head.put_slice(&[VERSION, 0, 0, 0]);
        head.put_u32_le(meta.len() as u32);
        head.put_u32_le(self.body.len() as u32);
        let checksum = checksum(&head, &meta, &self.body);
        head.put_u64_le(checksum);
        head.put_slice(&meta);
        Ok(head.freeze())
    }

    /// Reads the binary form. The body is a slice of `bytes`, not a copy.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for anything but exactly one whole envelope of a known version whose checksum
    /// holds. Nothing is allocated on the word of a length that was not checked against `bytes`.
    pub fn decode(mut bytes: Bytes) -> Result<Self> {
        let (meta, body) = verify(&bytes)?;
        let (meta, body) = (decode_meta(meta)?, bytes.len() - body.len());
        Ok(Self { meta, body: bytes.split_off(body) })
    }

    /// The meta alone of a binary form, all of which is verified.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_meta(bytes: &[u8]) -> Result<Meta> {
        decode_meta(verify(bytes)?.0)
    }
}

/// Meta and body of an envelope that is exactly one whole.
fn verify(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let front: &[u8; FRONT] = bytes.first_chunk().ok_or_else(|| corrupt("the envelope is shorter than its header"))?;
    let [m0, m1, m2, m3, version, z0, z1, z2, a0, a1, a2, a3, b0, b1, b2, b3] = *front;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(corrupt("the envelope's magic bytes are missing"));
    }
    if version != VERSION || [z0, z1, z2] != [0; 3] {
        return Err(corrupt("the envelope's version is unknown to this build"));
    }
    let meta_len = u32::from_le_bytes([a0, a1, a2, a3]) as usize;
    let body_len = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
    if meta_len > MAX_META || bytes.len().checked_sub(HEADER + meta_len) != Some(body_len) {
        return Err(corrupt("the envelope's lengths do not add up"));
    }
    let (stored, meta, body) = (&bytes[FRONT..HEADER], &bytes[HEADER..HEADER + meta_len], &bytes[HEADER + meta_len..]);
    if checksum(front, meta, body).to_le_bytes() != stored {
        return Err(corrupt("the envelope's checksum does not hold"));
    }
    Ok((meta, body))
}

fn decode_meta(bytes: &[u8]) -> Result<Meta> {
    let mut rest = bytes;
    let mut decoder = rmp_serde::Deserializer::new(&mut rest);
    decoder.set_max_depth(MAX_DEPTH);
    let meta = serde::Deserialize::deserialize(&mut decoder)
        .map_err(|error| corrupt("the envelope's meta does not decode").with_source(error))?;
    if rest.is_empty() { Ok(meta) } else { Err(corrupt("the envelope's meta has a tail")) }
}

fn checksum(front: &[u8], meta: &[u8], body: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(front);
    hasher.update(meta);
    hasher.update(body);
    hasher.digest()
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests;
