//! How entries are put, renewed and removed.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cache_core::{Entry, Key, Meta, Result, Stamp, Timestamp};
use futures_util::future::join;
use futures_util::stream::{self, StreamExt};

use super::Store;
use crate::link::{Repeat, Request};
use crate::record::{self, Head};

/// Writes of one `put_many` at the same time.
const AT_ONCE: usize = 256;
/// From this length on, a record is not an argument of a script, which would copy it several times.
const STAGED: usize = 16 << 10;
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
        let (record, life) = (record::encode(key, entry)?, self.life(&entry.meta, now));
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        if let Some(stage) = self.names.stage(key, number).filter(|_| record.len() >= STAGED) {
            return Box::pin(self.put_staged(key, stage, record, vec![record::instant(now), life])).await;
        }
        let args = vec![record, record::instant(now), life];
        self.link.run(&self.scripts.put, key, self.names.of(key), args).await.map(drop)
    }

    /// Sends the record to a place of its own and, right behind it, the script that moves it.
    async fn put_staged(&self, key: &Key, stage: Bytes, record: Bytes, mut args: Vec<Bytes>) -> Result<()> {
        let lane = self.link.lane_of(key);
        args.insert(0, record.slice(..24));
        // Long enough for the script to find it, should its connection be made anew in between.
        let life = (self.options.command_timeout * 4).as_millis() as u64;
        let waiting = Request::new("SET", Repeat::Once).key(stage.clone()).arg(record).arg(Bytes::from_static(b"PX"));
        let names = [self.names.of(key), stage];
        // In this order, always: the script is to find the record.
        let sent = self.link.demand(lane, waiting.number(life));
        let moved = self.link.run_on(&self.scripts.put_staged, lane, &names, args);
        let (sent, moved) = Box::pin(join(sent, moved)).await;
        sent.and(moved).map(drop)
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
