//! How entries are put, renewed and removed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cache_core::{Entry, Key, Meta, Result, Stamp, Timestamp};
use futures_util::future::join;
use futures_util::stream::{self, StreamExt};
use tokio::time::timeout;

use super::Store;
use super::gather::Gather;
use crate::error::{closed, late};
use crate::link::{Replace, Reply, Request};
use crate::record::{self, Head};

/// Writes of one `put_many` at the same time.
const AT_ONCE: usize = 256;
/// From this length on, a record is not an argument of a script, which would copy it several times.
const STAGED: usize = 4 << 10;
/// Puts of one script: others wait for it a fraction of a millisecond.
const GATHERED: usize = 32;
/// What the scripts of puts answer when there was nothing before.
const WAS_ABSENT: i64 = 2;
/// The longest life that a server is told: beyond it, none.
const LONGEST_LIFE_MS: u64 = 100 * 365 * 24 * 3_600 * 1_000;

/// A record on its way.
#[derive(Debug, Clone)]
pub(super) struct Put {
    lane: usize,
    name: Bytes,
    record: Bytes,
    /// Milliseconds until the server may drop it; `None` for never.
    life: Option<u64>,
}

/// Puts of a lane; the answer is `None` for one that is to be put by itself.
pub(super) type Puts = Gather<Put, Option<Result<()>>>;

impl Store {
    pub(crate) async fn put(self: &Arc<Self>, key: &Key, entry: &Entry) -> Result<()> {
        self.link.check_open()?;
        entry.check_body(self.options.max_body)?;
        let now = self.now();
        if entry.meta.is_expired(now) {
            return Ok(());
        }
        let put = Put {
            lane: self.link.lane_of(key),
            name: self.names.of(key),
            record: record::encode(key, entry)?,
            life: self.life(&entry.meta, now),
        };
        // What is put where there is nothing needs no comparison, and a script costs a server several times as much.
        if self.absent.is() {
            let set = Request::set(put.name.clone(), put.record.clone(), put.life, Replace::Never);
            let absent = !matches!(self.link.demand(put.lane, set).await?, Reply::Nothing);
            self.absent.saw(absent);
            if absent {
                return Ok(());
            }
        }
        Box::pin(self.put_over(key, put, now)).await
    }

    /// Puts what may have something to be compared with.
    async fn put_over(self: &Arc<Self>, key: &Key, put: Put, now: Timestamp) -> Result<()> {
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        if let Some(stage) = self.names.stage(key, number).filter(|_| put.record.len() >= STAGED) {
            return self.put_staged(put, stage, now).await;
        }
        let gather = &self.puts[put.lane % self.puts.len()];
        let caller = gather.enter();
        if caller.in_crowd
            && self.link.is_one_node()
            && let Some(answer) = self.put_gathered(gather, put.clone()).await
        {
            return answer;
        }
        let args = vec![record::instant(now), put.record, script_life(put.life)];
        let done = self.link.run_on(&self.scripts.put, put.lane, &[put.name], args).await?;
        self.note_absent(done)
    }

    /// Learns from what the script of puts answers whether there was nothing before.
    fn note_absent(&self, done: Reply) -> Result<()> {
        for done in done.many()? {
            self.absent.saw(done.number()? == WAS_ABSENT);
        }
        Ok(())
    }

    /// As a put, in one go with others that are under way; `None` when it is to be put by itself.
    async fn put_gathered(self: &Arc<Self>, gather: &Puts, put: Put) -> Option<Result<()>> {
        let lane = put.lane;
        let (answered, start) = gather.ask(put)?;
        if start {
            tokio::spawn(self.clone().run_puts(lane));
        }
        // Its turn, and its reply.
        match timeout(self.options.command_timeout * 2, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Some(Err(closed()))),
            Err(_) => Some(Err(late())),
        }
    }

    async fn run_puts(self: Arc<Self>, lane: usize) {
        let mut runner = self.puts[lane % self.puts.len()].runner();
        loop {
            let (puts, answers): (Vec<_>, Vec<_>) = runner.next(GATHERED).await.into_iter().unzip();
            if puts.is_empty() {
                return;
            }
            let answer = self.put_all(lane, puts).await;
            for waiting in answers {
                let _ = waiting.send(answer.clone());
            }
        }
    }

    /// Puts all of `puts`; `None` when each is to be put by itself, to know which of them the server refuses.
    async fn put_all(&self, lane: usize, puts: Vec<Put>) -> Option<Result<()>> {
        let mut args = vec![record::instant(self.now())];
        let names: Vec<_> = puts.iter().map(|put| put.name.clone()).collect();
        args.extend(puts.into_iter().flat_map(|put| [put.record, script_life(put.life)]));
        match self.link.try_run_on(&self.scripts.put, lane, &names, args).await {
            Ok(Reply::Refused(_)) => None,
            Ok(done) => Some(self.note_absent(done)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Sends the record to a place of its own and, right behind it, the script that moves it.
    async fn put_staged(&self, put: Put, stage: Bytes, now: Timestamp) -> Result<()> {
        let Put { lane, name, record, life } = put;
        let args = vec![record.slice(..24), record::instant(now), script_life(life)];
        // Long enough for the script to find it, should its connection be made anew in between.
        let life = (self.options.command_timeout * 4).as_millis() as u64;
        let names = [name, stage.clone()];
        // In this order, always: the script is to find the record.
        let sent = self.link.demand(lane, Request::set(stage, record, Some(life), Replace::Always));
        let moved = self.link.run_on(&self.scripts.put_staged, lane, &names, args);
        let (sent, moved) = join(sent, moved).await;
        sent?;
        self.absent.saw(moved?.number()? == WAS_ABSENT);
        Ok(())
    }

    pub(crate) async fn put_many(self: &Arc<Self>, entries: &[(Key, Entry)]) -> Vec<Result<()>> {
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
        let args = vec![present, record::instant(now), head.front, head.rest, script_life(self.life(meta, now))];
        let reply = self.link.run(&self.scripts.renew, key, self.names.of(key), args).await?;
        Ok(reply.number()? == 1)
    }

    pub(crate) async fn remove(&self, key: &Key) -> Result<bool> {
        let args = vec![record::instant(self.now())];
        let reply = self.link.run(&self.scripts.remove, key, self.names.of(key), args).await?;
        Ok(reply.number()? == 1)
    }

    /// Milliseconds until the server may drop what has `meta`; `None` for never.
    fn life(&self, meta: &Meta, now: Timestamp) -> Option<u64> {
        let expires = meta.expires();
        let life = expires.since(now).saturating_add(self.options.expiry_slack).as_millis();
        let life = u64::try_from(life).ok().filter(|life| *life <= LONGEST_LIFE_MS);
        life.filter(|_| expires != Timestamp::NEVER)
    }
}

/// A life as scripts take it.
fn script_life(life: Option<u64>) -> Bytes {
    life.unwrap_or(0).to_string().into()
}
