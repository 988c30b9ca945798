//! How entries are put, renewed and removed.

use std::collections::HashSet;

use bytes::Bytes;
use cache_core::{Entry, Key, Meta, Result, Stamp, Timestamp};
use futures_util::stream::{self, StreamExt};

use super::Store;
use crate::record::{self, Head};

/// Writes of one `put_many` at the same time.
const AT_ONCE: usize = 256;
/// The longest life that a server is told: beyond it, none.
const LONGEST_LIFE_MS: u64 = 100 * 365 * 24 * 3_600 * 1_000;

impl Store {
    pub(crate) async fn put(&self, key: &Key, entry: &Entry) -> Result<()> {
        self.link.check_open()?;
        entry.check_body(self.options.max_body)?;
        let now = self.now();
        if entry.meta.is_expired(now) {
            return Ok(());
        }
        let args = vec![record::encode(key, entry)?, record::instant(now), self.life(&entry.meta, now)];
        self.link.run(&self.scripts.put, key, self.names.of(key), args).await.map(drop)
    }

    pub(crate) async fn put_many(&self, entries: &[(Key, Entry)]) -> Vec<Result<()>> {
        let mut answers = Vec::with_capacity(entries.len());
        while answers.len() < entries.len() {
            let rest = &entries[answers.len()..];
            // Entries of one key go one after the other.
            let mut keys = HashSet::new();
            let distinct = rest.iter().take_while(|(key, _)| keys.insert(key)).count();
            let puts: Vec<_> = rest[..distinct].iter().map(|(key, entry)| self.put(key, entry)).collect();
            answers.extend(stream::iter(puts).buffered(AT_ONCE).collect::<Vec<_>>().await);
        }
        answers
    }

    pub(crate) async fn renew(&self, key: &Key, present: Stamp, meta: &Meta) -> Result<bool> {
        self.link.check_open()?;
        let now = self.now();
        if meta.stamp < present || meta.is_expired(now) {
            return Ok(false);
        }
        let head = Head::new(key, meta)?;
        let present = Bytes::copy_from_slice(&present.as_u64().to_be_bytes());
        let args = vec![present, record::instant(now), head.front, head.rest, self.life(meta, now)];
        let reply = self.link.run(&self.scripts.renew, key, self.names.of(key), args).await?;
        Ok(reply.number()? == 1)
    }

    pub(crate) async fn remove(&self, key: &Key) -> Result<bool> {
        let args = vec![record::instant(self.now())];
        let reply = self.link.run(&self.scripts.remove, key, self.names.of(key), args).await?;
        Ok(reply.number()? == 1)
    }

    /// Milliseconds until the server may drop what has `meta`, as scripts take them; 0 for never.
    fn life(&self, meta: &Meta, now: Timestamp) -> Bytes {
        let expires = meta.expires();
        let life = expires.since(now).saturating_add(self.options.expiry_slack).as_millis();
        match u64::try_from(life) {
            Ok(life) if expires != Timestamp::NEVER && life <= LONGEST_LIFE_MS => life.to_string().into(),
            _ => Bytes::from_static(b"0"),
        }
    }
}
