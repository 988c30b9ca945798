//! How many entries are read at once, be they asked for together or by callers at the same time.

use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Entry, Key, Result};
use futures_util::stream::{self, StreamExt};
use tokio::time::timeout;

use super::Store;
use crate::error::{closed, late, unexpected};
use crate::link::{Repeat, Reply, Request};
use crate::record;

/// Reads of their own at the same time.
const AT_ONCE: usize = 1_024;
/// Keys of one command: others wait for it a fraction of a millisecond.
const CHUNK: usize = 128;
/// Chunks at the same time.
const CHUNKS: usize = 8;
/// The longest record that is read with others. Bodies of longer ones would keep all of a reply in memory.
pub(super) const SHORT: i64 = 16 << 10;

/// What a read of several keys says about one of them; `None` for one that is to be read by itself.
pub(super) type Told = Option<Result<Option<Entry>>>;

impl Store {
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        if !self.link.is_one_node() {
            return self.get_each(keys).await;
        }
        // Collected first: a stream over borrowed keys would tie the future to their lifetime.
        let reads: Vec<_> = keys.chunks(CHUNK).map(|chunk| self.get_chunk(chunk)).collect();
        stream::iter(reads).buffered(CHUNKS).concat().await
    }

    /// As `get`, in one go with others that are under way; `None` when it is to be read by itself.
    pub(super) async fn get_gathered(self: &Arc<Self>, key: &Key) -> Told {
        let (answered, start) = self.reads.ask(key.clone())?;
        if start {
            tokio::spawn(self.clone().run_reads());
        }
        // Its turn, and its reply.
        match timeout(self.options.command_timeout * 2, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Some(Err(closed()))),
            Err(_) => Some(Err(late())),
        }
    }

    async fn run_reads(self: Arc<Self>) {
        let mut runner = self.reads.runner();
        loop {
            let (keys, answers): (Vec<_>, Vec<_>) = runner.next(CHUNK).await.into_iter().unzip();
            if keys.is_empty() {
                return;
            }
            for (answer, told) in answers.into_iter().zip(self.read_short(&keys).await) {
                let _ = answer.send(told);
            }
        }
    }

    async fn get_each(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let reads: Vec<_> = keys.iter().map(|key| self.get_alone(key)).collect();
        stream::iter(reads).buffered(AT_ONCE).collect().await
    }

    async fn get_chunk(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let told = self.read_short(keys).await;
        let rest: Vec<_> =
            keys.iter().zip(&told).filter(|(_, told)| told.is_none()).map(|(key, _)| key.clone()).collect();
        let mut rest = Box::pin(self.get_each(&rest)).await.into_iter();
        told.into_iter().map(|told| told.unwrap_or_else(|| rest.next().unwrap_or(Ok(None)))).collect()
    }

    /// The entries of `keys` whose records are short and verify.
    async fn read_short(&self, keys: &[Key]) -> Vec<Told> {
        let replies = match self.short_values(keys).await {
            Ok(replies) => replies,
            Err(error) => return keys.iter().map(|_| Some(Err(error.clone()))).collect(),
        };
        let now = self.now();
        let tell = |(key, reply)| {
            let entry = entry_in(key, reply)?;
            self.short.saw(true);
            Some(Ok(entry.filter(|entry| !entry.meta.is_expired(now))))
        };
        keys.iter().zip(replies).map(tell).collect()
    }

    /// What `keys` have: bytes where it is short, nothing where it is empty, something else where it is neither.
    ///
    /// The lengths come first, so that nothing long is read. A script that reads would cost the server ten times as
    /// much, as it hashes each byte that passes through it.
    async fn short_values(&self, keys: &[Key]) -> Result<Vec<Reply>> {
        let names: Vec<Bytes> = keys.iter().map(|key| self.names.of(key)).collect();
        let lane = keys.first().map_or(0, |key| self.link.lane_of(key));
        let lengths = self.link.run_on(&self.scripts.lengths, lane, &names, Vec::new()).await?.many()?;
        let is_short = |len: &Reply| matches!(len, Reply::Number(len) if (1..=SHORT).contains(len));
        let short: Vec<usize> = (0..lengths.len()).filter(|at| is_short(&lengths[*at])).collect();
        let empty_is_nothing = |len| if matches!(len, Reply::Number(0)) { Reply::Nothing } else { len };
        let mut replies: Vec<_> = lengths.into_iter().map(empty_is_nothing).collect();
        let mut values = Vec::new();
        if replies.len() == names.len() && !short.is_empty() {
            let request = Request::new("MGET", Repeat::Once);
            let request = short.iter().fold(request, |request, at| request.key(names[*at].clone()));
            values = self.link.demand(lane, request).await?.many()?;
        }
        if replies.len() != names.len() || values.len() != short.len() {
            return Err(unexpected());
        }
        for (at, value) in short.into_iter().zip(values) {
            replies[at] = value;
        }
        Ok(replies)
    }
}

/// The entry of `key`, or that there is none; `None` when `reply` does not tell.
#[expect(clippy::option_option, reason = "not told is not the same as absent")]
fn entry_in(key: &Key, reply: Reply) -> Option<Option<Entry>> {
    match reply {
        Reply::Nothing => Some(None),
        Reply::Bytes(bytes) => record::decode(key, &bytes).map(Some),
        _ => None,
    }
}
