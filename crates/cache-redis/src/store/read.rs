//! How entries and metas are read, and what becomes of those that do not verify.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use cache_core::{Entry, Key, Meta, Result};

use super::Store;
use super::many::SHORT;
use crate::error::from_reply;
use crate::link::{Reply, Request};
use crate::record::{self, FRONT, Front};

/// What a read asks for at first: most records whole, and no more than this of what is none.
const FIRST: u64 = 256 << 10;
/// What a look at a meta asks for at first.
const FIRST_META: u64 = 1 << 10;

/// What a key has.
pub(super) enum Found<T> {
    Nothing,
    Whole(T),
    /// A record that does not verify, by its first bytes.
    Damaged(Bytes),
    /// Something that is no record.
    Foreign,
}

impl Store {
    pub(crate) async fn get(self: &Arc<Self>, key: &Key) -> Result<Option<Entry>> {
        let caller = self.reads.enter();
        if caller.in_crowd
            && self.short.is()
            && self.link.is_one_node()
            && let Some(answer) = self.get_gathered(key).await
        {
            return answer;
        }
        self.get_alone(key).await
    }

    pub(super) async fn get_alone(&self, key: &Key) -> Result<Option<Entry>> {
        let found = self.find(key).await?;
        let now = self.now();
        if let Found::Whole(entry) = &found {
            self.short.saw(entry.body.len() < SHORT as usize);
        }
        Ok(self.settle(key, found).await.filter(|entry| !entry.meta.is_expired(now)))
    }

    pub(crate) async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        let found = self.find_meta(key).await?;
        let now = self.now();
        Ok(self.settle(key, found).await.filter(|meta| !meta.is_expired(now)))
    }

    /// Turns what was found into the answer. What does not verify is counted; a record is dropped, unless it was
    /// replaced meanwhile.
    pub(super) async fn settle<T>(&self, key: &Key, found: Found<T>) -> Option<T> {
        match found {
            Found::Whole(whole) => return Some(whole),
            Found::Nothing => return None,
            Found::Foreign => tracing::warn!(%key, "what Redis has under a key is no entry: it is taken as absent"),
            Found::Damaged(front) => {
                tracing::warn!(%key, "an entry did not verify and is dropped");
                if let Err(error) = self.drop_record(key, front).await {
                    tracing::debug!(%key, %error, "the next read drops it");
                }
            }
        }
        self.corrupt.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Drops the record of `key` if it begins with `front` still; its length, or 0.
    pub(super) async fn drop_record(&self, key: &Key, front: Bytes) -> Result<u64> {
        let reply = self.link.run(&self.scripts.drop, key, self.names.of(key), vec![front]).await?;
        Ok(reply.number()?.unsigned_abs())
    }

    /// The meta of `key`, at the cost of its head.
    pub(super) async fn find_meta(&self, key: &Key) -> Result<Found<Meta>> {
        let mut bytes = match self.part(key, 0, FIRST_META).await? {
            Found::Whole(bytes) => bytes,
            other => return Ok(other.without()),
        };
        let Some(mut front) = Front::read(&bytes) else { return Ok(Found::Foreign) };
        if front.envelope_end() > bytes.len() && bytes.len() as u64 == FIRST_META {
            bytes = match self.part(key, 0, record::max_len(0)).await? {
                Found::Whole(bytes) => bytes,
                other => return Ok(other.without()),
            };
            front = match Front::read(&bytes) {
                Some(front) => front,
                None => return Ok(Found::Foreign),
            };
        }
        let damaged = || Found::Damaged(bytes.slice(..FRONT));
        Ok(front.meta(key, &bytes).map_or_else(damaged, Found::Whole))
    }

    /// The front of the record of `key`.
    pub(super) async fn find_front(&self, key: &Key) -> Result<Option<Front>> {
        let found = self.part(key, 0, FRONT as u64).await?;
        Ok(if let Found::Whole(bytes) = found { Front::read(&bytes) } else { None })
    }

    async fn find(&self, key: &Key) -> Result<Found<Entry>> {
        let bytes = match self.part(key, 0, FIRST).await? {
            Found::Whole(bytes) => bytes,
            other => return Ok(other.without()),
        };
        let Some(front) = Front::read(&bytes) else { return Ok(Found::Foreign) };
        let longest = record::max_len(Entry::MAX_BODY);
        if front.total() <= FIRST || (bytes.len() as u64) < FIRST || front.total() > longest {
            return Ok(verified(key, &bytes));
        }
        if let Found::Whole(rest) = self.part(key, FIRST, front.total() + 1).await? {
            let mut whole = BytesMut::with_capacity(bytes.len() + rest.len());
            whole.extend_from_slice(&bytes);
            whole.extend_from_slice(&rest);
            if let Some(entry) = record::decode(key, &whole.freeze()) {
                return Ok(Found::Whole(entry));
            }
        }
        // Damaged, or replaced between the two parts: one part tells.
        Ok(match self.part(key, 0, longest).await? {
            Found::Whole(bytes) => verified(key, &bytes),
            other => other.without(),
        })
    }

    /// The bytes `from..until` of what `key` has.
    async fn part(&self, key: &Key, from: u64, until: u64) -> Result<Found<Bytes>> {
        let request = Request::range(self.names.of(key), from, until);
        match self.link.ask(self.link.lane_of(key), request).await? {
            Reply::Refused(reply) if reply.starts_with("WRONGTYPE") => Ok(Found::Foreign),
            Reply::Refused(reply) => Err(from_reply(&reply)),
            Reply::Nothing => Ok(Found::Nothing),
            reply => Ok(Some(reply.bytes()?).filter(|bytes| !bytes.is_empty()).map_or(Found::Nothing, Found::Whole)),
        }
    }
}

impl Found<Bytes> {
    /// The same for another type, where there are no bytes.
    fn without<T>(self) -> Found<T> {
        match self {
            Self::Nothing => Found::Nothing,
            Self::Damaged(front) => Found::Damaged(front),
            Self::Whole(_) | Self::Foreign => Found::Foreign,
        }
    }
}

/// What all the bytes of a value hold.
fn verified(key: &Key, bytes: &Bytes) -> Found<Entry> {
    match record::decode(key, bytes) {
        Some(entry) => Found::Whole(entry),
        None if Front::read(bytes).is_some() => Found::Damaged(bytes.slice(..FRONT)),
        None => Found::Foreign,
    }
}
