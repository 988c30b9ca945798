//! The stored form of an entry, as the documentation of the crate describes it byte by byte.

use bytes::{BufMut, Bytes, BytesMut};
use cache_core::{Entry, Key, Meta, Result, Role, Timestamp};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const MAGIC: [u8; 5] = *b"RLCR\x01";
/// What precedes the envelope.
pub(crate) const FRONT: usize = 40;
/// What precedes the facts of the body.
const FACTS: usize = 28;
/// The head is a multiple of this long.
const ROOM: usize = 64;
/// Longest envelope: its own header, the longest meta and the longest key.
const MAX_ENVELOPE: usize = 24 + (1 << 20) + Key::MAX_BYTES;
/// Bodies up to this length are copied out of the reply: a slice would keep the whole read buffer in memory, which
/// holds many replies.
const COPIED: usize = 16 << 10;

/// The fixed part at the start of a record, as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front {
    bytes: [u8; FRONT],
}

/// The two parts of a head between which the facts of the body stand.
#[derive(Debug)]
pub(crate) struct Head {
    /// From the magic bytes up to the facts.
    pub(crate) front: Bytes,
    /// The envelope and its padding.
    pub(crate) rest: Bytes,
}

impl Front {
    /// The front of a record; `None` for what does not begin as one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = *bytes.first_chunk::<FRONT>()?;
        let front = Self { bytes };
        (bytes.starts_with(&MAGIC) && front.envelope_len() <= MAX_ENVELOPE).then_some(front)
    }

    /// The bytes themselves.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn expires(&self) -> Timestamp {
        Timestamp::from_millis(u64::from_be_bytes(self.at(16)))
    }

    /// Where the envelope ends.
    pub(crate) fn envelope_end(&self) -> usize {
        FRONT + self.envelope_len()
    }

    /// Length of the whole record in bytes.
    pub(crate) fn total(&self) -> u64 {
        (self.head_len() + self.body_len()) as u64
    }

    /// The meta out of `bytes`, the beginning of a record of `key` that reaches at least to the end of the envelope;
    /// `None` when it does not verify.
    pub(crate) fn meta(&self, key: &Key, bytes: &Bytes) -> Option<Meta> {
        if bytes.len() < self.envelope_end() {
            return None;
        }
        let envelope = Entry::decode(bytes.slice(FRONT..self.envelope_end())).ok()?;
        let agrees = self.bytes[..24] == front_of(&envelope.meta);
        (agrees && envelope.body == key.as_str().as_bytes()).then_some(envelope.meta)
    }

    fn envelope_len(&self) -> usize {
        u32::from_be_bytes(self.at(24)) as usize
    }

    fn head_len(&self) -> usize {
        self.envelope_end().next_multiple_of(ROOM)
    }

    fn body_len(&self) -> usize {
        u32::from_be_bytes(self.at(28)) as usize
    }

    fn at<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.bytes[offset..offset + N]);
        field
    }
}

impl Head {
    /// The head of an entry of `key` with `meta`.
    ///
    /// # Errors
    /// `Invalid` when the meta is above 1 MiB.
    pub(crate) fn new(key: &Key, meta: &Meta) -> Result<Self> {
        let envelope = Entry::new(meta.clone(), key.as_str().to_owned()).encode()?;
        let mut front = BytesMut::with_capacity(FACTS);
        front.put_slice(&front_of(meta));
        front.put_u32(envelope.len() as u32);
        let end = FRONT + envelope.len();
        let mut rest = BytesMut::with_capacity(end.next_multiple_of(ROOM) - FRONT);
        rest.put_slice(&envelope);
        rest.put_bytes(0, end.next_multiple_of(ROOM) - end);
        Ok(Self { front: front.freeze(), rest: rest.freeze() })
    }
}

/// The longest record whose body has at most `max_body` bytes.
pub(crate) const fn max_len(max_body: u64) -> u64 {
    (FRONT + MAX_ENVELOPE).next_multiple_of(ROOM) as u64 + max_body
}

/// The record of `entry` under `key`: a copy of the body.
///
/// # Errors
/// `Invalid` when the meta is above 1 MiB.
pub(crate) fn encode(key: &Key, entry: &Entry) -> Result<Bytes> {
    let head = Head::new(key, &entry.meta)?;
    let mut record = BytesMut::with_capacity(FRONT + head.rest.len() + entry.body.len());
    record.put_slice(&head.front);
    record.put_u32(entry.body.len() as u32);
    record.put_u64(checksum(key, &entry.body));
    record.put_slice(&head.rest);
    record.put_slice(&entry.body);
    Ok(record.freeze())
}

/// The entry in the record `bytes` of `key`; `None` when it does not verify.
pub(crate) fn decode(key: &Key, bytes: &Bytes) -> Option<Entry> {
    let front = Front::read(bytes)?;
    if bytes.len() as u64 != front.total() {
        return None;
    }
    let meta = front.meta(key, bytes)?;
    let padding = &bytes[front.envelope_end()..front.head_len()];
    let body = bytes.slice(front.head_len()..);
    let holds = padding.iter().all(|byte| *byte == 0) && checksum(key, &body) == u64::from_be_bytes(front.at(32));
    let body = if body.len() <= COPIED { Bytes::copy_from_slice(&body) } else { body };
    holds.then_some(Entry { meta, body })
}

/// An instant as scripts compare it.
pub(crate) fn instant(instant: Timestamp) -> Bytes {
    Bytes::copy_from_slice(&instant.as_millis().to_be_bytes())
}

/// What the front repeats of `meta`.
fn front_of(meta: &Meta) -> [u8; 24] {
    let mut front = [0; 24];
    front[..5].copy_from_slice(&MAGIC);
    front[5] = match meta.role {
        Role::Tombstone => b't',
        Role::Mark => b'm',
        _ => b'v',
    };
    front[8..16].copy_from_slice(&meta.stamp.as_u64().to_be_bytes());
    front[16..].copy_from_slice(&meta.expires().as_millis().to_be_bytes());
    front
}

fn checksum(key: &Key, body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, key.hash64())
}

#[cfg(test)]
mod tests;
