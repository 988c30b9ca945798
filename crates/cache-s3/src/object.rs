//! The bytes of one object: head, key, meta, body.
//!
//! Version 1, integers little-endian:
//!
//! | offset | length | content |
//! |--:|--:|---|
//! | 0 | 4 | magic `RLCO` |
//! | 4 | 1 | version, `1` |
//! | 5 | 3 | zero |
//! | 8 | 4 | K: length of the key, at most 1,024 |
//! | 12 | 4 | M: length of the meta |
//! | 16 | 8 | B: length of the body |
//! | 24 | 8 | XXH3-64 of the body |
//! | 32 | 8 | XXH3-64 of bytes 0 to 31, the key and the meta, one behind the other |
//! | 40 | K | the key in its printed form |
//! | 40 + K | M | the meta: an entry envelope with an empty body |
//! | 40 + K + M | B | the body, as it is |
//!
//! Nothing follows the body. The head has a checksum of its own, which covers that of the body: a reader knows meta and
//! length of an entry for sure without its body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use cache_core::{Entry, Error, ErrorKind, Key, Meta, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MAGIC: [u8; 4] = *b"RLCO";
const VERSION: u8 = 1;
/// Magic, version, three zero bytes, lengths of key, meta and body, checksum of the body.
const FRONT: usize = 32;
/// The front and the checksum of front, key and meta.
const HEADER: usize = FRONT + 8;
/// Longest meta: that of an entry, in its envelope.
const MAX_META: usize = (1 << 20) + 64;
/// Bytes of an object in front of its body, at most.
pub(crate) const MAX_HEAD: u64 = (HEADER + Key::MAX_BYTES + MAX_META) as u64;
/// Bytes that hold the head of nearly every object.
pub(crate) const USUAL_HEAD: u64 = 4 << 10;

/// All of an object but its body, verified.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) key: Key,
    pub(crate) meta: Meta,
    /// Bytes in front of the body.
    front: u64,
    body_len: u64,
    body_sum: u64,
}

/// What the first bytes of an object say.
#[derive(Debug)]
pub(crate) enum Start {
    Whole(Head),
    /// The head is as long as this, longer than what was read.
    Longer(u64),
}

impl Head {
    /// Reads the head from the first bytes of an object of `len` bytes. Allocates nothing on the word of a length that
    /// was not checked against `bytes`.
    pub(crate) fn read(bytes: &Bytes, len: u64) -> Result<Start> {
        let Some(mut front) = bytes.get(..HEADER) else { return Err(corrupt("the object is shorter than its header")) };
        if front[..4] != MAGIC {
            return Err(corrupt("the object is no entry of a cache: its magic bytes are missing"));
        }
        if front[4..8] != [VERSION, 0, 0, 0] {
            return Err(corrupt("the object's version is unknown to this build"));
        }
        front.advance(8);
        let (key_len, meta_len) = (front.get_u32_le() as usize, front.get_u32_le() as usize);
        let (body_len, body_sum, head_sum) = (front.get_u64_le(), front.get_u64_le(), front.get_u64_le());
        if key_len > Key::MAX_BYTES || meta_len > MAX_META {
            return Err(corrupt("the object's lengths are beyond their limits"));
        }
        let whole = HEADER + key_len + meta_len;
        if (whole as u64).checked_add(body_len) != Some(len) {
            return Err(corrupt("the object's length is not that in its header: it was cut or is another's"));
        }
        let (Some(key), Some(meta)) = (bytes.get(HEADER..HEADER + key_len), bytes.get(HEADER + key_len..whole)) else {
            return Ok(Start::Longer(whole as u64));
        };
        if checksum(&bytes[..FRONT], key, meta) != head_sum {
            return Err(corrupt("the checksum of the object's head does not hold"));
        }
        let text = std::str::from_utf8(key).map_err(|_| corrupt("the object's key is not text"))?;
        let key = Key::parse(text).map_err(|error| corrupt("the object's key is not a key").with_source(error))?;
        let meta = Entry::decode(bytes.slice(HEADER + key_len..whole))?.meta;
        Ok(Start::Whole(Self { key, meta, front: whole as u64, body_len, body_sum }))
    }

    /// Whether this is the head of `entry`.
    pub(crate) fn is_of(&self, entry: &Entry) -> bool {
        self.meta == entry.meta && self.body_len == entry.len() && self.body_sum == xxh3_64(&entry.body)
    }

    /// The entry in the whole object. The body is a slice of `bytes`, not a copy.
    pub(crate) fn entry(self, mut bytes: Bytes) -> Result<Entry> {
        if bytes.len() as u64 != self.front + self.body_len {
            return Err(corrupt("the object's body was cut"));
        }
        bytes.advance(self.front as usize);
        if xxh3_64(&bytes) != self.body_sum {
            return Err(corrupt("the checksum of the object's body does not hold"));
        }
        Ok(Entry::new(self.meta, bytes))
    }
}

/// The object of an entry in two buffers: head, and the body as it is.
pub(crate) fn encode(key: &Key, entry: &Entry) -> Result<[Bytes; 2]> {
    let meta = Entry::new(entry.meta.clone(), Bytes::new()).encode()?;
    let key = key.as_str().as_bytes();
    let mut head = BytesMut::with_capacity(HEADER + key.len() + meta.len());
    head.put_slice(&MAGIC);
    head.put_slice(&[VERSION, 0, 0, 0]);
    head.put_u32_le(key.len() as u32);
    head.put_u32_le(meta.len() as u32);
    head.put_u64_le(entry.len());
    head.put_u64_le(xxh3_64(&entry.body));
    let sum = checksum(&head, key, &meta);
    head.put_u64_le(sum);
    head.put_slice(key);
    head.put_slice(&meta);
    Ok([head.freeze(), entry.body.clone()])
}

fn checksum(front: &[u8], key: &[u8], meta: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(front);
    hasher.update(key);
    hasher.update(meta);
    hasher.digest()
}

pub(crate) fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests;
